// JSON with keys in the order they were written. Text from outside is parsed with bounded depth.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace initlab::base {

using Json = nlohmann::ordered_json;

// Throws Error(place) on malformed text, duplicate keys, or nesting deeper than most_depth.
Json parse_json(std::string_view text, const std::string& place, int most_depth = 64);

// Compact text of a value; the same value gives the same text everywhere. NaN and infinities become null.
std::string json_text(const Json& value);
// The same, indented by two spaces.
std::string json_pretty(const Json& value);

}  // namespace initlab::base
