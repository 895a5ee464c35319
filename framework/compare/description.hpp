// What a set of values looks like: order statistics, the interquartile mean, and what picking the best would show.
// Pure functions over numbers, in any order.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace initlab::compare {

// The q-quantile, 0 <= q <= 1: linear between the order statistics around position (n - 1) q (Hyndman and Fan 1996,
// type 7; the default of NumPy and R). NaN for none. Needs finite values.
double quantile(std::span<const double> values, double q);

// The 0.5-quantile: the middle value, or the mean of the middle two.
double median(std::span<const double> values);

// Interquartile mean: the mean of what is left without the floor(n / 4) smallest and as many largest values, which is a
// trimmed mean of 25 % (Agarwal et al. 2021, "Deep Reinforcement Learning at the Edge of the Statistical Precipice").
// One diverged run does not move it. NaN for none. Needs finite values.
double interquartile_mean(std::span<const double> values);

struct Description {
  std::size_t n = 0;
  double mean = 0, stddev = 0;  // stddev: n - 1; NaN for n < 2
  double median = 0, interquartile_mean = 0, min = 0, max = 0;
};
// All but n are NaN for no values. Needs finite values.
Description describe(std::span<const double> values);

// Entry k - 1 is the expected best of k values drawn with replacement from these, k = 1 .. n: sum over the order
// statistics x_(i) of x_(i) ((i/n)^k - ((i-1)/n)^k), from the best side (Dodge et al. 2019, "Show Your Work: Improved
// Reporting of Experimental Results"). Entry 0 is the mean. It says how far a number flatters that was
// picked as the best of k seeds. Towards k = n it is biased low as an estimate for new runs: it never leaves the values
// that were seen. Empty for none. Takes n^2 steps. Needs finite values.
std::vector<double> best_of_curve(std::span<const double> values, bool higher_is_better);

}  // namespace initlab::compare
