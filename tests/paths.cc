#include "paths.hpp"

namespace initlab::paths {

std::string source_dir() { return INITLAB_SOURCE_DIR; }
std::string binary_dir() { return INITLAB_BINARY_DIR; }

}  // namespace initlab::paths
