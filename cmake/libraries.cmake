# Outside libraries. Each is named by exactly one folder of framework/ (tests/boundaries holds that).
find_package(OpenMP REQUIRED COMPONENTS CXX)            # compute/
# compute/: oneDNN 2.6 (Debian 12) or 3.x. Not through its CMake file: Debian's also asks for an OpenCL that the CPU does not need.
find_path(DNNL_INCLUDE_DIR oneapi/dnnl/dnnl.hpp REQUIRED)
find_library(DNNL_LIBRARY dnnl REQUIRED)
add_library(onednn INTERFACE)
target_include_directories(onednn SYSTEM INTERFACE ${DNNL_INCLUDE_DIR})
target_link_libraries(onednn INTERFACE ${DNNL_LIBRARY})
# compute/: Highway. Kernels are built for the one lane, AVX2 and AVX-512 on x86; the steps between gain little and cost compile time.
find_path(HWY_INCLUDE_DIR hwy/highway.h REQUIRED)
find_library(HWY_LIBRARY hwy REQUIRED)
add_library(highway INTERFACE)
target_include_directories(highway SYSTEM INTERFACE ${HWY_INCLUDE_DIR})
target_link_libraries(highway INTERFACE ${HWY_LIBRARY})
target_compile_definitions(highway INTERFACE "HWY_DISABLED_TARGETS=(HWY_SSSE3|HWY_SSE4|HWY_AVX3_DL)")
find_package(HDF5 REQUIRED COMPONENTS C)                # log/
find_package(yaml-cpp REQUIRED)                         # spec/      target: yaml-cpp
find_package(Boost 1.74 REQUIRED COMPONENTS program_options)  # app/ (program_options), compare/ (math, headers only)
find_package(nlohmann_json REQUIRED)                    # base/
find_package(OpenSSL REQUIRED COMPONENTS Crypto)        # base/
find_package(ICU REQUIRED COMPONENTS uc)                # text/
find_package(spdlog REQUIRED)                           # app/
find_package(Threads REQUIRED)                          # app/: the conformance suite starts some
find_path(RANDOM123_INCLUDE_DIR Random123/philox.h REQUIRED)  # base/
add_library(random123 INTERFACE)
target_include_directories(random123 SYSTEM INTERFACE ${RANDOM123_INCLUDE_DIR})
# report/: dygraphs draws the curves of a report; its files are built into the program.
find_file(DYGRAPHS_JS dygraphs/dygraph.min.js PATHS /usr/share/javascript REQUIRED)
find_file(DYGRAPHS_CSS dygraphs/dygraph.min.css PATHS /usr/share/javascript REQUIRED)
if(BUILD_TESTING)
  find_package(GTest REQUIRED)                          # tests/
  find_package(benchmark QUIET)                         # tests/bench/
  if(NOT benchmark_FOUND)
    message(STATUS "google/benchmark is absent (Debian: libbenchmark-dev): tests/bench/ is not built")
  endif()
endif()
