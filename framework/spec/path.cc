#include "spec/path.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "base/text.hpp"

namespace initlab::spec {
namespace {

using base::Error;
using base::quote;

constexpr std::size_t kMostPathBytes = 512;

[[noreturn]] void fail(const Mark& mark, const std::string& path, const std::string& got,
                       const std::string& hint = {}) {
  throw Error({mark.text(), "path " + quote(path), "names with dots between and [N] for list items", got, hint});
}

// The name at the start of `rest`: up to a dot, a bracket or the end.
std::string_view next_name(std::string_view rest) { return rest.substr(0, rest.find_first_of(".[")); }

// The longest key of `arms` that `rest` starts with, else the plain next name.
std::string_view next_arm(std::string_view rest, const Node* arms) {
  std::string_view best = next_name(rest);
  if (arms == nullptr) return best;
  for (const Entry& entry : arms->entries)
    if (entry.key.size() > best.size() && is_at_or_below(rest, entry.key)) best = rest.substr(0, entry.key.size());
  return best;
}

bool is_below(const std::vector<PathStep>& steps, std::initializer_list<const char*> names) {
  return std::equal(steps.begin(), steps.end(), names.begin(), names.end(), [](const PathStep& step, const char* name) {
    const auto* key = std::get_if<std::string>(&step);
    return key != nullptr && *key == name;
  });
}

}  // namespace

bool is_at_or_below(std::string_view inner, std::string_view outer) {
  if (inner.substr(0, outer.size()) != outer) return false;
  return inner.size() == outer.size() || inner[outer.size()] == '.' || inner[outer.size()] == '[';
}

std::vector<PathStep> split_path(const std::string& path, const Node& root, const Mark& mark) {
  if (path.empty() || path.size() > kMostPathBytes) fail(mark, path, path.empty() ? "nothing" : "a longer path");
  std::vector<PathStep> steps;
  std::string_view rest = path;
  for (;;) {
    const bool whole = is_below(steps, {"grid"}) || is_below(steps, {"zip"}) || is_below(steps, {"names"}) ||
                       is_below(steps, {"model", "checkpoint", "set"});
    const std::string_view name = whole                       ? rest
                                  : is_below(steps, {"arms"}) ? next_arm(rest, root.find("arms"))
                                                              : next_name(rest);
    if (name.empty()) fail(mark, path, "an empty name");
    steps.emplace_back(std::string(name));
    rest.remove_prefix(name.size());
    while (!rest.empty() && rest.front() == '[') {
      const std::size_t end = rest.find(']');
      const auto index = base::to_integer(end == std::string_view::npos ? std::string_view() : rest.substr(1, end - 1));
      if (!index || *index < 0) fail(mark, path, "no list index", "list items count from 0: arms.pretrained[0]");
      steps.emplace_back(static_cast<std::size_t>(*index));
      rest.remove_prefix(end + 1);
    }
    if (rest.empty()) return steps;
    if (rest.front() != '.') fail(mark, path, quote(rest.substr(0, 1)) + " after a list index");
    rest.remove_prefix(1);
  }
}

const std::vector<std::string>& length_keys() {
  static const std::vector<std::string> kKeys = {"epochs", "steps", "seconds"};
  return kKeys;
}

void displace_length(Node& below, const Node& above) {
  const auto& keys = length_keys();
  const bool replaces = std::any_of(keys.begin(), keys.end(), [&](const std::string& key) {
    const Node* value = above.find(key);
    return value != nullptr && !value->is_null();
  });
  if (!replaces) return;
  for (const std::string& key : keys)
    if (!above.has(key)) below.erase(key);
}

namespace {

// The child that a step leads to; created in a map where it is missing, nullptr where it is missing and not wanted.
Node* descend(Node& node, const std::string& path, const std::string& so_far, const PathStep& step, bool create,
              const Mark& mark) {
  const auto fail_here = [&](const std::string& expected, const std::string& hint) {
    throw Error({mark.text(), "path " + quote(path), expected + " at " + quote(so_far), node.got(), hint});
  };
  if (const auto* index = std::get_if<std::size_t>(&step)) {
    if (!node.is_sequence()) fail_here("a list", "");
    if (*index >= node.items.size())
      throw Error({mark.text(), "path " + quote(path),
                   "an index below " + std::to_string(node.items.size()) + " at " + quote(so_far),
                   std::to_string(*index), "list items count from 0"});
    return &node.items[*index];
  }
  const std::string& key = std::get<std::string>(step);
  if (node.is_null() && create) node = make_map(mark);
  if (node.is_sequence()) fail_here("a map", "list items are addressed by number: " + so_far + "[0]");
  if (!node.is_map()) fail_here("a map", "");
  Node* child = node.find(key);
  if (child == nullptr && create) {
    node.entries.push_back({key, mark, Node{}});
    child = &node.entries.back().value;
    child->mark = mark;
  }
  return child;
}

void append(std::string& so_far, const PathStep& step) {
  if (const auto* index = std::get_if<std::size_t>(&step)) {
    so_far.append("[").append(std::to_string(*index)).append("]");
  } else {
    so_far.append(so_far.empty() ? "" : ".").append(std::get<std::string>(step));
  }
}

}  // namespace

void set_at(Node& node, const std::string& path, const std::vector<PathStep>& steps, Node value, const Mark& mark) {
  const bool remove = value.is_null();
  std::string so_far;
  Node* parent = &node;
  for (std::size_t i = 0; i + 1 < steps.size(); ++i) {
    parent = descend(*parent, path, so_far, steps[i], !remove, mark);
    append(so_far, steps[i]);
    if (parent == nullptr) break;
  }
  Node* target = parent == nullptr ? nullptr : descend(*parent, path, so_far, steps.back(), !remove, mark);
  if (target == nullptr)
    throw Error({mark.text(), "path " + quote(path), "a value that can be removed", "nothing", "~ removes a value"});
  const auto* key = std::get_if<std::string>(&steps.back());
  if (remove) {
    if (key != nullptr) {
      parent->erase(*key);
    } else {
      parent->items.erase(parent->items.begin() + static_cast<std::ptrdiff_t>(std::get<std::size_t>(steps.back())));
    }
    return;
  }
  *target = std::move(value);
  if (key == nullptr || steps.size() < 2) return;
  const auto* section = std::get_if<std::string>(&steps[steps.size() - 2]);
  if (section == nullptr || *section != "training") return;
  const auto& lengths = length_keys();
  if (std::find(lengths.begin(), lengths.end(), *key) == lengths.end()) return;
  for (const std::string& other : lengths)
    if (other != *key) parent->erase(other);
}

void set_at(Node& root, const std::string& path, Node value, const Mark& mark) {
  set_at(root, path, split_path(path, root, mark), std::move(value), mark);
}

}  // namespace initlab::spec
