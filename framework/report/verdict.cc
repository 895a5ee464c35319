#include <algorithm>
#include <cmath>

#include "base/text.hpp"
#include "compare/sign_flip.hpp"
#include "report/report.hpp"

namespace initlab::report {
namespace {

constexpr double kAlpha = 0.05;

std::string pairs_text(std::int64_t n) { return std::to_string(n) + (n == 1 ? " pair" : " pairs"); }

// What a test counts: "8 pairs", or "4 pre-training replicates" where several pairs share one.
std::string units_text(const compare::Pair& pair) {
  return pair.n == pair.replicates ? pairs_text(pair.n) : std::to_string(pair.n) + " pre-training replicates";
}

std::string p_phrase(double p) { return p < 1e-4 ? "p < 0.0001" : "p = " + p_text(p); }

// The fewest pairs whose smallest p lies below alpha.
std::int64_t fewest_pairs() {
  std::size_t n = 1;
  while (compare::smallest_sign_flip_p(n) >= kAlpha) ++n;
  return static_cast<std::int64_t>(n);
}

const compare::ArmSummary* find(const compare::Comparison& comparison, const std::string& arm,
                                const compare::Settings& settings) {
  const auto found = std::find_if(
      comparison.arms.begin(), comparison.arms.end(),
      [&](const compare::ArmSummary& summary) { return summary.arm == arm && summary.settings == settings; });
  return found == comparison.arms.end() ? nullptr : &*found;
}

// "zero never", "pretrained 120", "xavier 400 (5 of 8 runs)", "xavier in 3 of 8 runs only"
std::string reach_text(const compare::ArmSummary& arm) {
  const auto runs = static_cast<std::int64_t>(arm.steps_to_threshold.size());
  const auto reached = std::count_if(arm.steps_to_threshold.begin(), arm.steps_to_threshold.end(),
                                     [](const auto& step) { return step.has_value(); });
  if (reached == 0) return arm.arm + " never";
  const std::string share = std::to_string(reached) + " of " + std::to_string(runs) + " runs";
  const std::optional<std::int64_t> median = compare::median_steps(arm.steps_to_threshold);
  if (!median) return arm.arm + " in " + share + " only";
  return arm.arm + " " + std::to_string(*median) + (reached < runs ? " (" + share + ")" : "");
}

// "; steps to 0.85: pretrained 120, zero never"
std::string threshold_clause(const compare::Comparison& comparison, const compare::Pair& pair) {
  if (!comparison.threshold) return {};
  const compare::ArmSummary* baseline = find(comparison, comparison.baseline, pair.settings);
  const compare::ArmSummary* arm = find(comparison, pair.arm, pair.settings);
  if (baseline == nullptr || arm == nullptr || baseline->n == 0 || arm->n == 0) return {};
  return "; steps to " + base::number_text(*comparison.threshold) + ": " + reach_text(*baseline) + ", " +
         reach_text(*arm);
}

}  // namespace

std::string verdict(const compare::Comparison& comparison, const compare::Pair& pair) {
  const std::string& arm = pair.arm;
  const std::string& baseline = comparison.baseline;
  const std::string unknown = "cannot tell " + arm + " from " + baseline;
  if (pair.n == 0) return unknown + ": no replicate has a value in both";
  if (pair.n == 1) return unknown + ": one pair (" + signed_number(pair.difference) + ") says nothing about its spread";
  const double low = pair.ci95->low, high = pair.ci95->high;
  if (low == 0 && high == 0) return arm + " and " + baseline + " gave equal values in all " + units_text(pair);

  const auto evidence = [&](const std::string& from, const std::string& to) {
    return " (95 % CI " + from + " to " + to + ", " + units_text(pair) + ", " + p_phrase(pair.p_sign_flip) + ")";
  };
  const bool too_few = compare::smallest_sign_flip_p(static_cast<std::size_t>(pair.n)) >= kAlpha;
  const std::string why_not =
      too_few ? "; " + units_text(pair) + " cannot show p < 0.05, " + std::to_string(fewest_pairs()) + " can" : "";
  if ((low <= 0 && high >= 0) || (pair.p_sign_flip >= kAlpha && !too_few))
    return unknown + ": difference " + signed_number(pair.difference) +
           evidence(signed_number(low), signed_number(high)) + why_not;

  // One side of 0: said from the winner's side.
  const bool arm_wins = (pair.difference > 0) == (comparison.better == "higher");
  const std::string& winner = arm_wins ? arm : baseline;
  const std::string& loser = arm_wins ? baseline : arm;
  const bool positive = pair.difference > 0;
  const std::string by = " by " + number(std::abs(pair.difference)) + " " + comparison.metric +
                         evidence(number(positive ? low : -high), number(positive ? high : -low));
  if (too_few) return "cannot tell yet: " + winner + " leads " + loser + by + why_not;
  return winner + " beats " + loser + by + threshold_clause(comparison, pair);
}

std::string tuning_way(const compare::Tuning& tuning) {
  std::vector<std::string> rates;
  std::size_t runs = 0;
  for (const compare::Trial& trial : tuning.trials) {
    rates.push_back(base::number_text(trial.learning_rate));
    runs = std::max(runs, trial.values.size());
  }
  return base::number_text(std::round(1000 * tuning.share) / 10) + " % of the training set, held out, from {" +
         base::join(rates, ", ") + "} by mean " + tuning.metric + " (" + std::to_string(runs) +
         (runs == 1 ? " run" : " runs") + " a rate)";
}

std::vector<std::string> tuning_sentences(const compare::Comparison& comparison, const compare::Settings& settings) {
  std::vector<std::pair<std::string, std::vector<std::string>>> ways;  // how, and the arms with their rates
  for (const compare::ArmSummary& arm : comparison.arms) {
    if (arm.settings != settings || !arm.tuning) continue;
    const std::string way = tuning_way(*arm.tuning);
    if (ways.empty() || ways.back().first != way) ways.push_back({way, {}});
    ways.back().second.push_back(arm.arm + " " + base::number_text(arm.tuning->learning_rate));
  }
  std::vector<std::string> sentences;
  for (const auto& [way, arms] : ways)
    sentences.push_back("each arm's learning rate was chosen on " + way + ": " + base::join(arms, ", "));
  return sentences;
}

std::string verdict(const compare::Comparison& comparison, const compare::Share& share) {
  using Kind = compare::RatioSet::Kind;
  const std::string gain = "of the gain from " + comparison.gain->from + " to " + comparison.gain->to;
  const std::string unknown = "cannot tell what share " + gain + " " + share.arm + " keeps: ";
  const std::string replicates =
      std::to_string(share.n) + (share.n == share.replicates ? " replicates" : " pre-training replicates");
  if (share.n == 0) return unknown + "no replicate has a value in all three";
  if (share.n == 1)
    return unknown + "one replicate" + (std::isfinite(share.share) ? " (" + percent(share.share) + ")" : "") +
           " says nothing about its spread";
  const compare::RatioSet& set = *share.ci95;
  if (set.kind != Kind::interval) {
    const std::string doubt = "the gain itself may be 0 (" + signed_number(share.gain) + ", 95 % CI " +
                              signed_number(share.gain_ci95->low) + " to " + signed_number(share.gain_ci95->high) +
                              ", " + replicates + ")";
    if (set.kind == Kind::everything) return unknown + doubt + ", and no share is excluded";
    const std::string excluded = !std::isfinite(set.low) ? "below " + percent(set.high)
                                 : !std::isfinite(set.high)
                                     ? "above " + percent(set.low)
                                     : "between " + percent(set.low) + " and " + percent(set.high);
    return unknown + doubt + "; only shares " + excluded + " are excluded";
  }
  const std::string evidence = "95 % CI " + percent(set.low) + " to " + percent(set.high) + ", " + replicates;
  if (set.low <= 0 && set.high >= 1)
    return unknown + percent(share.share) + " (" + evidence + ") may be nothing and may be all";
  return share.arm + " keeps " + percent(share.share) + " " + gain + " (" + evidence + ")";
}

}  // namespace initlab::report
