// Files that are built into the program: ours from page/, the plotting library from where its Debian package installs
// it.
#pragma once

#include <string_view>

namespace initlab::report::assets {

std::string_view page_html();
std::string_view page_css();
std::string_view page_js();
std::string_view dygraphs_css();
std::string_view dygraphs_js();

}  // namespace initlab::report::assets
