#include "compare/paired_tests.hpp"

#include <algorithm>
#include <boost/math/distributions/binomial.hpp>
#include <boost/math/distributions/chi_squared.hpp>
#include <boost/math/distributions/non_central_t.hpp>
#include <boost/math/distributions/normal.hpp>
#include <cassert>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

namespace initlab::compare {
namespace {

constexpr double kTie = 1e-10;    // of the largest |difference|; see wilcoxon_signed_rank
constexpr double kLargeT = 1000;  // see cohen_dz

struct SignedRanks {
  std::vector<std::size_t> doubled;  // twice the mid-rank of each, so that they are whole; by |difference|, ascending
  std::size_t positive_doubled = 0;  // sum of those of positive differences
  double tie_term = 0;               // sum over groups of ties of t^3 - t
};

SignedRanks signed_ranks(std::span<const double> differences) {
  double largest = 0;
  for (const double difference : differences) largest = std::max(largest, std::abs(difference));
  const double tie = kTie * largest;
  std::vector<double> sorted;
  std::copy_if(differences.begin(), differences.end(), std::back_inserter(sorted),
               [tie](double difference) { return std::abs(difference) > tie; });
  std::sort(sorted.begin(), sorted.end(), [](double a, double b) { return std::abs(a) < std::abs(b); });
  SignedRanks ranks;
  for (std::size_t begin = 0; begin < sorted.size();) {
    std::size_t end = begin + 1;
    while (end < sorted.size() && std::abs(sorted[end]) - std::abs(sorted[end - 1]) <= tie) ++end;
    for (std::size_t i = begin; i < end; ++i) {
      ranks.doubled.push_back(begin + 1 + end);
      if (sorted[i] > 0) ranks.positive_doubled += begin + 1 + end;
    }
    const auto ties = static_cast<double>(end - begin);
    ranks.tie_term += ties * ties * ties - ties;
    begin = end;
  }
  return ranks;
}

// The share of sign patterns whose rank sum is as far from its middle as the observed one: counts of the patterns by
// their doubled sum, rank by rank.
double exact_rank_p(const SignedRanks& ranks) {
  const std::size_t total = std::accumulate(ranks.doubled.begin(), ranks.doubled.end(), std::size_t{0});
  std::vector<double> share(total + 1, 0.0);
  share[0] = 1;
  std::size_t reach = 0;
  for (const std::size_t rank : ranks.doubled) {
    reach += rank;
    for (std::size_t sum = reach + 1; sum-- > 0;) share[sum] = (share[sum] + (sum >= rank ? share[sum - rank] : 0)) / 2;
  }
  const std::size_t smaller_side = std::min(ranks.positive_doubled, total - ranks.positive_doubled);
  double tail = 0;
  for (std::size_t sum = 0; sum <= smaller_side; ++sum) tail += share[sum];
  return std::min(1.0, 2 * tail);
}

double normal_rank_p(const SignedRanks& ranks) {
  const auto n = static_cast<double>(ranks.doubled.size());
  const double middle = n * (n + 1) / 4, variance = n * (n + 1) * (2 * n + 1) / 24 - ranks.tie_term / 48;
  const double z = (static_cast<double>(ranks.positive_doubled) / 2 - middle) / std::sqrt(variance);
  return 2 * boost::math::cdf(boost::math::normal(), -std::abs(z));
}

// The x in [low, high] at which a falling function passes `value`, to the last bits.
template <class Function>
double where_it_falls_to(double value, double low, double high, const Function& function) {
  for (int i = 0; i < 200 && low < high; ++i) {
    const double middle = std::midpoint(low, high);
    if (middle == low || middle == high) break;
    (function(middle) > value ? low : high) = middle;
  }
  return std::midpoint(low, high);
}

// The noncentralities delta with P(T <= t | delta) = (1 +- level) / 2.
Interval noncentralities(double t, double freedom, double level) {
  const auto below = [&](double delta) { return boost::math::cdf(boost::math::non_central_t(freedom, delta), t); };
  const double reach = 40 + 10 * std::abs(t);  // t / delta is at most chi / sqrt(freedom): far outside any level in use
  return {where_it_falls_to((1 + level) / 2, t - reach, t + reach, below),
          where_it_falls_to((1 - level) / 2, t - reach, t + reach, below)};
}

// For t so large that the mean is exact beside the deviation: s^2 (n - 1) / sigma^2 is chi-squared.
Interval scaled_noncentralities(double t, double freedom, double level) {
  const boost::math::chi_squared chi_squared(freedom);
  const double low = std::sqrt(boost::math::quantile(chi_squared, (1 - level) / 2) / freedom);
  const double high = std::sqrt(boost::math::quantile(chi_squared, (1 + level) / 2) / freedom);
  return t > 0 ? Interval{t * low, t * high} : Interval{t * high, t * low};
}

// Newcombe's variance of the Mann-Whitney share, times n m.
double mann_whitney_spread(double theta, double mean_size) {
  return theta * (1 - theta) *
         (1 + (mean_size - 1) * (1 - theta) / (2 - theta) + (mean_size - 1) * theta / (1 + theta));
}

[[maybe_unused]] bool all_finite(std::span<const double> values) {
  return std::all_of(values.begin(), values.end(), [](double value) { return std::isfinite(value); });
}

}  // namespace

Wilcoxon wilcoxon_signed_rank(std::span<const double> differences) {
  assert(all_finite(differences));
  const SignedRanks ranks = signed_ranks(differences);
  Wilcoxon result;
  result.n = ranks.doubled.size();
  result.positive_ranks = static_cast<double>(ranks.positive_doubled) / 2;
  result.exact = result.n <= kExactRanks;
  if (result.n > 0) result.p = result.exact ? exact_rank_p(ranks) : normal_rank_p(ranks);
  return result;
}

std::optional<EffectSize> cohen_dz(std::span<const double> differences, double level) {
  assert(all_finite(differences) && level > 0 && level < 1);
  if (differences.size() < 2) return std::nullopt;
  const double center = mean(differences), deviation = stddev(differences);
  if (deviation <= 1e-12 * std::abs(center) || deviation == 0) return std::nullopt;
  const double root = std::sqrt(static_cast<double>(differences.size()));
  const double t = center / deviation * root, freedom = static_cast<double>(differences.size() - 1);
  const Interval delta =
      std::abs(t) > kLargeT ? scaled_noncentralities(t, freedom, level) : noncentralities(t, freedom, level);
  return EffectSize{center / deviation, {delta.low / root, delta.high / root}};
}

std::optional<EffectSize> probability_of_improvement(std::span<const double> arm, std::span<const double> baseline,
                                                     double level) {
  assert(all_finite(arm) && all_finite(baseline) && level > 0 && level < 1);
  if (arm.empty() || baseline.empty()) return std::nullopt;
  std::vector<double> sorted(baseline.begin(), baseline.end());
  std::sort(sorted.begin(), sorted.end());
  double wins = 0;  // over pairs of runs, ties one half
  for (const double value : arm) {
    const auto [equal, above] = std::equal_range(sorted.begin(), sorted.end(), value);
    wins += static_cast<double>(equal - sorted.begin()) + static_cast<double>(above - equal) / 2;
  }
  const auto n = static_cast<double>(arm.size()), m = static_cast<double>(baseline.size());
  const double share = wins / (n * m);
  const double z = boost::math::quantile(boost::math::normal(), (1 + level) / 2);
  // How far theta is beyond the bound; falls towards the share from either side.
  const auto excess = [&](double theta) {
    return std::abs(share - theta) - z * std::sqrt(mann_whitney_spread(theta, (n + m) / 2) / (n * m));
  };
  const double low = where_it_falls_to(0, 0, share, excess);
  const double high = 1 - where_it_falls_to(0, 0, 1 - share, [&](double below_one) { return excess(1 - below_one); });
  return EffectSize{share, {low, high}};
}

std::optional<Pairing> pairing(std::span<const double> arm, std::span<const double> baseline) {
  assert(arm.size() == baseline.size() && all_finite(arm) && all_finite(baseline));
  if (arm.size() < 2) return std::nullopt;
  std::vector<double> differences;
  for (std::size_t i = 0; i < arm.size(); ++i) differences.push_back(arm[i] - baseline[i]);
  const double arm_deviation = stddev(arm), baseline_deviation = stddev(baseline), deviation = stddev(differences);
  const double arm_mean = mean(arm), baseline_mean = mean(baseline);
  double covariance = 0;
  for (std::size_t i = 0; i < arm.size(); ++i) covariance += (arm[i] - arm_mean) * (baseline[i] - baseline_mean);
  covariance /= static_cast<double>(arm.size() - 1);
  const double correlation = covariance / (arm_deviation * baseline_deviation);  // 0 / 0 is NaN, as promised
  return Pairing{.correlation = std::clamp(correlation, -1.0, 1.0),
                 .seeds_factor = (arm_deviation * arm_deviation + baseline_deviation * baseline_deviation) /
                                 (deviation * deviation)};
}

McNemar mcnemar(std::int64_t only_first, std::int64_t only_second) {
  assert(only_first >= 0 && only_second >= 0);
  const std::int64_t both = only_first + only_second;
  if (both == 0) return {};
  const boost::math::binomial coin(static_cast<double>(both), 0.5);
  const auto fewer = static_cast<double>(std::min(only_first, only_second));
  const double tail = boost::math::cdf(coin, fewer);
  return {.exact_p = std::min(1.0, 2 * tail), .mid_p = std::min(1.0, 2 * tail - boost::math::pdf(coin, fewer))};
}

}  // namespace initlab::compare
