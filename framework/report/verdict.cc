#include <algorithm>
#include <cmath>

#include "base/text.hpp"
#include "compare/sign_flip.hpp"
#include "report/report.hpp"

namespace initlab::report {
namespace {

std::string seeds_text(std::int64_t n) { return std::to_string(n) + (n == 1 ? " paired seed" : " paired seeds"); }

// What a test counts: "8 paired seeds", or "4 pre-training replicates" where several pairs share one.
std::string units_text(const compare::Pair& pair) {
  return pair.n == pair.replicates ? seeds_text(pair.n) : std::to_string(pair.n) + " pre-training replicates";
}

std::string p_phrase(double p) { return p < 1e-4 ? "p < 0.0001" : "p = " + p_text(p); }

const compare::ArmSummary* find(const compare::Comparison& comparison, const std::string& arm,
                                const compare::Settings& settings) {
  const auto found = std::find_if(
      comparison.arms.begin(), comparison.arms.end(),
      [&](const compare::ArmSummary& summary) { return summary.arm == arm && summary.settings == settings; });
  return found == comparison.arms.end() ? nullptr : &*found;
}

std::int64_t reached(const compare::ArmSummary& arm) {
  return std::count_if(arm.steps_to_threshold.begin(), arm.steps_to_threshold.end(),
                       [](const auto& step) { return step.has_value(); });
}

// "after 120 steps", "after 400 steps in 5 of 8 runs", "in 3 of 8 runs"
std::string when_text(const compare::ArmSummary& arm) {
  const auto runs = static_cast<std::int64_t>(arm.steps_to_threshold.size());
  const std::string share = "in " + std::to_string(reached(arm)) + " of " + std::to_string(runs) + " runs";
  const std::optional<std::int64_t> median = compare::median_steps(arm.steps_to_threshold);
  if (!median) return share;
  return "after " + std::to_string(*median) + " steps" + (reached(arm) < runs ? " " + share : "");
}

// " and reaches 80 % after 120 steps; zero never did"
std::string threshold_clause(const compare::Comparison& comparison, const compare::ArmSummary* winner,
                             const compare::ArmSummary* loser) {
  if (winner == nullptr || loser == nullptr || !winner->threshold || winner->n == 0 || loser->n == 0) return {};
  const std::string level = level_text(comparison.metric, *winner->threshold);
  const bool first = reached(*winner) > 0, second = reached(*loser) > 0;
  if (!first && !second) return "; neither reaches " + level;
  if (!first) return "; it never reaches " + level + ", " + loser->arm + " does " + when_text(*loser);
  return " and reaches " + level + " " + when_text(*winner) +
         (second ? ", " + loser->arm + " " + when_text(*loser) : "; " + loser->arm + " never did");
}

// "; about 14 seeds would tell, were the difference as seen"
std::string seeds_clause(std::size_t needed, std::int64_t have) {
  if (static_cast<std::int64_t>(needed) <= have) return {};
  return "; about " + std::to_string(needed) + " seeds would tell, were the difference as seen";
}

// "; 5 paired seeds cannot show p < 0.05, 6 can, 8 as one of 3 comparisons"
std::string too_few_clause(const compare::Pair& pair, double alpha, std::int64_t family) {
  const std::string text = "; " + units_text(pair) + " cannot show p < " + compare::alpha_text(alpha);
  const std::optional<std::size_t> alone = compare::fewest_pairs(alpha);
  if (!alone) return text + ", nor can more at this look";
  const std::optional<std::size_t> among =
      compare::fewest_pairs(alpha / static_cast<double>(std::max<std::int64_t>(1, family)));
  return text + ", " + std::to_string(*alone) + " can" +
         (among && among != alone
              ? ", " + std::to_string(*among) + " as one of " + std::to_string(family) + " comparisons"
              : "");
}

// A signed difference in the unit in which the sentences speak: "+1.2 points of accuracy".
std::string signed_amount(const std::string& metric, double value) {
  const std::string text = amount(metric, value);
  return value > 0 && text.find_first_of("123456789") != std::string::npos ? "+" + text : text;
}

std::string claim_end(const std::string& end) { return end == "constant_class" ? "the constant class" : end; }

}  // namespace

bool is_share(const std::string& metric) { return metric == "accuracy" || metric == "f1"; }

std::string amount(const std::string& metric, double value) {
  if (!is_share(metric)) return number(value);
  if (!std::isfinite(value)) return "-";
  const std::string text = base::fixed(100 * value, 1);
  return text == "-0.0" ? "0.0" : text;
}

std::string unit(const std::string& metric) { return (is_share(metric) ? "points of " : "") + metric; }

std::string level_text(const std::string& metric, double value) {
  const std::string text = base::number_text(is_share(metric) ? std::round(1e4 * value) / 100 : value);
  return is_share(metric) ? text + " %" : "a " + metric + " of " + text;
}

std::string verdict(const compare::Comparison& comparison, const compare::Pair& pair) {
  const std::string& arm = pair.arm;
  const std::string& baseline = comparison.baseline;
  const std::string& metric = comparison.metric;
  const std::string unknown = "cannot tell " + arm + " from " + baseline;
  const auto signed_text = [&](double value) { return signed_amount(metric, value); };
  const std::string seen = signed_text(pair.difference) + " " + unit(metric);
  if (pair.n == 0) return unknown + ": no replicate has a value in both";
  if (pair.n == 1) return unknown + ": one pair (" + seen + ") says nothing about its spread";
  const double low = pair.ci95->low, high = pair.ci95->high;
  if (low == 0 && high == 0) return arm + " and " + baseline + " gave equal values with all " + units_text(pair);

  const std::int64_t family = compare::tested_pairs(comparison);
  const std::string holm = family > 1 ? ", Holm " + p_text(pair.p_holm) : "";
  const auto evidence = [&](const std::string& from, const std::string& to) {
    return " (95 % CI " + from + " to " + to + ", " + units_text(pair) + ", " + p_phrase(pair.p_sign_flip) + holm + ")";
  };
  if (comparison.at == "best")
    return "no verdict on " + arm + " and " + baseline +
           ": each run's best evaluation was chosen on the data that it is "
           "measured on; difference " +
           seen + evidence(signed_text(low), signed_text(high));
  const double alpha = comparison.alpha;
  const bool too_few = compare::smallest_sign_flip_p(static_cast<std::size_t>(pair.n)) >= alpha;
  const std::string why_not = too_few                     ? too_few_clause(pair, alpha, family)
                              : pair.n == pair.replicates ? seeds_clause(pair.seeds_needed, pair.n)
                                                          : "";
  if ((low <= 0 && high >= 0) || (pair.p_sign_flip >= alpha && !too_few))
    return unknown + ": difference " + seen + evidence(signed_text(low), signed_text(high)) + why_not;

  // One side of 0: said from the winner's side.
  const bool arm_wins = (pair.difference > 0) == (comparison.better == "higher");
  const std::string& winner = arm_wins ? arm : baseline;
  const std::string& loser = arm_wins ? baseline : arm;
  const bool positive = pair.difference > 0;
  const std::string by = " by " + amount(metric, std::abs(pair.difference)) + " " + unit(metric) +
                         evidence(amount(metric, positive ? low : -high), amount(metric, positive ? high : -low));
  if (too_few) return "cannot tell yet: " + winner + " leads " + loser + by + why_not;
  if (pair.p_holm >= alpha)
    return "cannot tell yet: " + winner + " leads " + loser + by + "; alone that would do, but not as one of " +
           std::to_string(family) + " comparisons" + why_not;
  return winner + " beats " + loser + by +
         threshold_clause(comparison, find(comparison, winner, pair.settings), find(comparison, loser, pair.settings));
}

const char* to_text(compare::ClaimVerdict::Outcome outcome) {
  switch (outcome) {
    case compare::ClaimVerdict::Outcome::reproduced:
      return "reproduced";
    case compare::ClaimVerdict::Outcome::not_reproduced:
      return "not reproduced";
    case compare::ClaimVerdict::Outcome::cannot_tell:
      return "cannot tell";
  }
  return "";
}

std::string statement(const compare::Comparison& comparison, const compare::ClaimVerdict& claim) {
  using Kind = compare::ClaimVerdict::Kind;
  std::vector<std::string> ends;
  for (const std::string& end : claim.ends) ends.push_back(claim_end(end));
  if (claim.kind == Kind::equal)
    return ends[0] + " equals " + ends[1] + " within " + amount(comparison.metric, claim.margin) + " " +
           unit(comparison.metric);
  if (claim.kind == Kind::better) return ends[0] + " is better than " + ends[1];
  return base::join(ends, " > ");
}

std::string verdict(const compare::Comparison& comparison, const compare::ClaimVerdict& claim) {
  using Outcome = compare::ClaimVerdict::Outcome;
  const std::string& metric = comparison.metric;
  std::string text = std::string(to_text(claim.outcome)) + ": " + statement(comparison, claim);
  std::vector<std::string> links;
  for (std::size_t i = 0; i < claim.links.size(); ++i) {
    const compare::PairedMean& link = claim.links[i];
    const std::optional<compare::Interval>& interval = claim.ci90 ? claim.ci90 : link.ci95;
    const std::string who =
        claim.ends.size() > 2 ? claim_end(claim.ends[i]) + " - " + claim_end(claim.ends[i + 1]) + " " : "difference ";
    if (link.n == 0) continue;
    links.push_back(who + signed_amount(metric, link.difference) +
                    (interval
                         ? std::string(claim.ci90 ? " (90" : " (95") + " % CI " + signed_amount(metric, interval->low) +
                               " to " + signed_amount(metric, interval->high) + ", "
                         : " (") +
                    (link.n == link.replicates ? std::to_string(link.n) + (link.n == 1 ? " seed" : " seeds")
                                               : std::to_string(link.n) + " pre-training replicates") +
                    ")");
  }
  if (!links.empty()) {
    text += ": " + base::join(links, ", ");
    text += "; " + p_phrase(claim.p) + (comparison.claims.size() > 1 ? ", Holm " + p_text(claim.p_holm) : "");
  }
  if (claim.outcome == Outcome::cannot_tell) {
    text += "; " + claim.reason;
    if (!claim.links.empty() && claim.links.front().n == claim.links.front().replicates)
      text += seeds_clause(claim.seeds_needed, claim.links.front().n);
  }
  return text;
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
