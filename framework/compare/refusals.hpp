// What no comparison can be made of, said with what would suffice.
#pragma once

#include "compare/compare.hpp"

namespace initlab::compare {

// Throws Error where the comparison cannot decide anything: one run, no value at all, one seed, or no seed that both
// arms of any pair have. With `one_seed`, a single seed passes. An arm alone, with several seeds, passes: it is
// described.
void require_answerable(const Comparison& comparison, bool one_seed);

}  // namespace initlab::compare
