// What a reader must know beside the numbers: each a sentence. Internal to compare/.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "compare/groups.hpp"

namespace initlab::compare {

// All notes of a comparison whose arms and pairs are filled in; arms[i] is the summary of groups[i].
std::vector<std::string> notes(std::span<const Group> groups, const Comparison& comparison, const Measure& measure);

}  // namespace initlab::compare
