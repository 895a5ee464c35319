# What is shipped: the program, our plugins, and what a plugin author needs (abi/, sdk/, initlab_plugin()). Nothing else of the
# framework is an interface.
include(CMakePackageConfigHelpers)

if(TARGET initlab)
  install(TARGETS initlab RUNTIME DESTINATION bin)
endif()
get_property(plugins GLOBAL PROPERTY INITLAB_PLUGINS)
install(TARGETS ${plugins} LIBRARY DESTINATION lib/initlab/plugins)  # the program looks in ../lib/initlab/plugins

install(FILES framework/abi/initlab_plugin.h DESTINATION include/initlab/abi)
install(FILES framework/sdk/conformance.hpp framework/sdk/conformance_main.cc framework/sdk/descriptor.hpp
              framework/sdk/distributions.hpp framework/sdk/options.hpp framework/sdk/orthonormal.hpp framework/sdk/plugin.hpp
              framework/sdk/shape.hpp framework/sdk/synthetic.hpp
        DESTINATION include/initlab/sdk)

set(package lib/cmake/initlab)
install(TARGETS initlab_sdk EXPORT initlabTargets)
install(EXPORT initlabTargets NAMESPACE initlab:: DESTINATION ${package})
configure_package_config_file(cmake/initlabConfig.cmake.in initlabConfig.cmake INSTALL_DESTINATION ${package})
write_basic_package_version_file(initlabConfigVersion.cmake COMPATIBILITY SameMajorVersion ARCH_INDEPENDENT)
install(FILES ${PROJECT_BINARY_DIR}/initlabConfig.cmake ${PROJECT_BINARY_DIR}/initlabConfigVersion.cmake
              cmake/initlab_plugin.cmake cmake/initlab_plugin.map
        DESTINATION ${package})
