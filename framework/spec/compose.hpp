// From files to one document: variables, `extends:`, `--set`, absolute paths. Knows where things stand, not what they
// mean.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "spec/node.hpp"
#include "spec/spec.hpp"

namespace initlab::spec {

using Variables = std::map<std::string, std::string>;

inline constexpr std::size_t kMostExtends = 16;   // files in a chain
inline constexpr std::size_t kMostExtended = 64;  // files in all, where `extends` is a list

// Replaces ${NAME} in every scalar by the environment's value, or by `defaults`; "$${" is a literal "${". Empty counts
// as unset. Throws Error at the scalar for an unset or malformed variable.
void expand_variables(Node& document, const Variables& defaults);

// `child` over `parent`: maps merge key by key, anything else is replaced, and a null of the child removes the parent's
// key. A rule (a map with `use`) is replaced whole; an arm with nothing but `training` keeps the parent's rules.
Node merge(Node parent, Node child);

// `above` over the training section `below`: as merge, and a length (epochs, steps, seconds) displaces another length.
Node merge_training(Node below, Node above);

// The document that a text, the files it extends and the overrides make together. Paths in it are absolute and there is
// no `extends` and no variable left; every value keeps the place where it was written. Throws Error.
Node compose(std::string_view text, const std::filesystem::path& file, const std::vector<Override>& overrides,
             const Variables& defaults);

}  // namespace initlab::spec
