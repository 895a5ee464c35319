// The comparison of finished runs: pure functions over records, paired by replicate.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/json.hpp"
#include "record/record.hpp"

namespace initlab::compare {

// Which number of a run is compared.
struct At {
  enum class Kind { last, best, step } kind = Kind::last;
  std::int64_t step = 0;
};
At parse_at(const std::string& text);  // "last", "best", "step:N"; throws Error

struct Options {
  std::optional<std::string> metric, baseline, better, at;  // else as the runs say
  std::optional<double> threshold;
};

struct Interval {
  double low = 0, high = 0;
};

using Settings = std::vector<std::pair<std::string, base::Json>>;  // grid path -> value

// One arm at one grid point.
struct ArmSummary {
  std::string arm;
  Settings settings;
  std::int64_t n = 0;                     // runs with a value
  std::int64_t failed = 0;                // runs that failed
  std::int64_t unfinished = 0;            // running or interrupted: not counted above
  double mean = 0, stddev = 0;            // stddev: n-1; NaN for n < 2
  std::vector<double> values;             // by replicate, ascending
  std::vector<std::int64_t> replicates;   // of `values`
  std::vector<std::optional<std::int64_t>> steps_to_threshold;  // of `values`; nothing: never reached
  std::int64_t degenerate = 0;            // runs whose compared evaluation predicts one class
};

// An arm against the baseline arm at the same grid point.
struct Pair {
  std::string arm;
  Settings settings;
  std::int64_t n = 0;                     // common replicates
  double difference = 0;                  // mean of arm - baseline
  std::optional<Interval> ci95;           // Student t with n-1 degrees of freedom; nothing for n < 2
  double p_sign_flip = 1;                 // exact two-sided sign-flip (Fisher-Pitman) test; n > 20: Monte Carlo, seeded
};

struct Comparison {
  std::string experiment, metric, baseline, better, at;
  std::optional<double> threshold;
  std::optional<double> constant_class;   // the metric of the training-majority label
  std::vector<ArmSummary> arms;
  std::vector<Pair> pairs;
  std::vector<std::string> notes;         // e.g. "5 replicates: p cannot fall below 0.0625", mixed CPUs, unfinished runs
};

// Runs of one experiment. Throws Error: no runs, none finished, unknown metric or baseline (with those there are), runs of
// different tasks.
Comparison compare(std::span<const record::Run> runs, const Options& options);

// Exact two-sided sign-flip p of the mean of differences: share of the 2^n sign patterns whose |sum| is at least the
// observed one's (Fisher 1935; Pitman 1937). Zeros stay zeros. n > 20: 10^6 seeded random patterns, (k + 1) / (m + 1).
double sign_flip_p(std::span<const double> differences);
Interval student_t_interval(std::span<const double> values, double level);

// The metric's curve of a run: (step, value).
std::vector<std::pair<std::int64_t, double>> curve(const record::Run& run, const std::string& metric);

}  // namespace initlab::compare
