# Files as parts of a program.
#
# initlab_embed(<target> <symbol> <file>): adds a source to <target> that holds the file's bytes between <symbol>_begin and
# <symbol>_end. The file is read at build time, from where it is; it is not copied into the source tree.
function(initlab_embed target symbol file)
  get_filename_component(path ${file} ABSOLUTE)
  set(source ${CMAKE_CURRENT_BINARY_DIR}/${symbol}.cc)
  file(CONFIGURE OUTPUT ${source} @ONLY CONTENT [=[
__asm__(
    ".section .rodata\n"
    ".global @symbol@_begin\n.hidden @symbol@_begin\n@symbol@_begin:\n"
    ".incbin \"@path@\"\n"
    ".global @symbol@_end\n.hidden @symbol@_end\n@symbol@_end:\n"
    ".byte 0\n"
    ".previous\n");
]=])
  set_source_files_properties(${source} PROPERTIES OBJECT_DEPENDS ${path})
  target_sources(${target} PRIVATE ${source})
endfunction()
