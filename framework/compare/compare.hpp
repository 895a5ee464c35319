// The comparison of finished runs: pure functions over records, paired by replicate.
// What the numbers mean, and their limits: docs/STATISTICS.md. Tables and JSON are report/'s.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/json.hpp"
#include "compare/statistics.hpp"
#include "compare/tuning.hpp"
#include "record/record.hpp"

namespace initlab::compare {

// Which number of a run is compared.
struct At {
  enum class Kind { last, best, step } kind = Kind::last;
  std::int64_t step = 0;  // updates made so far, for Kind::step
};
At parse_at(const std::string& text);  // "last", "best", "step:N"; throws Error

// Two arms whose difference is a gain, of which the other arms keep a share.
struct Gain {
  std::string from, to;
};

// What is compared, where the caller knows better than the runs. The runs' own choice is that of the newest one (by its
// start).
struct Options {
  std::optional<std::string> metric = {}, baseline = {}, better = {}, at = {};
  std::optional<double> threshold = {};
  std::optional<Gain> gain = {};
};

using Settings = std::vector<std::pair<std::string, base::Json>>;  // grid path -> value

// One arm at one grid point. Every run is counted once: n + failed + unfinished + missing.
struct ArmSummary {
  std::string arm;
  Settings settings;
  std::int64_t n = 0;                     // runs with a value
  std::int64_t failed = 0;                // runs that failed, or whose value is not a finite number
  std::int64_t unfinished = 0;            // running or interrupted
  std::int64_t missing = 0;               // finished without an evaluation where the comparison looks
  double mean = 0, stddev = 0;            // stddev: n-1; NaN for n < 2 (mean: for n < 1)
  std::vector<double> values;             // by replicate, ascending
  std::vector<std::int64_t> replicates;   // of `values`
  std::vector<std::int64_t> pretraining;  // of `values`: which pre-trained model it read; -1: it read none
  std::vector<std::optional<std::int64_t>> steps_to_threshold;  // of `values`; nothing: never reached
  std::int64_t last_step = 0;                                   // the latest evaluation of the runs of `values`
  std::int64_t stopped = 0;                                     // of n: ended by training.stop before the last step
  std::int64_t degenerate = 0;                                  // runs whose compared evaluation predicts one class
  std::optional<Tuning> tuning;  // how its learning rate was chosen, by the run that knows of the most rates
};

// An arm against the baseline arm at the same grid point.
struct Pair {
  std::string arm;
  Settings settings;
  std::int64_t n = 0;            // independent differences: of common replicates, or of pre-trained models (units.hpp)
  std::int64_t replicates = 0;   // common ones; more than n where several share a pre-trained model
  double difference = 0;         // mean of arm - baseline; NaN for n = 0
  double deviation = 0;          // standard deviation (n - 1) of the differences; NaN for n < 2
  std::optional<Interval> ci95;  // Student t with n-1 degrees of freedom; nothing for n < 2
  double p_sign_flip = 1;        // exact two-sided sign-flip (Fisher-Pitman) test; n > 20: Monte Carlo, seeded
};

// What an arm keeps of the gain at its grid point: (arm - from) / (to - from), over the replicates that all three have.
struct Share {
  std::string arm;
  Settings settings;
  std::int64_t n = 0;                 // independent differences, as in Pair
  std::int64_t replicates = 0;        // common ones
  double share = 0;                   // ratio of the two mean differences; NaN for n = 0 or a gain of 0
  std::optional<RatioSet> ci95;       // Fieller; nothing for n < 2
  double gain = 0;                    // mean of to - from; NaN for n = 0
  std::optional<Interval> gain_ci95;  // Student t; nothing for n < 2. `ci95` is bounded where it leaves 0 out
};

struct Comparison {
  std::string experiment, metric, baseline, better, at;
  std::optional<double> threshold;
  std::optional<Gain> gain;
  std::optional<double> constant_class;  // the metric of the training-majority label
  std::vector<ArmSummary> arms;    // grid points ascending; in each the baseline, then the others as they were started
  std::vector<Pair> pairs;         // in the same order
  std::vector<Share> shares;       // in the same order, of the arms but the gain's own; empty without a gain
  std::vector<std::string> notes;  // e.g. "5 pairs: p cannot fall below 0.0625", mixed CPUs, unfinished runs
};

// Runs of one experiment, in any order. The metric is one of the task's or "loss". Failed runs stay counted.
// Throws Error: no runs; none ended; unknown metric or baseline (with those there are); runs of several experiments or
// tasks; two runs of one arm, grid point and replicate; no evaluation at the step asked for.
Comparison compare(std::span<const record::Run> runs, const Options& options);

// The metric's curve of a run: (step, value), exactly the evaluations made. Throws Error for a metric the run does not
// have.
std::vector<std::pair<std::int64_t, double>> curve(const record::Run& run, const std::string& metric);

// "learning_rate = 2e-05, size = 100": the last part of each path, or whole paths where two would read the same; "" for
// none.
std::string text(const Settings& settings);
// "arm", or "arm (learning_rate = 2e-05)".
std::string label(const std::string& arm, const Settings& settings);
// "2e-05" or "mrpc": a value of a grid path, texts without quotes.
std::string value_text(const base::Json& value);

}  // namespace initlab::compare
