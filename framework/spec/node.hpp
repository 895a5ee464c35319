// A YAML value that remembers where it was written. What the rest of spec/ works on: yaml-cpp's own nodes lose the
// place of a key, let duplicate keys pass and convert "twelve" to a number.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace initlab::spec {

// Where a value was written. Line and column count from 1; line 0: not in a file ("--set training.batch").
struct Mark {
  std::shared_ptr<const std::string> source;  // the file as named by the user, or "--set PATH"
  int line = 0;
  int column = 0;

  bool in_file() const { return line > 0; }
  std::string text() const;  // "experiments/x.yaml:12:9"
};

struct Entry;

struct Node {
  enum class Kind { null, scalar, sequence, map };

  Kind kind = Kind::null;
  std::string text;            // scalar: after quotes and escapes are undone
  bool quoted = false;         // scalar: "5" is text, 5 is a number
  bool from_variable = false;  // scalar: begins with the value of a ${VARIABLE}
  std::vector<Node> items;     // sequence
  std::vector<Entry> entries;  // map, in the order of the file; keys are unique
  Mark mark;

  bool is_null() const { return kind == Kind::null; }
  bool is_scalar() const { return kind == Kind::scalar; }
  bool is_sequence() const { return kind == Kind::sequence; }
  bool is_map() const { return kind == Kind::map; }

  // The value of a key of a map, or nullptr.
  const Node* find(std::string_view key) const;
  Node* find(std::string_view key);
  bool has(std::string_view key) const { return find(key) != nullptr; }
  // Removes a key of a map; false where it is not there.
  bool erase(std::string_view key);

  // What an error says was got: "\"fast\"", "the text \"5\"", "a list", "a map", "nothing".
  std::string got() const;
};

struct Entry {
  std::string key;
  Mark mark;
  Node value;
};

Node make_scalar(std::string text, const Mark& mark);
Node make_map(const Mark& mark);

// Calls visit(Node&) on every scalar at or below `node`.
template <class Visit>
void for_each_scalar(Node& node, const Visit& visit) {
  if (node.is_scalar()) visit(node);
  for (Node& item : node.items) for_each_scalar(item, visit);
  for (Entry& entry : node.entries) for_each_scalar(entry.value, visit);
}

}  // namespace initlab::spec
