# Installs to a temporary prefix, copies plugins/template, renames its strategy, builds it against the package, runs the
# conformance suite on it, and runs an experiment with it where the program was built.
cmake_minimum_required(VERSION 3.25)

function(step)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE out ERROR_VARIABLE err)
  if(NOT status EQUAL 0)
    list(JOIN ARGN " " command)
    message(FATAL_ERROR "${command}: exit ${status}\n${out}\n${err}")
  endif()
  set(output "${out}" PARENT_SCOPE)
endfunction()

function(expect what pattern)
  if(NOT output MATCHES "${pattern}")
    message(FATAL_ERROR "${what}: expected ${pattern} in:\n${output}")
  endif()
endfunction()

file(REMOVE_RECURSE ${WORK})
step(${CMAKE_COMMAND} --install ${BUILD} --prefix ${WORK}/prefix)

# A copy under another name: the id must differ from the one that the program has already.
file(COPY ${SOURCE}/plugins/template/ DESTINATION ${WORK}/mine)
file(RENAME ${WORK}/mine/template_uniform.cc ${WORK}/mine/my_uniform.cc)
file(RENAME ${WORK}/mine/template_calibrated.cc ${WORK}/mine/my_calibrated.cc)
foreach(name CMakeLists.txt my_uniform.cc my_calibrated.cc)
  file(READ ${WORK}/mine/${name} text)
  string(REPLACE template_ my_ text "${text}")
  file(WRITE ${WORK}/mine/${name} "${text}")
endforeach()

step(${CMAKE_COMMAND} -S ${WORK}/mine -B ${WORK}/build -G ${GENERATOR} -DCMAKE_CXX_COMPILER=${CXX}
     -DCMAKE_PREFIX_PATH=${WORK}/prefix "-DCMAKE_CXX_FLAGS=-Wall -Wextra -Wconversion -Werror")
step(${CMAKE_COMMAND} --build ${WORK}/build)
step(${CMAKE_CTEST_COMMAND} --test-dir ${WORK}/build --output-on-failure --no-tests=error)
set(plugin ${WORK}/build/plugins/my_uniform.so)
set(data_driven ${WORK}/build/plugins/my_calibrated.so)

set(program ${WORK}/prefix/bin/initlab)
if(NOT EXISTS ${program})
  message(STATUS "skipped: no program was built, so no experiment was run")
  return()
endif()
step(${CMAKE_COMMAND} -E env INITLAB_PLUGIN_PATH=${WORK}/build/plugins ${program} plugins)
expect("initlab plugins" "my_uniform/1")
expect("initlab plugins" "${plugin}")
expect("initlab plugins" "my_calibrated/1")
expect("initlab plugins, those that were installed" "xavier_uniform/1")

file(WRITE ${WORK}/mine.yaml "experiment: out_of_tree
plugins: [\"${plugin}\", \"${data_driven}\"]
model: {shape: micro, vocabulary: microworld}
task: {name: sentiment, data: microworld, train_size: 32}
training: {steps: 2, batch: 8, max_length: 32}
arms:
  mine: [{use: my_uniform, bound: 0.03}]
  default: [{use: bert_default}]
  data_driven: [{use: my_calibrated, target: 0.5}]
head: {use: my_uniform, bound: 0.03}
seeds: {replicates: 1, base: 1}
")
step(${program} run ${WORK}/mine.yaml --results ${WORK}/results)
expect("initlab run" "mine")
file(GLOB_RECURSE runs ${WORK}/results/*.h5)
list(LENGTH runs count)
if(NOT count EQUAL 3)
  message(FATAL_ERROR "expected 3 run files, got ${count}: ${runs}")
endif()
set(shown "")
foreach(run IN LISTS runs)
  step(${program} show ${run})
  string(APPEND shown "${output}")
endforeach()
set(output "${shown}")
expect("initlab show" "my_uniform/1")
expect("initlab show" "my_calibrated/1")

# What the data-driven one promises, as the run's own record states it: one round, then 0.5.
foreach(run IN LISTS runs)
  if(run MATCHES data_driven)
    step(${program} audit ${run} --json)
  endif()
endforeach()
expect("initlab audit" "\"calibration_rounds\": 1")
string(REGEX MATCHALL "\"calibrated_std\": [^n,]+" deviations "${output}")
list(LENGTH deviations count)
if(count LESS 7)
  message(FATAL_ERROR "expected a calibrated matrix for each product of a layer and the pooler, got ${count}")
endif()
foreach(deviation IN LISTS deviations)
  if(NOT deviation MATCHES ": 0\\.(5|500[0-9]*|4999[0-9]*)$")
    message(FATAL_ERROR "expected outputs of standard deviation 0.5, got ${deviation}")
  endif()
endforeach()
