// One field list per struct drives parsing, printing, hashing and the help text.
//
// A struct with a field list has
//   template <class Self, class Visitor> static void fields(Self& self, Visitor&& visit) {
//     visit("name", self.member, "one line with the unit", Check{...});
//   }
// A member is bool, std::int64_t, double, std::string, std::optional or std::vector of these, or a struct with fields.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/json.hpp"

namespace initlab::config {

// What a value must satisfy. Numbers: low <= x <= high, with open ends where marked; text: one of the choices, if any.
struct Check {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool low_open = false;
  bool high_open = false;
  std::vector<std::string> choices = {};
  // A field that came after the first runs: to_json leaves its default out, so that the identities of runs without it
  // stay what they were.
  bool later = false;
};

inline Check positive() { return {.low = 0, .low_open = true}; }
inline Check at_least(double low) { return {.low = low}; }
inline Check between(double low, double high) { return {.low = low, .high = high}; }
inline Check fraction() { return {.low = 0, .high = 1, .high_open = true}; }  // [0, 1)
inline Check one_of(std::vector<std::string> choices) { return {.choices = std::move(choices)}; }
inline Check later(Check check = {}) {
  check.later = true;
  return check;
}

// "a number above 0", "one of a, b"; what an error says was expected. kind: "a number", "an integer", "text", "true or
// false".
std::string describe(const Check& check, std::string_view kind);
// Empty where the value passes, else what was expected.
std::string violation(const Check& check, double value, std::string_view kind);
std::string violation(const Check& check, const std::string& value);

namespace detail {
struct ProbeVisitor {
  template <class T>
  void operator()(const char*, T&, const char*, const Check& = {}) const {}
};
}  // namespace detail

template <class T>
concept HasFields = requires(T& value) {
  T::fields(value, detail::ProbeVisitor{});
};

template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};
template <class T>
struct IsVector : std::false_type {};
template <class T>
struct IsVector<std::vector<T>> : std::true_type {};

// The canonical JSON of a struct: every field, in list order, defaults included but for later fields. Absent optionals
// are null.
template <class T>
base::Json to_json(const T& value) {
  if constexpr (HasFields<T>) {
    base::Json object = base::Json::object();
    T::fields(value, [&object](const char* name, const auto& member, const char*, const Check& = {}) {
      object[name] = to_json(member);
    });
    const T defaults{};
    T::fields(defaults, [&object](const char* name, const auto& member, const char*, const Check& check = {}) {
      if (check.later && object[name] == to_json(member)) object.erase(name);
    });
    return object;
  } else if constexpr (IsOptional<T>::value) {
    return value ? to_json(*value) : base::Json(nullptr);
  } else if constexpr (IsVector<T>::value) {
    base::Json array = base::Json::array();
    for (const auto& element : value) array.push_back(to_json(element));
    return array;
  } else {
    return base::Json(value);
  }
}

}  // namespace initlab::config
