// Runs sorted into arms and grid points, and the one number that each run gives. Internal to compare/.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "compare/compare.hpp"

namespace initlab::compare {

// The runs of one arm at one grid point, replicates ascending.
struct Group {
  std::string arm;
  Settings settings;
  std::size_t point = 0;  // number of the grid point
  std::vector<const record::Run*> runs;
};

// Grid points ascending (numbers as numbers); within one the baseline, then the arms by the start of their first run.
// Throws Error where two runs share arm, grid point and replicate, naming both files.
std::vector<Group> group(std::span<const record::Run> runs, const std::string& baseline);

// The first value of their `training` in which two runs differ, "optimizer.weight_decay (0.0, 0.01)", but for how often
// they were evaluated and for learning rates that were chosen by tuning; "" for none.
std::string training_difference(const record::Run& a, const record::Run& b);

// Which number is compared.
struct Measure {
  std::string metric;
  bool higher_is_better = true;
  At at;
};

// What a run gives to the comparison.
struct Outcome {
  enum class Kind { value, failed, not_a_number, unfinished, missing } kind = Kind::missing;
  std::int64_t step = 0;  // of the evaluation, for value and not_a_number
  double value = 0;
  bool degenerate = false;
};
Outcome outcome(const record::Run& run, const Measure& measure);

// The metric of the training-majority label, as a run states it; nothing where it states none.
std::optional<double> constant_class(const record::RunHeader& header, const std::string& metric);

// The first evaluation at which the metric reaches the threshold; nothing where it never does.
std::optional<std::int64_t> step_of_reaching(const record::Run& run, const Measure& measure, double threshold);

}  // namespace initlab::compare
