// What a spec stated before the run, read back from its run files, and the verdict on it. Rules: docs/STATISTICS.md,
// "Claims". Internal to compare/.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "compare/groups.hpp"

namespace initlab::compare {

// The part of the spec's `compare:` that the header has no field for.
struct Design {
  std::vector<ClaimVerdict> claims;  // kind, ends and margin; nothing is judged
  std::vector<Anchor> anchors;
  bool threshold_of_baseline = false;
  std::optional<std::int64_t> planned_seeds;
};
// Empty for files of before. Throws Error (file) on what sweep::describe_comparison does not write.
Design design_of(const record::Run& run);

// The arms of one grid point.
struct Point {
  Settings settings;
  std::vector<const ArmSummary*> arms;
};
std::vector<Point> points_of(std::span<const Group> groups, std::span<const ArmSummary> arms);

// All claims at all grid points where one of their arms has runs, with p adjusted over all of them. `constant` is the
// score of the constant class where it is known.
std::vector<ClaimVerdict> judge(std::span<const ClaimVerdict> claims, std::span<const Point> points,
                                std::optional<double> constant, bool higher_is_better, double alpha);

}  // namespace initlab::compare
