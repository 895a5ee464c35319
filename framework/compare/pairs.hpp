// Two arms of one grid point, seed by seed. Internal to compare/.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "compare/compare.hpp"

namespace initlab::compare {

// Below this a difference is rounding: shares such as 279/408 differ in their last bits where they are equal in theory.
inline constexpr double kNoDifference = 1e-12;

// first - second by replicate, over those that both have. Both lists ascend.
struct Differences {
  std::vector<double> values;
  std::vector<std::int64_t> pretraining;  // the pre-trained model that either started from; -1: none
};
Differences paired_differences(const ArmSummary& first, const ArmSummary& second);
PairedMean paired_mean(std::span<const double> differences);

// For 80 % power at `alpha`, were the difference as seen: 0 where that cannot be said.
std::size_t seeds_for(std::span<const double> differences, double alpha);

// What two arms that share seeds say about each other. What adjust() knows, and examples, are the comparison's to fill
// in.
Pair pair_up(const ArmSummary& arm, const ArmSummary& baseline, bool higher_is_better);

// What depends on how many pairs have a p, which are those of two replicates or more: p_holm, p_bh, and seeds_needed at
// the level that Holm leaves each.
void adjust(std::span<Pair> pairs, double alpha);

}  // namespace initlab::compare
