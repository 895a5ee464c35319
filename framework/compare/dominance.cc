#include "compare/dominance.hpp"

#include <algorithm>
#include <boost/math/distributions/normal.hpp>
#include <cassert>
#include <cmath>
#include <vector>

#include "base/random.hpp"

namespace initlab::compare {
namespace {

std::vector<double> ascending(std::span<const double> values) {
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}

// Both quantile functions are steps; they are walked from step to step of either, in units of 1 / (n m).
double violation_of_sorted(std::span<const double> arm, std::span<const double> baseline) {
  const std::size_t n = arm.size(), m = baseline.size();
  double against = 0, all = 0;
  for (std::size_t i = 0, j = 0, level = 0; level < n * m;) {
    const std::size_t next = std::min((i + 1) * m, (j + 1) * n);
    const double gap = baseline[j] - arm[i], part = gap * gap * static_cast<double>(next - level);
    all += part;
    if (gap > 0) against += part;
    if (next == (i + 1) * m) ++i;
    if (next == (j + 1) * n) ++j;
    level = next;
  }
  return all > 0 ? against / all : 0.5;
}

}  // namespace

double violation_ratio(std::span<const double> arm, std::span<const double> baseline) {
  assert(!arm.empty() && !baseline.empty());
  return violation_of_sorted(ascending(arm), ascending(baseline));
}

std::optional<Dominance> almost_stochastic_order(std::span<const double> arm, std::span<const double> baseline,
                                                 double level, const Resampling& resampling) {
  assert(level > 0 && level < 1 && resampling.resamples >= 2);
  if (std::min(arm.size(), baseline.size()) < kDominanceNeeds) return std::nullopt;
  const base::Stream stream(resampling.seed, "compare.dominance");
  std::uint64_t draw = 0;
  const auto resampled = [&](std::span<const double> values) {
    std::vector<double> drawn(values.size());
    for (double& value : drawn) value = values[stream.below(draw++, values.size())];
    std::sort(drawn.begin(), drawn.end());
    return drawn;
  };
  std::vector<double> ratios;
  for (std::int64_t i = 0; i < resampling.resamples; ++i) {
    const std::vector<double> drawn_arm = resampled(arm), drawn_baseline = resampled(baseline);
    ratios.push_back(violation_of_sorted(drawn_arm, drawn_baseline));
  }
  const double violation = violation_ratio(arm, baseline);
  // sqrt((n + m) / (n m)) times the deviation of sqrt(n m / (n + m)) ratio: the ratios' own deviation.
  const double z = boost::math::quantile(boost::math::normal(), level);
  return Dominance{violation, std::clamp(violation + z * stddev(ratios), 0.0, 1.0)};
}

}  // namespace initlab::compare
