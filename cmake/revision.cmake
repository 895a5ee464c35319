# Writes a header with the revision of the working tree; run at every build, changes the file only when the revision does.
#   cmake -DSOURCE=<tree> -DOUTPUT=<header> -P revision.cmake
cmake_minimum_required(VERSION 3.25)
find_package(Git QUIET)
set(revision unknown)
if(GIT_FOUND)
  execute_process(COMMAND ${GIT_EXECUTABLE} describe --always --dirty WORKING_DIRECTORY ${SOURCE} OUTPUT_VARIABLE described
                  OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
  if(NOT failed)
    set(revision ${described})
  endif()
endif()
file(CONFIGURE OUTPUT ${OUTPUT} CONTENT "#define INITLAB_REVISION \"@revision@\"\n" @ONLY)
