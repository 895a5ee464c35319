// Dotted paths into a document: "training.optimizer.learning_rate", "arms.pretrained[0].stddev".
// Shared by --set and grid:, so both address a value the same way.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "spec/node.hpp"

namespace initlab::spec {

using PathStep = std::variant<std::string, std::size_t>;  // a key of a map, or an index into a list

// Splits a path. The document tells where names end that may contain dots: under `arms` the longest arm that matches,
// and under `grid` and `model.checkpoint.set` the whole rest is one key. Throws Error at `mark`.
std::vector<PathStep> split_path(const std::string& path, const Node& root, const Mark& mark);

// Puts `value` at the path; maps on the way are created (with `mark`), list items must exist. Null removes what is
// there. Setting one of training.epochs, .steps and .seconds removes the other two. Throws Error at `mark`.
void set_at(Node& root, const std::string& path, Node value, const Mark& mark);
// The same below `node`, for the steps that are left; `path` is for messages.
void set_at(Node& node, const std::string& path, const std::vector<PathStep>& steps, Node value, const Mark& mark);

// True where `inner` addresses the same value as `outer` or a part of it.
bool is_at_or_below(std::string_view inner, std::string_view outer);

// The keys that say how long to train; a value written later displaces the others.
const std::vector<std::string>& length_keys();
// Removes from `below` the length keys that `above` replaces by another one.
void displace_length(Node& below, const Node& above);

}  // namespace initlab::spec
