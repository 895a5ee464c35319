// What a reader must know beside the numbers: each a sentence. Internal to compare/.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "compare/groups.hpp"

namespace initlab::compare {

// All notes of a comparison whose arms, pairs and claims are filled in; arms[i] is the summary of groups[i]. any_claim:
// the spec states claims.
std::vector<std::string> notes(std::span<const Group> groups, const Comparison& comparison, const Measure& measure,
                               bool any_claim);

}  // namespace initlab::compare
