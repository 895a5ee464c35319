#include "compare/statistics.hpp"

#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <cassert>
#include <cmath>
#include <limits>
#include <vector>

namespace initlab::compare {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

double sum(std::span<const double> values) {
  double total = 0;
  for (const double value : values) total += value;
  return total;
}

// The moments of paired means that Fieller's set is made of; variances and covariance are those of the means.
struct PairedMeans {
  double x = 0, y = 0;  // denominator, numerator
  double var_x = 0, var_y = 0, cov = 0;
};

PairedMeans paired_means(std::span<const double> y, std::span<const double> x) {
  PairedMeans m;
  m.x = mean(x), m.y = mean(y);
  for (std::size_t i = 0; i < x.size(); ++i) {
    m.var_x += (x[i] - m.x) * (x[i] - m.x);
    m.var_y += (y[i] - m.y) * (y[i] - m.y);
    m.cov += (x[i] - m.x) * (y[i] - m.y);
  }
  const auto n = static_cast<double>(x.size());
  for (double* moment : {&m.var_x, &m.var_y, &m.cov}) *moment /= n * (n - 1);
  return m;
}

// The denominator is surely not 0. With r = y/x + d and the residuals e = y - (y/x) x, whose mean is 0, the set is
// (x^2 - t^2 var_x) d^2 + 2 t^2 cov(e, x) d - t^2 var_e <= 0: no large numbers cancel.
RatioSet bounded_ratios(const PairedMeans& m, std::span<const double> y, std::span<const double> x, double t2) {
  const double ratio = m.y / m.x;
  std::vector<double> residuals(y.size());
  for (std::size_t i = 0; i < y.size(); ++i) residuals[i] = y[i] - ratio * x[i];
  const PairedMeans of_residuals = paired_means(residuals, x);
  const double a = m.x * m.x - t2 * m.var_x, b = -t2 * of_residuals.cov;
  const double root = std::sqrt(b * b + a * t2 * of_residuals.var_y);
  return {RatioSet::Kind::interval, ratio + (b - root) / a, ratio + (b + root) / a};
}

// It may be 0: a r^2 - 2 b r + c <= 0 with a <= 0.
RatioSet unbounded_ratios(const PairedMeans& m, double t2) {
  const double a = m.x * m.x - t2 * m.var_x, b = m.x * m.y - t2 * m.cov, c = m.y * m.y - t2 * m.var_y;
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (a == 0 && b > 0) return {RatioSet::Kind::outside, -kInfinity, c / (2 * b)};
  if (a == 0 && b < 0) return {RatioSet::Kind::outside, c / (2 * b), kInfinity};
  const double square = b * b - a * c;
  if (a == 0 || square <= 0) return {};
  return {RatioSet::Kind::outside, (b + std::sqrt(square)) / a, (b - std::sqrt(square)) / a};
}

[[maybe_unused]] bool all_finite(std::span<const double> values) {
  return std::all_of(values.begin(), values.end(), [](double value) { return std::isfinite(value); });
}

}  // namespace

double mean(std::span<const double> values) {
  return values.empty() ? kNaN : sum(values) / static_cast<double>(values.size());
}

double stddev(std::span<const double> values) {
  if (values.size() < 2) return kNaN;
  const double center = mean(values);
  double squares = 0;
  for (const double value : values) squares += (value - center) * (value - center);
  return std::sqrt(squares / static_cast<double>(values.size() - 1));
}

Interval student_t_interval(std::span<const double> values, double level) {
  assert(values.size() >= 2 && level > 0 && level < 1 && all_finite(values));
  const auto n = static_cast<double>(values.size());
  const boost::math::students_t_distribution<double> student(n - 1);
  const double half_width = boost::math::quantile(student, (1 + level) / 2) * stddev(values) / std::sqrt(n);
  const double center = mean(values);
  return {center - half_width, center + half_width};
}

RatioSet fieller(std::span<const double> numerators, std::span<const double> denominators, double level) {
  assert(numerators.size() == denominators.size() && numerators.size() >= 2 && level > 0 && level < 1);
  assert(all_finite(numerators) && all_finite(denominators));
  const boost::math::students_t_distribution<double> student(static_cast<double>(numerators.size()) - 1);
  const double t = boost::math::quantile(student, (1 + level) / 2);
  const PairedMeans means = paired_means(numerators, denominators);
  const bool surely_not_zero = means.x * means.x > t * t * means.var_x;
  return surely_not_zero ? bounded_ratios(means, numerators, denominators, t * t) : unbounded_ratios(means, t * t);
}

std::optional<std::int64_t> median_steps(std::span<const std::optional<std::int64_t>> steps) {
  std::vector<std::int64_t> reached;
  for (const std::optional<std::int64_t>& step : steps)
    if (step) reached.push_back(*step);
  const std::size_t half = (steps.size() + 1) / 2;
  if (steps.empty() || reached.size() < half) return std::nullopt;
  std::sort(reached.begin(), reached.end());
  return reached[half - 1];
}

}  // namespace initlab::compare
