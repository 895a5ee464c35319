#include "compare/survival.hpp"

#include <algorithm>
#include <boost/math/distributions/chi_squared.hpp>
#include <boost/math/distributions/normal.hpp>
#include <cassert>
#include <cmath>
#include <map>

#include "compare/sign_flip.hpp"

namespace initlab::compare {
namespace {

// What happens to a group of runs, time by time.
struct Counts {
  std::size_t reached = 0, censored = 0;
};
using Timeline = std::map<double, Counts>;

Timeline timeline(std::span<const Observation> observations) {
  Timeline counts;
  for (const Observation& observation : observations) {
    assert(std::isfinite(observation.time) && observation.time >= 0);
    Counts& at = counts[observation.time];
    ++(observation.reached ? at.reached : at.censored);
  }
  return counts;
}

std::vector<Observation> joined(std::span<const Observation> first, std::span<const Observation> second) {
  std::vector<Observation> all(first.begin(), first.end());
  all.insert(all.end(), second.begin(), second.end());
  return all;
}

double normal_quantile(double level) { return boost::math::quantile(boost::math::normal(), (1 + level) / 2); }

// Observed events, expected events and their variance of the first group, in one stratum.
struct Excess {
  double observed = 0, expected = 0, variance = 0;
};

Excess excess(std::span<const Observation> first, std::span<const Observation> second) {
  const Timeline of_first = timeline(first), of_all = timeline(joined(first, second));
  Excess total;
  auto at_risk = static_cast<double>(first.size() + second.size()), first_at_risk = static_cast<double>(first.size());
  for (const auto& [time, all] : of_all) {
    const auto mine = of_first.find(time);
    const Counts own = mine == of_first.end() ? Counts{} : mine->second;
    const auto reached = static_cast<double>(all.reached);
    const double share = first_at_risk / at_risk;
    total.observed += static_cast<double>(own.reached);
    total.expected += reached * share;
    if (at_risk > 1) total.variance += reached * share * (1 - share) * (at_risk - reached) / (at_risk - 1);
    at_risk -= static_cast<double>(all.reached + all.censored);
    first_at_risk -= static_cast<double>(own.reached + own.censored);
  }
  return total;
}

LogRank log_rank_of(const Excess& total) {
  LogRank result;
  result.observed = total.observed, result.expected = total.expected;
  if (total.variance <= 0) return result;
  const double excess = total.observed - total.expected;
  result.statistic = excess * excess / total.variance;
  result.p = boost::math::cdf(boost::math::complement(boost::math::chi_squared(1), result.statistic));
  return result;
}

// The area under S from `from` on, up to the horizon, before which the curve is known.
double area_from(std::span<const SurvivalPoint> curve, double from, double horizon) {
  double area = 0, survival = 1, since = from;
  for (const SurvivalPoint& point : curve) {
    if (point.time >= horizon) break;
    if (point.time > from) {
      area += survival * (point.time - since);
      since = point.time;
    }
    survival = point.survival;
  }
  return area + survival * (horizon - since);
}

bool is_known_up_to(std::span<const SurvivalPoint> curve, double horizon) {
  return !curve.empty() && (curve.back().time >= horizon || curve.back().survival == 0);
}

}  // namespace

std::vector<SurvivalPoint> kaplan_meier(std::span<const Observation> observations) {
  std::vector<SurvivalPoint> curve;
  std::size_t at_risk = observations.size();
  double survival = 1, greenwood = 0;
  for (const auto& [time, counts] : timeline(observations)) {
    const auto n = static_cast<double>(at_risk), reached = static_cast<double>(counts.reached);
    survival = counts.reached == at_risk ? 0 : survival * (n - reached) / n;
    if (survival > 0) greenwood += reached / (n * (n - reached));
    curve.push_back({.time = time,
                     .at_risk = at_risk,
                     .reached = counts.reached,
                     .censored = counts.censored,
                     .survival = survival,
                     .variance = survival * survival * greenwood});
    at_risk -= counts.reached + counts.censored;
  }
  return curve;
}

SurvivalInterval survival_interval(const SurvivalPoint& point, double level) {
  assert(level > 0 && level < 1);
  if (point.survival <= 0 || point.survival >= 1) return {point.survival, point.survival};
  const double log_survival = std::log(point.survival);
  const double error = std::sqrt(point.variance) / (point.survival * std::abs(log_survival));  // of log(-log S)
  const double factor = std::exp(normal_quantile(level) * error);
  return {std::exp(log_survival * factor), std::exp(log_survival / factor)};
}

SurvivalQuantile median_time(std::span<const SurvivalPoint> curve, double level) {
  SurvivalQuantile result;
  constexpr double kHalf = 0.5 + 1e-12;  // products of shares such as 7/8 6/7 5/6 4/5 are 0.5 but for their last bits
  for (const SurvivalPoint& point : curve) {
    const SurvivalInterval interval = survival_interval(point, level);
    if (!result.low && interval.low <= kHalf) result.low = point.time;
    if (!result.time && point.survival <= kHalf) result.time = point.time;
    if (!result.high && interval.high <= kHalf) result.high = point.time;
  }
  return result;
}

LogRank log_rank(std::span<const Observation> first, std::span<const Observation> second) {
  return log_rank_of(excess(first, second));
}

LogRank stratified_log_rank(std::span<const std::vector<Observation>> first,
                            std::span<const std::vector<Observation>> second) {
  assert(first.size() == second.size());
  Excess total;
  for (std::size_t stratum = 0; stratum < first.size(); ++stratum) {
    const Excess part = excess(first[stratum], second[stratum]);
    total.observed += part.observed, total.expected += part.expected, total.variance += part.variance;
  }
  return log_rank_of(total);
}

double paired_log_rank_p(std::span<const Observation> first, std::span<const Observation> second) {
  assert(first.size() == second.size());
  std::map<double, double> hazard_by;  // Nelson-Aalen, of both arms together
  double hazard = 0;
  auto at_risk = static_cast<double>(first.size() + second.size());
  for (const auto& [time, counts] : timeline(joined(first, second))) {
    hazard += static_cast<double>(counts.reached) / at_risk;
    hazard_by[time] = hazard;
    at_risk -= static_cast<double>(counts.reached + counts.censored);
  }
  const auto score = [&](const Observation& observation) {
    return (observation.reached ? 1.0 : 0.0) - hazard_by.at(observation.time);
  };
  std::vector<double> differences;
  for (std::size_t i = 0; i < first.size(); ++i) differences.push_back(score(first[i]) - score(second[i]));
  return sign_flip_p(differences);
}

std::optional<RestrictedMean> restricted_mean(std::span<const Observation> observations, double horizon) {
  assert(horizon > 0);
  const std::vector<SurvivalPoint> curve = kaplan_meier(observations);
  if (!is_known_up_to(curve, horizon)) return std::nullopt;
  RestrictedMean result;
  result.mean = area_from(curve, 0, horizon);
  for (const SurvivalPoint& point : curve) {
    if (point.time >= horizon || point.at_risk == point.reached) break;  // no area is left after either
    const double area = area_from(curve, point.time, horizon);
    const auto n = static_cast<double>(point.at_risk), reached = static_cast<double>(point.reached);
    result.variance += area * area * reached / (n * (n - reached));
  }
  return result;
}

Interval restricted_mean_interval(const RestrictedMean& mean, double level) {
  const double half_width = normal_quantile(level) * std::sqrt(mean.variance);
  return {mean.mean - half_width, mean.mean + half_width};
}

std::optional<std::vector<double>> restricted_mean_pseudo_values(std::span<const Observation> observations,
                                                                 double horizon) {
  const auto n = static_cast<double>(observations.size());
  const std::optional<RestrictedMean> all = restricted_mean(observations, horizon);
  if (!all || observations.size() < 2) return std::nullopt;
  std::vector<double> values;
  for (std::size_t left_out = 0; left_out < observations.size(); ++left_out) {
    std::vector<Observation> others(observations.begin(), observations.end());
    others.erase(others.begin() + static_cast<std::ptrdiff_t>(left_out));
    const std::optional<RestrictedMean> without = restricted_mean(others, horizon);
    if (!without) return std::nullopt;
    values.push_back(n * all->mean - (n - 1) * without->mean);
  }
  return values;
}

std::optional<RestrictedMeanDifference> paired_restricted_mean_difference(std::span<const Observation> first,
                                                                          std::span<const Observation> second,
                                                                          double horizon, double level) {
  assert(first.size() == second.size());
  const auto of_first = restricted_mean_pseudo_values(first, horizon);
  const auto of_second = restricted_mean_pseudo_values(second, horizon);
  if (!of_first || !of_second) return std::nullopt;
  std::vector<double> differences;
  for (std::size_t i = 0; i < of_first->size(); ++i) differences.push_back((*of_first)[i] - (*of_second)[i]);
  return RestrictedMeanDifference{.difference = mean(differences),
                                  .interval = student_t_interval(differences, level),
                                  .p = sign_flip_p(differences)};
}

}  // namespace initlab::compare
