#include "spec/compose.hpp"

#include <algorithm>
#include <unordered_map>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "spec/path.hpp"
#include "spec/yaml.hpp"

namespace initlab::spec {
namespace {

using base::Error;
using base::quote;
namespace fs = std::filesystem;

bool is_variable_name(std::string_view name) {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  return !name.empty() && is_letter(name.front()) &&
         std::all_of(name.begin(), name.end(), [&](char c) { return is_letter(c) || is_digit(c); });
}

std::string variable_value(const std::string& name, const Variables& defaults, const Mark& mark) {
  const auto found = defaults.find(name);
  const std::string value = base::environment(name.c_str(), found == defaults.end() ? "" : found->second);
  if (!value.empty()) return value;
  std::vector<std::string> known;
  for (const auto& [key, unused] : defaults) known.push_back(key);
  const std::string near = base::closest(name, known);
  throw Error({mark.text(), "variable " + quote(name), "a value in the environment", "none",
               near.empty() ? "export " + name.substr(0, 80) + "=..." : "did you mean ${" + near + "}?"});
}

void expand_scalar(Node& scalar, const Variables& defaults) {
  const std::string& text = scalar.text;
  if (text.find("${") == std::string::npos) return;
  const bool is_one_variable = text.rfind("${", 0) == 0 && text.find('}') + 1 == text.size();
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    if (text.compare(i, 3, "$${") == 0) {
      out += "${";
      i += 3;
    } else if (text.compare(i, 2, "${") == 0) {
      const std::size_t end = text.find('}', i);
      const std::string name = end == std::string::npos ? text.substr(i + 2) : text.substr(i + 2, end - i - 2);
      if (end == std::string::npos || !is_variable_name(name))
        throw Error({scalar.mark.text(), "", "a variable as in \"${INITLAB_DATA}/MRPC\"", quote(text),
                     "for a literal \"${\" write \"$${\""});
      if (i == 0) scalar.from_variable = true;
      out += variable_value(name, defaults, scalar.mark);
      i = end + 1;
    } else {
      out += text[i++];
    }
    if (out.size() > kMostScalarBytes)
      throw Error({scalar.mark.text(), "", "a text of at most " + std::to_string(kMostScalarBytes) + " bytes",
                   "more, variables expanded", ""});
  }
  scalar.text = std::move(out);
  if (is_one_variable) scalar.quoted = false;  // the quotes are for YAML; "${BATCH}" may be a number
}

bool is_rule(const Node& node) { return node.is_map() && node.has("use"); }

void merge_entries(Node& parent, Node child, Node (*merge_value)(const std::string&, Node, Node)) {
  std::unordered_map<std::string, std::size_t> at;
  for (std::size_t i = 0; i < parent.entries.size(); ++i) at.emplace(parent.entries[i].key, i);
  std::unordered_map<std::string, bool> removed;
  for (Entry& entry : child.entries) {
    const auto found = at.find(entry.key);
    if (found == at.end()) {
      parent.entries.push_back(std::move(entry));
      continue;
    }
    Entry& old = parent.entries[found->second];
    if (entry.value.is_null()) {
      removed.emplace(old.key, true);
    } else {
      old.value = merge_value(old.key, std::move(old.value), std::move(entry.value));
      old.mark = entry.mark;
    }
  }
  std::erase_if(parent.entries, [&](const Entry& entry) { return removed.count(entry.key) > 0; });
}

Node merge_any(const std::string& key, Node parent, Node child) {
  if (!parent.is_map() || !child.is_map() || is_rule(child)) return child;
  if (key == "training") displace_length(parent, child);
  merge_entries(parent, std::move(child), merge_any);
  return parent;
}

// An arm that says only `training` over an arm written as rules: the rules stay.
Node merge_arm(const std::string&, Node parent, Node child) {
  const bool parent_is_rules = parent.is_sequence() || is_rule(parent);
  if (parent_is_rules && child.is_map() && child.has("training") && !child.has("init") && !is_rule(child)) {
    Node arm = make_map(parent.mark);
    const Mark mark = parent.mark;
    arm.entries.push_back({"init", mark, std::move(parent)});
    return merge_any("", std::move(arm), std::move(child));
  }
  if (parent_is_rules && child.is_map() && child.has("init")) return child;
  return merge_any("", std::move(parent), std::move(child));
}

Node merge_section(const std::string& key, Node parent, Node child) {
  if (key != "arms" || !parent.is_map() || !child.is_map()) return merge_any(key, std::move(parent), std::move(child));
  merge_entries(parent, std::move(child), merge_arm);
  return parent;
}

// The document of one file with everything it extends under it.
class Chain {
 public:
  explicit Chain(const Variables& defaults) : defaults_(defaults) {}

  Node read(std::string_view text, const fs::path& file) {
    open_.push_back(identity(file));
    Node document = parse_yaml(text, file.string());
    if (!document.is_map())
      throw Error({document.mark.text(), "spec", "a map with experiment, model, task and arms", document.got(), ""});
    expand_variables(document, defaults_);
    if (const Node* extends = document.find("extends")) {
      const Node names = *extends;
      document.erase("extends");
      document = merge(read_parents(names, file), std::move(document));
    }
    open_.pop_back();
    return document;
  }

 private:
  static std::string identity(const fs::path& file) {
    std::error_code error;
    const fs::path path = fs::weakly_canonical(file, error);
    return error ? file.string() : path.string();
  }

