#include "compare/description.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>

#include "compare/statistics.hpp"

namespace initlab::compare {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

std::vector<double> ascending(std::span<const double> values) {
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}

double quantile_of_sorted(std::span<const double> sorted, double q) {
  if (sorted.empty()) return kNaN;
  const double position = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(position);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return std::lerp(sorted[below], sorted[above], position - static_cast<double>(below));
}

double trimmed_mean_of_sorted(std::span<const double> sorted) {
  const std::size_t cut = sorted.size() / 4;
  return mean(sorted.subspan(cut, sorted.size() - 2 * cut));
}

}  // namespace

double quantile(std::span<const double> values, double q) {
  assert(q >= 0 && q <= 1);
  return quantile_of_sorted(ascending(values), q);
}

double median(std::span<const double> values) { return quantile(values, 0.5); }

double interquartile_mean(std::span<const double> values) { return trimmed_mean_of_sorted(ascending(values)); }

Description describe(std::span<const double> values) {
  const std::vector<double> sorted = ascending(values);
  return {.n = values.size(),
          .mean = mean(values),
          .stddev = stddev(values),
          .median = quantile_of_sorted(sorted, 0.5),
          .interquartile_mean = trimmed_mean_of_sorted(sorted),
          .min = sorted.empty() ? kNaN : sorted.front(),
          .max = sorted.empty() ? kNaN : sorted.back()};
}

std::vector<double> best_of_curve(std::span<const double> values, bool higher_is_better) {
  std::vector<double> sorted = ascending(values);  // worst first
  if (!higher_is_better) std::reverse(sorted.begin(), sorted.end());
  const auto n = static_cast<double>(sorted.size());
  std::vector<double> curve;
  for (std::size_t k = 1; k <= sorted.size(); ++k) {
    double expected = 0;
    for (std::size_t i = 0; i < sorted.size(); ++i) {
      const double up_to = std::pow(static_cast<double>(i + 1) / n, k),
                   before = std::pow(static_cast<double>(i) / n, k);
      expected += sorted[i] * (up_to - before);
    }
    curve.push_back(expected);
  }
  return curve;
}

}  // namespace initlab::compare
