#include "compare/pairs.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "compare/families.hpp"
#include "compare/power.hpp"
#include "compare/sign_flip.hpp"
#include "compare/units.hpp"

namespace initlab::compare {
namespace {

constexpr double kLevel = 0.95;

// What both arms have, entry by entry, of the replicates that both have. Both lists ascend.
template <class T>
std::pair<std::vector<T>, std::vector<T>> common(const ArmSummary& arm, const ArmSummary& baseline,
                                                 std::vector<T> ArmSummary::*entries) {
  std::pair<std::vector<T>, std::vector<T>> both;
  for (std::size_t a = 0; a < arm.replicates.size(); ++a) {
    const auto found = std::lower_bound(baseline.replicates.begin(), baseline.replicates.end(), arm.replicates[a]);
    if (found == baseline.replicates.end() || *found != arm.replicates[a]) continue;
    both.first.push_back((arm.*entries)[a]);
    both.second.push_back((baseline.*entries)[static_cast<std::size_t>(found - baseline.replicates.begin())]);
  }
  return both;
}

// Of a run's way each: nothing where either arm has none.
std::optional<Convergence> convergence_of(const ArmSummary& arm, const ArmSummary& baseline,
                                          std::vector<Observation> ArmSummary::*ways, double horizon) {
  if ((arm.*ways).size() != arm.values.size() || (baseline.*ways).size() != baseline.values.size()) return std::nullopt;
  const auto [first, second] = common(arm, baseline, ways);
  if (first.empty()) return std::nullopt;
  Convergence result;
  result.p_log_rank = paired_log_rank_p(first, second);
  result.log_rank = log_rank(arm.*ways, baseline.*ways);
  if (horizon > 0) result.restricted = paired_restricted_mean_difference(first, second, horizon, kLevel);
  return result;
}

std::optional<PairedMean> height_difference(const ArmSummary& arm, const ArmSummary& baseline) {
  const auto [first, second] = common(arm, baseline, &ArmSummary::heights);
  std::vector<double> differences;
  for (std::size_t i = 0; i < first.size(); ++i)
    if (first[i] && second[i]) differences.push_back(*first[i] - *second[i]);
  if (differences.empty()) return std::nullopt;
  return paired_mean(differences);
}

// What needs replicates that are independent of each other.
void compare_replicates(const ArmSummary& arm, const ArmSummary& baseline, bool higher_is_better, Pair& pair) {
  const auto [of_arm, of_baseline] = common(arm, baseline, &ArmSummary::values);
  pair.pairing = pairing(of_arm, of_baseline);
  const std::vector<double>& better = higher_is_better ? arm.values : baseline.values;
  const std::vector<double>& worse = higher_is_better ? baseline.values : arm.values;
  pair.improvement = probability_of_improvement(better, worse, kLevel);
  pair.dominance = almost_stochastic_order(better, worse);
  pair.convergence = convergence_of(arm, baseline, &ArmSummary::steps, arm.steps_reach.horizon);
  pair.leaving = convergence_of(arm, baseline, &ArmSummary::leaving, arm.leaving_reach.horizon);
  pair.height = height_difference(arm, baseline);
}

}  // namespace

Differences paired_differences(const ArmSummary& first, const ArmSummary& second) {
  Differences differences;
  std::size_t b = 0;
  for (std::size_t a = 0; a < first.replicates.size(); ++a) {
    while (b < second.replicates.size() && second.replicates[b] < first.replicates[a]) ++b;
    if (b == second.replicates.size() || second.replicates[b] != first.replicates[a]) continue;
    differences.values.push_back(first.values[a] - second.values[b]);
    differences.pretraining.push_back(std::max(first.pretraining[a], second.pretraining[b]));
  }
  return differences;
}

PairedMean paired_mean(std::span<const double> differences) {
  PairedMean result;
  result.n = result.replicates = std::ssize(differences);
  result.difference = mean(differences);
  if (differences.size() >= 2) result.ci95 = student_t_interval(differences, 0.95);
  result.p = sign_flip_p(differences);
  return result;
}

std::size_t seeds_for(std::span<const double> differences, double alpha) {
  if (differences.size() < 2) return 0;
  const double deviation = stddev(differences), effect = mean(differences);
  if (!(deviation > kNoDifference) || std::abs(effect) < kNoDifference) return 0;
  return pairs_needed(effect, deviation, 0.8, alpha);
}

Pair pair_up(const ArmSummary& arm, const ArmSummary& baseline, bool higher_is_better) {
  Pair pair;
  pair.arm = arm.arm;
  pair.settings = arm.settings;
  const Differences of_replicates = paired_differences(arm, baseline);
  pair.replicates = static_cast<std::int64_t>(of_replicates.values.size());
  pair.differences = independent_units(of_replicates.values, of_replicates.pretraining);
  const PairedMean center = paired_mean(pair.differences);
  pair.n = center.n;
  pair.difference = center.difference;
  pair.deviation = stddev(pair.differences);
  pair.ci95 = center.ci95;
  pair.p_sign_flip = pair.p_holm = pair.p_bh = center.p;
  if (pair.n >= 2) {
    pair.sign_flip_ci95 = sign_flip_interval(pair.differences, kLevel);
    pair.wilcoxon = wilcoxon_signed_rank(pair.differences);
    pair.effect_size = cohen_dz(pair.differences, kLevel);
  }
  if (pair.differences.size() >= kBootstrapNeeds) pair.bootstrap_ci95 = bca_interval(pair.differences, kLevel);
  if (pair.n == pair.replicates) compare_replicates(arm, baseline, higher_is_better, pair);
  return pair;
}

void adjust(std::span<Pair> pairs, double alpha) {
  std::vector<double> p;
  for (const Pair& pair : pairs)
    if (pair.n >= 2) p.push_back(pair.p_sign_flip);
  const std::vector<double> by_holm = holm(p), by_bh = benjamini_hochberg(p), levels = holm_levels(p, alpha);
  std::size_t i = 0;
  for (Pair& pair : pairs) {
    if (pair.n < 2) continue;
    pair.p_holm = by_holm[i];
    pair.p_bh = by_bh[i];
    pair.seeds_needed = seeds_for(pair.differences, levels[i++]);
  }
}

}  // namespace initlab::compare
