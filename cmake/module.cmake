include(GNUInstallDirs)
if(BUILD_TESTING)
  include(GoogleTest)
endif()

# initlab_module(<folder> SOURCES a.cc ... [MODULES base ...] [LIBRARIES PRIVATE lib ...])
# One folder of framework/ = one namespace = one target: initlab_<folder>, alias initlab::<folder>.
# MODULES are folders of a lower level; LIBRARIES are outside libraries. A module without SOURCES is header-only.
function(initlab_module name)
  cmake_parse_arguments(ARG "" "" "SOURCES;MODULES;LIBRARIES" ${ARGN})
  list(TRANSFORM ARG_MODULES PREPEND initlab::)
  if(ARG_SOURCES)
    add_library(initlab_${name} STATIC ${ARG_SOURCES})
    target_include_directories(initlab_${name} PUBLIC ${PROJECT_SOURCE_DIR}/framework)
    target_link_libraries(initlab_${name} PUBLIC ${ARG_MODULES} PRIVATE ${ARG_LIBRARIES})
  else()
    add_library(initlab_${name} INTERFACE)
    target_include_directories(initlab_${name} INTERFACE ${PROJECT_SOURCE_DIR}/framework)
    target_link_libraries(initlab_${name} INTERFACE ${ARG_MODULES} ${ARG_LIBRARIES})
  endif()
  add_library(initlab::${name} ALIAS initlab_${name})
endfunction()

# initlab_test(<name> SOURCES a.cc ... MODULES base ... [LIBRARIES lib ...] [LABEL fast|long] [TIMEOUT seconds])
# One GoogleTest program; every TEST becomes a ctest entry. Tests find files below tests/ through tests/paths.hpp,
# and real data through the environment variable INITLAB_DATA (they skip visibly where it is absent).
function(initlab_test name)
  cmake_parse_arguments(ARG "" "LABEL;TIMEOUT" "SOURCES;MODULES;LIBRARIES" ${ARGN})
  if(NOT ARG_LABEL)
    set(ARG_LABEL fast)
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  list(TRANSFORM ARG_MODULES PREPEND initlab::)
  add_executable(test_${name} ${ARG_SOURCES})
  # The tests' own code is compiled once and runs for seconds: less optimization is less time in all.
  target_compile_options(test_${name} PRIVATE $<$<CONFIG:Release>:-O1>)
  target_link_libraries(test_${name} PRIVATE ${ARG_MODULES} ${ARG_LIBRARIES} initlab_test_paths GTest::gtest GTest::gtest_main)
  set_target_properties(test_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  gtest_discover_tests(test_${name} TEST_PREFIX ${name}. DISCOVERY_TIMEOUT 60
                       PROPERTIES LABELS ${ARG_LABEL} TIMEOUT ${ARG_TIMEOUT}
                       # Tests run side by side: waiting threads must not spin on each other's cores.
                       ENVIRONMENT OMP_WAIT_POLICY=passive)
endfunction()
