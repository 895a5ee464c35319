// Means, Student's and Fieller's intervals of few paired numbers.
// Pure functions over numbers; they know nothing of runs. Formulas and limits: docs/STATISTICS.md.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>

namespace initlab::compare {

struct Interval {
  double low = 0, high = 0;
};

double mean(std::span<const double> values);    // NaN for none
double stddev(std::span<const double> values);  // of the sample (n - 1); NaN for fewer than two

// mean +- t((1 + level) / 2, n - 1) s / sqrt(n): Student 1908. Covers `level` where the values are normal. Needs two
// finite values and 0 < level < 1.
Interval student_t_interval(std::span<const double> values, double level);

// The ratios of two means that a test at 1 - `level` does not reject. Which they are depends on how sure it is that the
// denominator is not 0.
struct RatioSet {
  enum class Kind {
    interval,    // from low to high
    outside,     // not bounded: all but those between low and high, one of which may be infinite
    everything,  // not bounded: any number
  } kind = Kind::everything;
  double low = -std::numeric_limits<double>::infinity(), high = std::numeric_limits<double>::infinity();
};

// mean(numerators) / mean(denominators), paired: every r for which the paired t test at 1 - level does not reject
// mean(numerators - r denominators) = 0 (Fieller 1954, "Some problems in interval estimation"; the pairs bring the
// covariance in). An interval exactly where student_t_interval(denominators) leaves 0 out. Covers `level` where the
// pairs are normal, however near 0 the denominator is. Needs two finite pairs and 0 < level < 1.
RatioSet fieller(std::span<const double> numerators, std::span<const double> denominators, double level);

// The step by which at least half of the runs had reached the threshold, where an empty entry never did; nothing where
// fewer than half did. The Kaplan-Meier median of runs that are all watched to their end (Kaplan and Meier 1958).
std::optional<std::int64_t> median_steps(std::span<const std::optional<std::int64_t>> steps);

}  // namespace initlab::compare
