// Which learning rate an arm gets: a rule over what its tuning runs scored. Pure functions over records.
// The rule in words, and what it cannot say: docs/STATISTICS.md.
#pragma once

#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "record/record.hpp"

namespace initlab::compare {

// One rate and what its runs scored on the held-out examples.
struct Trial {
  double learning_rate = 0;
  std::vector<double> values;                              // by replicate; NaN for a run that diverged
  double mean = std::numeric_limits<double>::quiet_NaN();  // NaN where one diverged
  double loss = std::numeric_limits<double>::quiet_NaN();  // mean of their losses there; NaN: not known
};

// How one arm's learning rate was chosen, at one grid point.
struct Tuning {
  std::string metric, better;
  double share = 0;           // of the training examples, held out to choose on
  std::vector<Trial> trials;  // rates ascending
  double learning_rate = 0;   // the chosen one
};

// The rate with the best mean. One with a diverged run is worse than any that has none. Of equals (within 1e-10: where
// all predict one class, a metric knows no difference) the one with the lowest loss, and of those the smallest: also
// where all diverged. Needs at least one trial, rates ascending.
double choose_rate(std::span<const Trial> trials, bool higher_is_better);

// The choice that these runs make: all tuning runs of one arm at one grid point, each ended, judged by their last
// evaluation. Throws Error on a run that lacks the metric or is no tuning run.
Tuning choose(std::span<const record::Run> runs, const std::string& metric, const std::string& better, double share);

// As the record of a run has it. Numbers that do not exist are null.
base::Json to_json(const Tuning& tuning);
// Nothing where the run's spec gives its learning rate. Throws Error on what to_json does not write.
std::optional<Tuning> tuning_of(const record::Run& run);

}  // namespace initlab::compare
