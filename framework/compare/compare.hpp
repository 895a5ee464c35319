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
#include "compare/description.hpp"
#include "compare/dominance.hpp"
#include "compare/paired_tests.hpp"
#include "compare/resampling.hpp"
#include "compare/statistics.hpp"
#include "compare/survival.hpp"
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
  bool threshold_of_baseline = false;  // instead of `threshold`: the median that the baseline's runs end with
  std::optional<Gain> gain = {};
  bool together = false;  // runs of several experiments are one design
  double alpha = 0.05;    // of verdicts; below 0.05 where looks before have spent some of it
};

using Settings = std::vector<std::pair<std::string, base::Json>>;  // grid path -> value

// What the runs of one arm say together about reaching the threshold, in steps, tokens or seconds.
struct Reach {
  std::int64_t runs = 0, reached = 0;
  SurvivalQuantile median;           // Kaplan-Meier, with its 95 % interval
  double horizon = 0;                // of the restricted mean: as long as all runs of the grid point were watched
  std::optional<double> restricted;  // expected way to the threshold, of the first `horizon`
  std::optional<Interval> restricted_ci95;
};

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
  std::optional<double> threshold;                              // of this grid point
  // Ways to the threshold of `values`, misses censored. tokens and seconds: none where a run lacks records of its
  // steps.
  std::vector<Observation> steps, tokens, seconds;
  Reach steps_reach, tokens_reach, seconds_reach;  // what those say together
  // Of masked language modelling, of `values`: steps off the unigram plateau (way_off_plateau), misses censored.
  std::vector<Observation> leaving;
  Reach leaving_reach;
  Description spread;                      // of `values`
  std::optional<Interval> ci95;            // of the mean: Student t; nothing for n < 2
  std::optional<Interval> sign_flip_ci95;  // of the centre, by inverting the sign-flip test; infinite below 6 values
  std::optional<Interval> bootstrap_ci95;  // of the mean, BCa; nothing below kBootstrapNeeds values
  std::vector<double> best_of;             // the expected best of 1, 2, ... n runs
  std::vector<std::optional<double>> heights;  // of `values`: mean height of the metric's curve over the common steps
  std::int64_t last_step = 0;                  // the latest evaluation of the runs of `values`
  std::int64_t stopped = 0;                    // of n: ended by training.stop before the last step
  std::int64_t degenerate = 0;                 // runs whose compared evaluation predicts one class
  std::optional<Tuning> tuning;  // how its learning rate was chosen, by the run that knows of the most rates
};

// How two arms that share seeds differ on their way to the threshold, or off the unigram plateau, in steps.
struct Convergence {
  double p_log_rank = 1;                               // exact, paired by sign flips
  LogRank log_rank;                                    // as if the arms were independent
  std::optional<RestrictedMeanDifference> restricted;  // arm - baseline: positive, the arm takes longer
};

// A mean of paired differences.
struct PairedMean {
  std::int64_t n = 0;           // independent differences, as Pair::n
  std::int64_t replicates = 0;  // behind them
  double difference = 0;
  std::optional<Interval> ci95;  // Student t; nothing for n < 2
  double p = 1;                  // sign-flip
};

// The difference over other seeds and other evaluation examples; and, of one pair, over examples alone.
struct OverExamples {
  std::string metric;  // what is computed on the drawn examples
  std::size_t examples = 0;
  std::optional<MultiBootstrap> resampled;       // nothing for fewer than two pairs
  std::optional<McNemar> mcnemar;                // of the one pair of classifiers there is
  std::int64_t only_arm = 0, only_baseline = 0;  // examples that only one of that pair gets right
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
  double p_holm = 1;             // p_sign_flip, adjusted over all pairs of the comparison: Holm
  double p_bh = 1;               // the same: Benjamini-Hochberg
  std::vector<double> differences;         // the n independent ones
  std::optional<Interval> sign_flip_ci95;  // by inverting the sign-flip test; nothing for n < 2, infinite below 6 pairs
  std::optional<Interval> bootstrap_ci95;  // BCa; nothing below kBootstrapNeeds pairs
  Wilcoxon wilcoxon;
  std::optional<EffectSize> effect_size;  // d_z
  // From improvement to examples: nothing where several replicates share a pre-trained model, so that n < replicates.
  std::optional<EffectSize> improvement;  // P(a run of the arm is better than one of the baseline)
  std::optional<Pairing> pairing;         // correlation, and what sharing seeds saved
  std::optional<Dominance> dominance;     // almost stochastic order of arm over baseline; nothing below kDominanceNeeds
  // For 80 % power at the level that Holm leaves this pair, were the difference as seen. 0: cannot be said, or more
  // than 10,000.
  std::size_t seeds_needed = 0;
  std::optional<Convergence> convergence;  // nothing without a threshold, or without runs of both
  std::optional<Convergence> leaving;      // off the unigram plateau; nothing for other tasks
  std::optional<PairedMean> height;        // difference of the curves' mean heights
  std::optional<OverExamples> examples;    // where predictions were given: add_examples
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

// A claim of the spec, and what the runs say to it at one grid point.
struct ClaimVerdict {
  enum class Kind { equal, better, order } kind = Kind::better;
  enum class Outcome { reproduced, not_reproduced, cannot_tell } outcome = Outcome::cannot_tell;
  std::vector<std::string> ends;  // arms, or config::kConstantClass: two, or those of an order, best first
  double margin = 0;              // of Kind::equal
  Settings settings;
  std::vector<PairedMean> links;  // of each two neighbours: first - second; ci95 at 95 %
  std::optional<Interval> ci90;   // of Kind::equal: equal where it lies within the margin
  double p = 1;                   // of the claim: two one-sided tests; sign-flip; of an order the largest of its links
  double p_holm = 1;              // adjusted over all claims of the comparison
  std::string reason;             // why it cannot be told; empty where it can
  std::size_t seeds_needed = 0;   // as Pair::seeds_needed; 0 also where it can be told
};

// A published number, to be shown beside.
struct Anchor {
  std::string text, source, arm, metric;  // arm: empty where it belongs to none
  double value = 0;
};

struct Comparison {
  std::string experiment, metric, baseline, better, at;
  std::optional<double> threshold;  // nothing where it is the baseline's and differs between grid points
  bool threshold_of_baseline = false;
  double alpha = 0.05;  // of the verdicts
  std::optional<std::int64_t> planned_seeds;
  std::optional<Gain> gain;
  std::optional<double> constant_class;  // the metric of the training-majority label
  std::vector<ArmSummary> arms;  // grid points ascending; in each the baseline, then the others as they were started
  std::vector<Pair> pairs;       // in the same order
  std::vector<Share> shares;     // in the same order, of the arms but the gain's own; empty without a gain
  std::vector<ClaimVerdict> claims;  // grid points ascending, in each as the spec has them
  std::vector<Anchor> anchors;       // of this metric
  std::vector<std::string> notes;    // e.g. "5 pairs: p cannot fall below 0.0625", mixed CPUs, unfinished runs
};

// Runs of one experiment, or of several with Options::together, in any order. The metric is one of the task's or
// "loss". Failed runs stay counted. Throws Error: no runs; none ended; unknown metric or baseline (with those there
// are); runs of several experiments or tasks; two runs of one arm, grid point and replicate; no evaluation at the step
// asked for.
Comparison compare(std::span<const record::Run> runs, const Options& options);

// Pairs that a test was made of: the family that p_holm adjusts for.
std::int64_t tested_pairs(const Comparison& comparison);

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
// "0.05", "0.00152", "1.2e-06": three digits.
std::string alpha_text(double alpha);

}  // namespace initlab::compare
