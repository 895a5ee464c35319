#include "compare/resampling.hpp"

#include <algorithm>
#include <boost/math/distributions/normal.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <cassert>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "base/random.hpp"
#include "compare/description.hpp"

namespace initlab::compare {
namespace {

constexpr int kRedraws = 100;

// Share of resamples below the observed value, ties one half.
double share_below(std::span<const double> resampled, double observed) {
  double below = 0;
  for (const double value : resampled) below += value < observed ? 1 : value == observed ? 0.5 : 0;
  return below / static_cast<double>(resampled.size());
}

// Efron's a: a sixth of the skewness of the jackknife's values.
double acceleration(std::span<const double> left_out) {
  const double center = mean(left_out);
  double squares = 0, cubes = 0;
  for (const double value : left_out) {
    squares += (center - value) * (center - value);
    cubes += (center - value) * (center - value) * (center - value);
  }
  return squares > 0 ? cubes / (6 * std::pow(squares, 1.5)) : 0;
}

using Rows = std::vector<std::uint32_t>;

// Draws 0 .. n-1 with replacement, list after list, from one stream.
class Drawer {
 public:
  explicit Drawer(std::uint64_t seed) : stream_(seed, "compare.multi_bootstrap") {}
  Rows draw(std::size_t n) {
    Rows rows(n);
    for (std::uint32_t& row : rows) row = static_cast<std::uint32_t>(stream_.below(next_++, n));
    return rows;
  }

 private:
  base::Stream stream_;
  std::uint64_t next_ = 0;
};

Rows all_of(std::size_t n) {
  Rows rows(n);
  std::iota(rows.begin(), rows.end(), 0U);
  return rows;
}

// By run: arm - baseline on these examples.
std::vector<double> run_differences(const RunMetric& arm, const RunMetric& baseline, std::size_t runs,
                                    std::span<const std::uint32_t> examples) {
  std::vector<double> differences;
  for (std::size_t run = 0; run < runs; ++run) differences.push_back(arm(run, examples) - baseline(run, examples));
  return differences;
}

double mean_of(std::span<const double> values, std::span<const std::uint32_t> rows) {
  double sum = 0;
  for (const std::uint32_t row : rows) sum += values[row];
  return sum / static_cast<double>(rows.size());
}

// From the deviations of the resamples: the standard error, its degrees of freedom, interval and p.
void conclude(MultiBootstrap& result, std::size_t runs, std::size_t examples, double level) {
  const double runs_freedom = static_cast<double>(runs - 1), examples_freedom = static_cast<double>(examples - 1);
  const double seeds = result.seeds_stddev * result.seeds_stddev;
  const double of_examples = result.examples_stddev * result.examples_stddev;
  // A bootstrap of n values varies as (n - 1) / n of what it stands for; what is lacking is added.
  const double variance = result.stddev * result.stddev + seeds / runs_freedom + of_examples / examples_freedom;
  const auto part = [](double resampled, double freedom) {
    const double whole = resampled * (freedom + 1) / freedom;
    return whole * whole / freedom;
  };
  result.standard_error = std::sqrt(variance);
  result.freedom = variance * variance / (part(seeds, runs_freedom) + part(of_examples, examples_freedom));
  if (!(variance > 0) || !std::isfinite(result.freedom)) {
    result.freedom = std::numeric_limits<double>::infinity();
    result.interval = {result.difference, result.difference};
    result.p = result.difference == 0 ? 1 : 0;
    return;
  }
  const boost::math::students_t student(result.freedom);
  const double half_width = boost::math::quantile(student, (1 + level) / 2) * result.standard_error;
  result.interval = {result.difference - half_width, result.difference + half_width};
  const double t = std::abs(result.difference) / result.standard_error;
  result.p = 2 * boost::math::cdf(boost::math::complement(student, t));
}

}  // namespace

Interval bca_interval_of(std::span<const double> resampled, double observed, std::span<const double> left_out,
                         double level) {
  assert(!resampled.empty() && level > 0 && level < 1);
  const auto [least, most] = std::minmax_element(resampled.begin(), resampled.end());
  if (*least == *most) return {*least, *most};
  // An observed value beyond all resamples has no finite z0; half a resample is the most that these can say.
  const double half = 0.5 / static_cast<double>(resampled.size());
  const boost::math::normal normal;
  const double bias = boost::math::quantile(normal, std::clamp(share_below(resampled, observed), half, 1 - half));
  const double a = acceleration(left_out);
  const auto end = [&](double z) {
    const double shifted = bias + z;
    return quantile(resampled, boost::math::cdf(normal, bias + shifted / (1 - a * shifted)));
  };
  const double z = boost::math::quantile(normal, (1 + level) / 2);
  return {end(-z), end(z)};
}

Interval bca_interval(std::span<const double> values, double level, const Statistic& statistic,
                      const Resampling& resampling) {
  assert(values.size() >= 2 && resampling.resamples >= 1);
  const base::Stream stream(resampling.seed, "compare.bootstrap");
  std::vector<double> resampled, left_out, drawn(values.size());
  std::uint64_t draw = 0;
  for (std::int64_t i = 0; i < resampling.resamples; ++i) {
    for (double& value : drawn) value = values[stream.below(draw++, values.size())];
    resampled.push_back(statistic(drawn));
  }
  for (std::size_t skipped = 0; skipped < values.size(); ++skipped) {
    std::vector<double> others(values.begin(), values.end());
    others.erase(others.begin() + static_cast<std::ptrdiff_t>(skipped));
    left_out.push_back(statistic(others));
  }
  return bca_interval_of(resampled, statistic(values), left_out, level);
}

MultiBootstrap multi_bootstrap(const RunMetric& arm, const RunMetric& baseline, std::size_t runs, std::size_t examples,
                               double level, const Resampling& resampling) {
  assert(runs >= 2 && examples >= 2 && level > 0 && level < 1 && resampling.resamples >= 2);
  const std::vector<double> observed = run_differences(arm, baseline, runs, all_of(examples));
  Drawer drawer(resampling.seed);
  std::vector<double> both, of_seeds, of_examples;
  for (std::int64_t i = 0; i < resampling.resamples; ++i) {
    std::vector<double> differences;
    bool is_finite = false;
    for (int attempt = 0; attempt <= kRedraws && !is_finite; ++attempt) {
      differences = run_differences(arm, baseline, runs, drawer.draw(examples));
      is_finite = std::isfinite(mean(differences));
    }
    if (!is_finite) differences.assign(runs, 0.0);
    const Rows seeds = drawer.draw(runs);
    both.push_back(mean_of(differences, seeds));
    of_seeds.push_back(mean_of(observed, seeds));
    of_examples.push_back(mean(differences));
  }
  MultiBootstrap result;
  result.difference = mean(observed);
  result.stddev = stddev(both);
  result.seeds_stddev = stddev(of_seeds);
  result.examples_stddev = stddev(of_examples);
  conclude(result, runs, examples, level);
  return result;
}

}  // namespace initlab::compare
