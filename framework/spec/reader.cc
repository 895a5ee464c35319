#include "spec/reader.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace initlab::spec {

using base::Error;

std::string join_path(const std::string& path, const std::string& key) { return path.empty() ? key : path + "." + key; }

void fail_value(const Node& node, const std::string& path, const std::string& expected, const std::string& hint) {
  throw Error({node.mark.text(), path, expected, node.got(), hint});
}

void check_map(const Node& node, const std::string& path, const std::string& hint) {
  if (!node.is_map()) fail_value(node, path, "a map", hint);
}

void check_keys(const Node& map, const std::string& path, const std::vector<std::string>& known) {
  for (const Entry& entry : map.entries) {
    if (std::find(known.begin(), known.end(), entry.key) != known.end()) continue;
    throw Error({entry.mark.text(), "unknown key " + base::quote(join_path(path, entry.key)), "", "",
                 base::did_you_mean(entry.key, known)});
  }
}

bool read_bool(const Node& node, const std::string& path) {
  if (node.is_scalar() && !node.quoted && node.text == "true") return true;
  if (node.is_scalar() && !node.quoted && node.text == "false") return false;
  fail_value(node, path, "true or false", node.is_scalar() ? "yes, no, on, off and quoted words are text" : "");
}

std::int64_t read_integer(const Node& node, const std::string& path, const config::Check& check) {
  const auto value = node.is_scalar() && !node.quoted ? base::to_integer(node.text) : std::nullopt;
  if (!value) {
    const bool is_number = node.is_scalar() && base::to_number(node.text);
    fail_value(node, path, config::describe(check, "an integer"),
               !is_number    ? ""
               : node.quoted ? "remove the quotes"
                             : "write it in digits only");
  }
  if (const std::string expected = config::violation(check, static_cast<double>(*value), "an integer");
      !expected.empty())
    fail_value(node, path, expected);
  return *value;
}

double read_number(const Node& node, const std::string& path, const config::Check& check) {
  const auto value = node.is_scalar() && !node.quoted ? base::to_number(node.text) : std::nullopt;
  if (!value)
    fail_value(node, path, config::describe(check, "a number"),
               node.is_scalar() && base::to_number(node.text) ? "remove the quotes" : "");
  if (const std::string expected = config::violation(check, *value, "a number"); !expected.empty())
    fail_value(node, path, expected);
  return *value;
}

std::string read_text(const Node& node, const std::string& path, const config::Check& check) {
  if (!node.is_scalar() || node.text.empty()) fail_value(node, path, config::describe(check, "text"));
  if (const std::string expected = config::violation(check, node.text); !expected.empty()) {
    const std::string near = base::closest(node.text, check.choices);
    fail_value(node, path, expected, near.empty() ? "" : "did you mean \"" + near + "\"?");
  }
  return node.text;
}

}  // namespace initlab::spec
