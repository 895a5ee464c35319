// YAML text <-> Node, bounded. The one door to yaml-cpp: only its event parser is used, never its conversions.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "spec/node.hpp"

namespace initlab::spec {

// A spec is a page, not a data set; what is larger is a mistake or an attack.
inline constexpr std::size_t kMostFileBytes = std::size_t{1} << 20;
inline constexpr std::size_t kMostScalarBytes = std::size_t{1} << 16;
inline constexpr std::size_t kMostKeyBytes = 128;
inline constexpr std::size_t kMostDepth = 64;
inline constexpr std::size_t kMostNodes = 100'000;                   // after aliases are expanded
inline constexpr std::size_t kMostTextBytes = std::size_t{4} << 20;  // of all scalars, after aliases are expanded

// One document. `source` names it in places. Throws Error on malformed YAML, more than one document, duplicate keys,
// keys that are not plain text, tags, merge keys, control characters, text that is not UTF-8, and whatever exceeds the
// bounds.
Node parse_yaml(std::string_view text, const std::string& source);
// The same for a value that stands in no file: all marks are `mark`.
Node parse_yaml_value(std::string_view text, const Mark& mark);

// One line of YAML in flow form. Reading it gives the same node; "${" is written "$${".
std::string to_flow(const Node& node);
// A document in block form, short collections on one line.
std::string to_block(const Node& node);

}  // namespace initlab::spec
