#include "spec/node.hpp"

#include <algorithm>
#include <utility>

#include "base/text.hpp"

namespace initlab::spec {

std::string Mark::text() const {
  const std::string name = source ? *source : std::string();
  return in_file() ? name + ":" + std::to_string(line) + ":" + std::to_string(column) : name;
}

const Node* Node::find(std::string_view key) const {
  for (const Entry& entry : entries)
    if (entry.key == key) return &entry.value;
  return nullptr;
}

Node* Node::find(std::string_view key) { return const_cast<Node*>(std::as_const(*this).find(key)); }

bool Node::erase(std::string_view key) {
  const auto at = std::find_if(entries.begin(), entries.end(), [&](const Entry& entry) { return entry.key == key; });
  if (at == entries.end()) return false;
  entries.erase(at);
  return true;
}

std::string Node::got() const {
  switch (kind) {
    case Kind::null:
      return "nothing";
    case Kind::sequence:
      return "a list";
    case Kind::map:
      return "a map";
    case Kind::scalar:
      break;
  }
  const bool looks_typed = base::to_number(text).has_value() || text == "true" || text == "false";
  return (quoted && looks_typed ? "the text " : "") + base::quote(text);
}

Node make_scalar(std::string text, const Mark& mark) {
  Node node;
  node.kind = Node::Kind::scalar;
  node.text = std::move(text);
  node.mark = mark;
  return node;
}

Node make_map(const Mark& mark) {
  Node node;
  node.kind = Node::Kind::map;
  node.mark = mark;
  return node;
}

}  // namespace initlab::spec
