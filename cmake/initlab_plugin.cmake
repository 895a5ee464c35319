# initlab_plugin(<name> SOURCES a.cc ...): one shared library that exports nothing but `initlab_plugin`.
# Works the same inside this project and against the installed package (find_package(initlab)).
set(INITLAB_PLUGIN_VERSION_SCRIPT ${CMAKE_CURRENT_LIST_DIR}/initlab_plugin.map)

function(initlab_plugin name)
  cmake_parse_arguments(ARG "" "" "SOURCES" ${ARGN})
  add_library(${name} MODULE ${ARG_SOURCES})
  set_target_properties(${name} PROPERTIES PREFIX "" CXX_VISIBILITY_PRESET hidden C_VISIBILITY_PRESET hidden
                        VISIBILITY_INLINES_HIDDEN ON LINK_DEPENDS ${INITLAB_PLUGIN_VERSION_SCRIPT}
                        LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/plugins)
  target_compile_features(${name} PRIVATE cxx_std_20)
  target_compile_options(${name} PRIVATE -ffp-contract=off)  # initial bits are equal on every CPU
  target_link_libraries(${name} PRIVATE initlab::sdk)
  target_link_options(${name} PRIVATE -Wl,--version-script=${INITLAB_PLUGIN_VERSION_SCRIPT} -Wl,--no-undefined)
endfunction()
