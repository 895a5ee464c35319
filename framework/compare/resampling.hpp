// Bootstrap: intervals from drawing again what was drawn. Seeded: the same numbers every time.
// For many values. At few seeds a bootstrap covers less than it says: student_t_interval and sign_flip_interval there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "compare/statistics.hpp"

namespace initlab::compare {

inline constexpr std::size_t kBootstrapNeeds = 50;  // values; below it bca_interval is not to be trusted

using Statistic = std::function<double(std::span<const double>)>;

struct Resampling {
  std::int64_t resamples = 9999;
  std::uint64_t seed = 1;
};

// Bias-corrected and accelerated bootstrap interval of a statistic (Efron 1987, "Better Bootstrap Confidence
// Intervals"; Efron and Tibshirani 1993, chapter 14): percentiles of the statistic over resamples, at levels that
// correct for its median bias (z0) and for a spread that depends on the value (a, from the jackknife). A statistic that
// is equal in all resamples gives that value twice. Needs 2 or more finite values, and 0 < level < 1; callers ask for
// kBootstrapNeeds.
Interval bca_interval(std::span<const double> values, double level, const Statistic& statistic = mean,
                      const Resampling& resampling = {});

// The same from its parts: the statistic of the resamples, of the values themselves, and with each value left out.
Interval bca_interval_of(std::span<const double> resampled, double observed, std::span<const double> left_out,
                         double level);

// The metric of one run (0 .. runs - 1) on a list of examples (0 .. examples - 1, some repeated, some absent).
using RunMetric = std::function<double(std::size_t run, std::span<const std::uint32_t> examples)>;

struct MultiBootstrap {
  double difference = 0;       // mean over runs of arm - baseline, on all examples
  Interval interval;           // difference +- t standard_error
  double p = 1;                // two-sided, by the same t
  double standard_error = 0;   // of the difference, over seeds and examples
  double freedom = 0;          // degrees of freedom of t; infinite where nothing varies
  double stddev = 0;           // of the resampled differences: seeds and examples together
  double seeds_stddev = 0;     // resampling seeds only, the examples held fixed
  double examples_stddev = 0;  // resampling examples only, the seeds held fixed
};

// Over seeds and examples: how the mean difference of two arms varies if other seeds had been drawn and other
// evaluation examples (Sellam et al. 2022, "The MultiBERTs"; design with paired seeds). Each resample draws
// `runs` replicates and `examples` examples, with replacement and independently, and takes the same of both arms. For
// metrics that are no mean over examples too (F1, correlations), since they are computed on the drawn examples. A drawn
// list on which the metric is not finite (one class only, say) is drawn again, up to 100 times; then that resample
// counts as 0 difference.
// With few seeds the resamples' percentiles lie too close: they vary less by (n - 1) / n, and have the normal's tails.
// So the interval is Student's: variance stddev^2 + seeds_stddev^2 / (runs - 1) + examples_stddev^2 / (examples - 1),
// degrees of freedom by Satterthwaite 1946 from the parts of seeds and examples. Where what varies is neither seed nor
// example but their meeting, the bootstrap counts that up to three times (Owen 2007, "The pigeonhole bootstrap"): wider
// than need be. Coverage: docs/STATISTICS.md. Differences without any spread give p = 0, or 1 where they are 0.
// Needs runs >= 2, examples >= 2, finite metrics on all examples and 0 < level < 1. Cost: 2 x resamples x runs metrics.
MultiBootstrap multi_bootstrap(const RunMetric& arm, const RunMetric& baseline, std::size_t runs, std::size_t examples,
                               double level, const Resampling& resampling = {.resamples = 1000, .seed = 1});

}  // namespace initlab::compare
