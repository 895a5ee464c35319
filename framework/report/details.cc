#include "report/details.hpp"

#include <algorithm>
#include <cmath>

#include "base/text.hpp"
#include "report/parts.hpp"

namespace initlab::report {
namespace {

using compare::ArmSummary;
using compare::Comparison;
using compare::Pair;
using Row = std::vector<std::string>;

Sheet sheet_of(const std::string& caption, Row head) {
  Sheet sheet;
  sheet.caption = caption;
  sheet.right.assign(head.size(), true);
  sheet.right[0] = false;
  sheet.rows.push_back(std::move(head));
  return sheet;
}

// Of values, which have no sign to show; "-inf" and "inf" where an end is open.
std::string range_text(const std::optional<compare::Interval>& interval) {
  std::string text = interval_text(interval);
  std::erase(text, '+');
  return text;
}

std::string whole(double value) { return std::isfinite(value) ? base::fixed(value, 0) : "-"; }
std::string two_digits(double value) { return std::isfinite(value) ? base::fixed(value, 2) : "-"; }

std::string effect_text(const std::optional<compare::EffectSize>& effect) {
  if (!effect) return "-";
  return two_digits(effect->value) + " [" + two_digits(effect->interval.low) + ", " +
         two_digits(effect->interval.high) + "]";
}

Sheet spread(std::span<const ArmSummary> arms) {
  Sheet sheet = sheet_of("over seeds",
                         {"arm", "median", "IQM", "min", "max", "mean, 95 % CI (t)", "centre, 95 % CI (sign flips)"});
  for (const ArmSummary& arm : arms)
    sheet.rows.push_back({arm.arm, number(arm.spread.median), number(arm.spread.interquartile_mean),
                          number(arm.spread.min), number(arm.spread.max), range_text(arm.ci95),
                          range_text(arm.sign_flip_ci95)});
  return sheet;
}

Sheet paired(const Comparison& comparison, std::span<const ArmSummary> arms) {
  Sheet sheet = sheet_of("against " + comparison.baseline,
                         {"arm", "95 % CI (sign flips)", "Wilcoxon p", "Holm", "BH", "d_z", "P(better)", "correlation",
                          "seeds saved by pairing", "seeds needed"});
  for (const ArmSummary& arm : arms) {
    const Pair* pair = pair_of(comparison, arm);
    if (pair == nullptr || pair->n < 2) continue;
    const bool saved = pair->pairing && std::isfinite(pair->pairing->seeds_factor);
    sheet.rows.push_back({arm.arm, interval_text(pair->sign_flip_ci95), p_text(pair->wilcoxon.p), p_text(pair->p_holm),
                          p_text(pair->p_bh), effect_text(pair->effect_size), effect_text(pair->improvement),
                          pair->pairing ? two_digits(pair->pairing->correlation) : "-",
                          saved ? two_digits(pair->pairing->seeds_factor) + " x" : "-",
                          pair->seeds_needed > 0 ? std::to_string(pair->seeds_needed) : "-"});
  }
  return sheet;
}

std::string median_text(const compare::Reach& reach) {
  if (reach.runs == 0) return "-";
  const auto end = [](const std::optional<double>& value) { return value ? whole(*value) : std::string("open"); };
  if (!reach.median.time) return "not reached by half";
  return whole(*reach.median.time) + " [" + end(reach.median.low) + ", " + end(reach.median.high) + "]";
}

std::string reached_text(const compare::Reach& reach) {
  return std::to_string(reach.reached) + "/" + std::to_string(reach.runs);
}

std::string one_digit(const std::optional<double>& value) { return value ? base::fixed(*value, 1) : "-"; }

// Restricted mean, its difference to the baseline, log-rank p.
void add_way(const compare::Reach& reach, const std::optional<compare::Convergence>& compared, Row& row) {
  row.push_back(one_digit(reach.restricted));
  const bool restricted = compared && compared->restricted;
  row.push_back(restricted ? base::fixed(compared->restricted->difference, 1) + " [" +
                                 base::fixed(compared->restricted->interval.low, 1) + ", " +
                                 base::fixed(compared->restricted->interval.high, 1) + "]"
                           : "-");
  row.push_back(compared ? p_text(compared->p_log_rank) : "-");
}

Sheet to_threshold(const Comparison& comparison, std::span<const ArmSummary> arms) {
  Sheet sheet = sheet_of("to " + level_text(comparison.metric, *arms.front().threshold),
                         {"arm", "reached", "median steps, 95 % CI", "tokens", "seconds", "restricted mean",
                          "difference, 95 % CI", "log-rank p"});
  for (const ArmSummary& arm : arms) {
    Row row{arm.arm, reached_text(arm.steps_reach), median_text(arm.steps_reach),
            arm.tokens_reach.median.time ? whole(*arm.tokens_reach.median.time) : "-",
            one_digit(arm.seconds_reach.median.time)};
    const Pair* pair = pair_of(comparison, arm);
    add_way(arm.steps_reach, pair == nullptr ? std::nullopt : pair->convergence, row);
    sheet.rows.push_back(std::move(row));
  }
  return sheet;
}

Sheet off_plateau(const Comparison& comparison, std::span<const ArmSummary> arms) {
  Sheet sheet = sheet_of("off the unigram plateau", {"arm", "left", "median steps, 95 % CI", "restricted mean",
                                                     "difference, 95 % CI", "log-rank p"});
  for (const ArmSummary& arm : arms) {
    if (arm.leaving.empty()) continue;
    Row row{arm.arm, reached_text(arm.leaving_reach), median_text(arm.leaving_reach)};
    const Pair* pair = pair_of(comparison, arm);
    add_way(arm.leaving_reach, pair == nullptr ? std::nullopt : pair->leaving, row);
    sheet.rows.push_back(std::move(row));
  }
  return sheet;
}

Sheet mean_heights(const Comparison& comparison, std::span<const ArmSummary> arms) {
  Sheet sheet = sheet_of("mean height of the " + comparison.metric + " curve, against " + comparison.baseline,
                         {"arm", "difference", "95 % CI", "p"});
  for (const ArmSummary& arm : arms)
    if (const Pair* pair = pair_of(comparison, arm); pair != nullptr && pair->height)
      sheet.rows.push_back({arm.arm, signed_number(pair->height->difference), interval_text(pair->height->ci95),
                            p_text(pair->height->p)});
  return sheet;
}

Sheet stochastic_order(const Comparison& comparison, std::span<const ArmSummary> arms) {
  Sheet sheet =
      sheet_of("almost stochastic order over " + comparison.baseline, {"arm", "violation", "upper bound", "dominates"});
  for (const ArmSummary& arm : arms)
    if (const Pair* pair = pair_of(comparison, arm); pair != nullptr && pair->dominance)
      sheet.rows.push_back({arm.arm, number(pair->dominance->violation), number(pair->dominance->upper_bound),
                            pair->dominance->upper_bound < compare::kDominanceBorder ? "yes" : "not shown"});
  return sheet;
}

Sheet over_examples(const Comparison& comparison, std::span<const ArmSummary> arms) {
  Sheet sheet = sheet_of("over seeds and evaluation examples",
                         {"arm", "examples", "difference", "95 % CI", "p", "std: seeds", "std: examples", "McNemar p"});
  for (const ArmSummary& arm : arms) {
    const Pair* pair = pair_of(comparison, arm);
    if (pair == nullptr || !pair->examples) continue;
    const compare::OverExamples& over = *pair->examples;
    Row row{arm.arm, std::to_string(over.examples)};
    if (over.resampled)
      row.insert(row.end(), {signed_number(over.resampled->difference), interval_text(over.resampled->interval),
                             p_text(over.resampled->p), number(over.resampled->seeds_stddev),
                             number(over.resampled->examples_stddev), "-"});
    else
      row.insert(row.end(), {signed_number(pair->difference), "-", "-", "-", "-",
                             over.mcnemar ? p_text(over.mcnemar->exact_p) : "-"});
    sheet.rows.push_back(std::move(row));
  }
  return sheet;
}

}  // namespace

const compare::Pair* pair_of(const Comparison& comparison, const ArmSummary& arm) {
  for (const Pair& pair : comparison.pairs)
    if (pair.arm == arm.arm && pair.settings == arm.settings) return &pair;
  return nullptr;
}

std::string interval_text(const std::optional<compare::Interval>& interval) {
  if (!interval) return "-";
  const auto end = [](double value) {
    return std::isfinite(value) ? signed_number(value) : std::string(value > 0 ? "inf" : "-inf");
  };
  return "[" + end(interval->low) + ", " + end(interval->high) + "]";
}

std::vector<Sheet> detail_sheets(const Comparison& comparison, std::span<const ArmSummary> arms) {
  std::vector<Sheet> sheets{spread(arms), paired(comparison, arms)};
  if (arms.front().threshold) sheets.push_back(to_threshold(comparison, arms));
  sheets.insert(sheets.end(), {off_plateau(comparison, arms), mean_heights(comparison, arms),
                               stochastic_order(comparison, arms), over_examples(comparison, arms)});
  std::erase_if(sheets, [](const Sheet& sheet) { return sheet.rows.size() < 2; });
  return sheets;
}

std::vector<Grid> statistics_grids(const View& view) {
  const Comparison& comparison = view.study.comparison;
  std::vector<Grid> grids;
  for (std::size_t p = 0; p < view.points.size(); ++p) {
    const std::string where = point_title(view, p);
    const std::span<const ArmSummary> arms(&comparison.arms[view.points[p].front()], view.points[p].size());
    for (Sheet& sheet : detail_sheets(comparison, arms)) {
      const std::vector<Row> rows(sheet.rows.begin() + 1, sheet.rows.end());
      grids.push_back({sheet.caption + (where.empty() ? "" : ", " + where), "", sheet.rows.front(), rows, sheet.right});
    }
  }
  return grids;
}

}  // namespace initlab::report
