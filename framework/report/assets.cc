#include "report/assets.hpp"

// The bytes of each file, by cmake/embed.cmake.
#define INITLAB_ASSET(name)                                                                                   \
  extern "C" const char initlab_##name##_begin[], initlab_##name##_end[];                                     \
  std::string_view initlab::report::assets::name() {                                                          \
    return {initlab_##name##_begin, static_cast<std::size_t>(initlab_##name##_end - initlab_##name##_begin)}; \
  }

INITLAB_ASSET(page_html)
INITLAB_ASSET(page_css)
INITLAB_ASSET(page_js)
INITLAB_ASSET(dygraphs_css)
INITLAB_ASSET(dygraphs_js)
