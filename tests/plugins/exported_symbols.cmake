# Fails unless FILE exports initlab_plugin and nothing else.
execute_process(COMMAND ${NM} -D --defined-only ${FILE} OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
string(STRIP "${symbols}" symbols)
if(NOT symbols MATCHES "^[0-9a-f]+ T initlab_plugin$")
  message(FATAL_ERROR "${FILE}: expected one exported symbol, initlab_plugin, got:\n${symbols}")
endif()
