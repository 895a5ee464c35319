// Small text tools that g++ 12 lacks (<format>) or that must be strict: numbers are parsed whole or not at all.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace initlab::base {

std::string join(std::span<const std::string> parts, std::string_view separator);
std::vector<std::string_view> split(std::string_view text, char separator);  // keeps empty parts; "" gives one
std::string_view trim(std::string_view text);                                // ASCII white space

// For messages: double quotes around, control characters escaped, at most 80 bytes, "..." after a cut.
std::string quote(std::string_view text);

// The whole text is a number, or nothing. No leading zeros ("010"), no hex, no inf or nan, no spaces; "1e-5" is a
// number.
std::optional<std::int64_t> to_integer(std::string_view text);
std::optional<double> to_number(std::string_view text);

// Shortest text that reads back to the same double ("0.02", "5e-05"); "nan", "inf" and "-inf" for the others.
std::string number_text(double value);
// Fixed digits after the point, for tables.
std::string fixed(double value, int digits);

// The candidate nearest to `word` (Damerau-Levenshtein, at most a third of its length), or "" where none is near.
std::string closest(std::string_view word, std::span<const std::string> candidates);
// "did you mean \"x\"?" or "one of a, b, c"; for the hint of an Error.
std::string did_you_mean(std::string_view word, std::span<const std::string> candidates);

// Name patterns of rules: '*' is any run of characters (dots too), '?' is one. The whole name must match.
bool glob_match(std::string_view pattern, std::string_view name);

bool is_valid_utf8(std::string_view bytes);

}  // namespace initlab::base
