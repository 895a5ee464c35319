// Where the tests find the sources and the build. Functions and not macros: the objects of the tests then hold no path
// and are the same wherever the repository lies, so that a compiler cache serves every checkout.
#pragma once

#include <string>

namespace initlab::paths {

std::string source_dir();
std::string binary_dir();

}  // namespace initlab::paths
