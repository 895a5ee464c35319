# For plugins, inside this project and against the installed package (find_package(initlab)) alike.
#
# initlab_plugin(<name> SOURCES a.cc ...): one shared library, <build>/plugins/<name>.so, that exports `initlab_plugin` alone.
# initlab_plugin_test(<name> [OPTIONS strategy:key=value ...]): the SDK's conformance suite on it, as a ctest entry.
# OPTIONS are values for options that have no default.
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
  # Hidden visibility alone still exports templates of the standard library; the version script does not.
  target_link_options(${name} PRIVATE -Wl,--version-script=${INITLAB_PLUGIN_VERSION_SCRIPT} -Wl,--no-undefined)
  set_property(GLOBAL APPEND PROPERTY INITLAB_PLUGINS ${name})
endfunction()

function(initlab_plugin_test name)
  cmake_parse_arguments(ARG "" "" "OPTIONS" ${ARGN})
  if(NOT TARGET initlab_conformance)
    find_file(INITLAB_CONFORMANCE_SOURCE sdk/conformance_main.cc HINTS
              ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/../framework ${INITLAB_INCLUDE_DIR} NO_DEFAULT_PATH REQUIRED)
    find_package(Threads REQUIRED)
    add_executable(initlab_conformance ${INITLAB_CONFORMANCE_SOURCE})
    target_compile_features(initlab_conformance PRIVATE cxx_std_20)
    target_link_libraries(initlab_conformance PRIVATE initlab::sdk Threads::Threads ${CMAKE_DL_LIBS})
    set_target_properties(initlab_conformance PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  endif()
  add_test(NAME conformance.${name} COMMAND initlab_conformance $<TARGET_FILE:${name}> ${ARG_OPTIONS})
  set_tests_properties(conformance.${name} PROPERTIES LABELS fast TIMEOUT 300)
endfunction()