  // A list lies layer by layer: each file over the ones before it.
  Node read_parents(const Node& names, const fs::path& child) {
    if (!names.is_sequence()) return read_parent(names, child);
    if (names.items.empty())
      throw Error({names.mark.text(), "extends", "the path of a spec file", "an empty list", ""});
    Node document = read_parent(names.items.front(), child);
    for (std::size_t i = 1; i < names.items.size(); ++i)
      document = merge(std::move(document), read_parent(names.items[i], child));
    return document;
  }

  Node read_parent(const Node& name, const fs::path& child) {
    if (!name.is_scalar() || name.text.empty())
      throw Error({name.mark.text(), "extends", "the path of a spec file", name.got(), ""});
    const fs::path file =
        name.from_variable ? fs::path(name.text) : (child.parent_path() / name.text).lexically_normal();
    if (std::find(open_.begin(), open_.end(), identity(file)) != open_.end())
      throw Error(
          {name.mark.text(), "extends", "files that do not extend each other in a circle", quote(name.text), ""});
    if (open_.size() >= kMostExtends)
      throw Error(
          {name.mark.text(), "extends", "a chain of at most " + std::to_string(kMostExtends) + " files", "more", ""});
    if (++files_ > kMostExtended)
      throw Error(
          {name.mark.text(), "extends", "at most " + std::to_string(kMostExtended) + " files in all", "more", ""});
    std::string text;
    try {
      text = base::read_file(file, kMostFileBytes);
    } catch (const Error& error) {
      throw Error({name.mark.text(), "extends", "a spec file", error.what(), "the path is relative to this file"});
    }
    return read(text, file);
  }

  const Variables& defaults_;
  std::vector<std::string> open_;
  std::size_t files_ = 0;  // read by `extends`, each time counted
};

void apply_override(Node& document, const Override& change, const Variables& defaults) {
  const Mark mark{std::make_shared<const std::string>("--set " + change.path.substr(0, 100)), 0, 0};
  Node value = parse_yaml_value(change.value.empty() ? "~" : std::string_view(change.value), mark);
  expand_variables(value, defaults);
  if (is_at_or_below(change.path, "extends"))
    throw Error({mark.text(), "path \"extends\"", "a path of the composed spec", "the key that composes it",
                 "extends: stands in a file"});
  set_at(document, change.path, std::move(value), mark);
}

// A grid would overwrite the value without a word.
void refuse_hidden_overrides(const Node& document, const std::vector<Override>& overrides) {
  std::vector<const Entry*> axes;
  for (const char* section : {"grid", "zip"})
    if (const Node* node = document.find(section)) {
      for (const Entry& axis : node->entries) axes.push_back(&axis);
      for (const Node& map : node->items)
        for (const Entry& axis : map.entries) axes.push_back(&axis);
    }
  for (const Override& change : overrides)
    for (const Entry* axis : axes)
      if (is_at_or_below(change.path, axis->key))
        throw Error({"--set " + change.path, "path " + quote(change.path), "a value that the grid does not vary",
                     "an axis of the grid at " + axis->mark.text(),
                     "--set grid." + axis->key + "=[...] changes the axis, --set grid." + axis->key + "=~ removes it"});
}

// Relative to the file that says so; relative to the current folder where it begins with a variable or comes from
// --set.
void make_absolute(Node& node) {
  if (!node.is_scalar() || node.text.empty() || node.text == "microworld") return;
  const bool in_file = node.mark.in_file() && !node.from_variable;
  const fs::path folder = in_file ? fs::path(*node.mark.source).parent_path() : fs::path();
  node.text = fs::absolute(folder / node.text).lexically_normal().string();
}

bool is_path_key(std::string_view path) {
  return path == "model.checkpoint" || path == "model.checkpoint.experiment" || path == "model.vocabulary" ||
         path == "task.data";
}

// Values whose keys are dotted paths: grid axes (lists) and the `set:` of a checkpoint experiment.
void make_absolute_by_key(Node* map) {
  if (map == nullptr) return;
  for (Entry& entry : map->entries)
    if (is_path_key(entry.key)) {
      make_absolute(entry.value);
      for (Node& item : entry.value.items) make_absolute(item);
    }
}

Node* find_in(Node* node, std::string_view key) { return node == nullptr ? nullptr : node->find(key); }

void resolve_paths(Node& document) {
  Node* checkpoint = find_in(document.find("model"), "checkpoint");
  for (Node* node : {checkpoint, find_in(checkpoint, "experiment"), find_in(document.find("model"), "vocabulary"),
                     find_in(document.find("task"), "data")})
    if (node != nullptr) make_absolute(*node);
  if (Node* plugins = document.find("plugins"))
    for (Node& item : plugins->items) make_absolute(item);
  make_absolute_by_key(document.find("grid"));
  if (Node* zip = document.find("zip")) {
    make_absolute_by_key(zip);
    for (Node& map : zip->items) make_absolute_by_key(&map);
  }
  make_absolute_by_key(find_in(checkpoint, "set"));
}

}  // namespace

void expand_variables(Node& document, const Variables& defaults) {
  for_each_scalar(document, [&](Node& scalar) { expand_scalar(scalar, defaults); });
}

Node merge(Node parent, Node child) {
  merge_entries(parent, std::move(child), merge_section);
  return parent;
}

Node merge_training(Node below, Node above) { return merge_any("training", std::move(below), std::move(above)); }

Node compose(std::string_view text, const fs::path& file, const std::vector<Override>& overrides,
             const Variables& defaults) {
  Node document = Chain(defaults).read(text, file);
  for (const Override& change : overrides) apply_override(document, change, defaults);
  refuse_hidden_overrides(document, overrides);
  resolve_paths(document);
  return document;
}

}  // namespace initlab::spec
