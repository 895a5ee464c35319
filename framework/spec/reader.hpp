// Node -> typed values, strictly. A config struct is filled through its own field list, so a key that the list does not
// have is an error and a key that it has needs no line here.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "config/fields.hpp"
#include "spec/node.hpp"

namespace initlab::spec {

// Throws Error for a key of `map` that is not in `known`, with the nearest known key as a hint.
void check_keys(const Node& map, const std::string& path, const std::vector<std::string>& known);
// Throws Error where the node is not a map. `hint` shows one.
void check_map(const Node& node, const std::string& path, const std::string& hint = {});

// "training" + "batch" -> "training.batch".
std::string join_path(const std::string& path, const std::string& key);

[[noreturn]] void fail_value(const Node& node, const std::string& path, const std::string& expected,
                             const std::string& hint = {});

// One scalar each; quoted "5" is text and no number. Throw Error with what `check` says was expected.
bool read_bool(const Node& node, const std::string& path);
std::int64_t read_integer(const Node& node, const std::string& path, const config::Check& check = {});
double read_number(const Node& node, const std::string& path, const config::Check& check = {});
std::string read_text(const Node& node, const std::string& path, const config::Check& check = {});

inline void read_value(const Node& node, const std::string& path, bool& value, const config::Check&) {
  value = read_bool(node, path);
}
inline void read_value(const Node& node, const std::string& path, std::int64_t& value, const config::Check& check) {
  value = read_integer(node, path, check);
}
inline void read_value(const Node& node, const std::string& path, double& value, const config::Check& check) {
  value = read_number(node, path, check);
}
inline void read_value(const Node& node, const std::string& path, std::string& value, const config::Check& check) {
  value = read_text(node, path, check);
}

template <class T>
void read_value(const Node& node, const std::string& path, std::optional<T>& value, const config::Check& check) {
  read_value(node, path, value.emplace(), check);
}

// One value or a list of them.
template <class T>
void read_value(const Node& node, const std::string& path, std::vector<T>& values, const config::Check& check) {
  values.clear();
  if (!node.is_sequence()) return read_value(node, path, values.emplace_back(), check);
  for (std::size_t i = 0; i < node.items.size(); ++i)
    read_value(node.items[i], path + "[" + std::to_string(i) + "]", values.emplace_back(), check);
}

template <config::HasFields T>
void read_value(const Node& node, const std::string& path, T& value, const config::Check& = {});

template <class T>
std::vector<std::string> field_names() {
  std::vector<std::string> names;
  T probe;
  T::fields(probe, [&names](const char* name, const auto&, const char*, const config::Check& = {}) {
    names.emplace_back(name);
  });
  return names;
}

// Fills what the map names and leaves the rest. `also` are further keys that the caller reads by hand.
template <config::HasFields T>
void read_fields(const Node& node, const std::string& path, T& value, const std::vector<std::string>& also = {}) {
  check_map(node, path);
  std::vector<std::string> known = also;
  for (std::string& name : field_names<T>()) known.push_back(std::move(name));
  check_keys(node, path, known);
  T::fields(value, [&](const char* name, auto& member, const char*, const config::Check& check = {}) {
    if (const Node* child = node.find(name)) read_value(*child, join_path(path, name), member, check);
  });
}

template <config::HasFields T>
void read_value(const Node& node, const std::string& path, T& value, const config::Check&) {
  read_fields(node, path, value);
}

}  // namespace initlab::spec
