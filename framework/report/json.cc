#include <cmath>

#include "report/report.hpp"

namespace initlab::report {
namespace {

using base::Json;

Json number_or_null(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

template <class T>
Json value_or_null(const std::optional<T>& value) {
  if constexpr (std::is_floating_point_v<T>) return value ? number_or_null(*value) : Json(nullptr);
  return value ? Json(*value) : Json(nullptr);
}

Json settings_object(const compare::Settings& settings) {
  Json object = Json::object();
  for (const auto& [path, value] : settings) object[path] = value;
  return object;
}

template <class Set>
Json ends(const std::optional<Set>& set) {
  return set ? Json::array({number_or_null(set->low), number_or_null(set->high)}) : Json::array({nullptr, nullptr});
}

Json numbers(std::span<const double> values) {
  Json array = Json::array();
  for (const double value : values) array.push_back(number_or_null(value));
  return array;
}

Json reach_object(const compare::Reach& reach) {
  return {{"runs", reach.runs},
          {"reached", reach.reached},
          {"median", value_or_null(reach.median.time)},
          {"median_ci95", Json::array({value_or_null(reach.median.low), value_or_null(reach.median.high)})},
          {"horizon", number_or_null(reach.horizon)},
          {"restricted_mean", value_or_null(reach.restricted)},
          {"restricted_mean_ci95", ends(reach.restricted_ci95)}};
}

Json observations(std::span<const compare::Observation> all) {
  Json array = Json::array();
  for (const compare::Observation& one : all)
    array.push_back({{"time", number_or_null(one.time)}, {"reached", one.reached}});
  return array;
}

Json effect_object(const std::optional<compare::EffectSize>& effect) {
  if (!effect) return nullptr;
  return {{"value", number_or_null(effect->value)},
          {"ci95", Json::array({number_or_null(effect->interval.low), number_or_null(effect->interval.high)})}};
}

Json mean_object(const compare::PairedMean& mean) {
  return {{"n", mean.n}, {"difference", number_or_null(mean.difference)}, {"ci95", ends(mean.ci95)}, {"p", mean.p}};
}

Json arm_object(const compare::ArmSummary& arm) {
  Json values = Json::array();
  for (const double value : arm.values) values.push_back(number_or_null(value));
  Json steps = Json::array();
  for (const auto& step : arm.steps_to_threshold) steps.push_back(value_or_null(step));
  Json object = Json::object();
  object["arm"] = arm.arm;
  object["settings"] = settings_object(arm.settings);
  object["n"] = arm.n;
  object["failed"] = arm.failed;
  object["mean"] = number_or_null(arm.mean);
  object["std"] = number_or_null(arm.stddev);
  object["values"] = std::move(values);
  object["replicates"] = arm.replicates;
  object["steps_to_threshold"] = std::move(steps);
  object["last_step"] = arm.last_step;
  object["unfinished"] = arm.unfinished;
  object["missing"] = arm.missing;
  object["degenerate"] = arm.degenerate;
  object["stopped"] = arm.stopped;
  object["median"] = number_or_null(arm.spread.median);
  object["iqm"] = number_or_null(arm.spread.interquartile_mean);
  object["min"] = number_or_null(arm.spread.min);
  object["max"] = number_or_null(arm.spread.max);
  object["best_of"] = numbers(arm.best_of);
  object["ci95"] = ends(arm.ci95);
  object["sign_flip_ci95"] = ends(arm.sign_flip_ci95);
  object["bootstrap_ci95"] = ends(arm.bootstrap_ci95);
  object["threshold"] = value_or_null(arm.threshold);
  if (arm.threshold) {
    object["steps"] = reach_object(arm.steps_reach);
    object["tokens"] = reach_object(arm.tokens_reach);
    object["seconds"] = reach_object(arm.seconds_reach);
    object["ways"] = {{"steps", observations(arm.steps)},
                      {"tokens", observations(arm.tokens)},
                      {"seconds", observations(arm.seconds)}};
  }
  if (!arm.leaving.empty()) {
    object["off_plateau"] = reach_object(arm.leaving_reach);
    object["off_plateau"]["ways"] = observations(arm.leaving);
  }
  object["mean_heights"] = Json::array();
  for (const auto& height : arm.heights) object["mean_heights"].push_back(value_or_null(height));
  object["tuning"] = arm.tuning ? compare::to_json(*arm.tuning) : Json(nullptr);
  return object;
}

const char* to_text(compare::RatioSet::Kind kind) {
  switch (kind) {
    case compare::RatioSet::Kind::interval:
      return "interval";
    case compare::RatioSet::Kind::outside:
      return "outside";
    case compare::RatioSet::Kind::everything:
      return "everything";
  }
  return "";
}

Json share_object(const compare::Comparison& comparison, const compare::Share& share) {
  Json object = Json::object();
  object["arm"] = share.arm;
  object["settings"] = settings_object(share.settings);
  object["n"] = share.n;
  object["replicates"] = share.replicates;
  object["share"] = number_or_null(share.share);
  object["ci95"] = ends(share.ci95);
  object["ci95_kind"] = share.ci95 ? Json(to_text(share.ci95->kind)) : Json(nullptr);
  object["gain"] = number_or_null(share.gain);
  object["gain_ci95"] = ends(share.gain_ci95);
  object["verdict"] = verdict(comparison, share);
  return object;
}

Json convergence_object(const compare::Convergence& convergence) {
  Json object = {
      {"p_log_rank", convergence.p_log_rank},
      {"log_rank", {{"statistic", number_or_null(convergence.log_rank.statistic)}, {"p", convergence.log_rank.p}}},
      {"restricted_mean", nullptr}};
  if (const auto& restricted = convergence.restricted)
    object["restricted_mean"] = {
        {"difference", number_or_null(restricted->difference)},
        {"ci95", Json::array({number_or_null(restricted->interval.low), number_or_null(restricted->interval.high)})},
        {"p", restricted->p}};
  return object;
}

Json examples_object(const compare::OverExamples& over) {
  Json object = {
      {"metric", over.metric}, {"examples", over.examples}, {"multi_bootstrap", nullptr}, {"mcnemar", nullptr}};
  if (const auto& resampled = over.resampled)
    object["multi_bootstrap"] = {
        {"difference", number_or_null(resampled->difference)},
        {"ci95", Json::array({number_or_null(resampled->interval.low), number_or_null(resampled->interval.high)})},
        {"p", resampled->p},
        {"std", number_or_null(resampled->stddev)},
        {"std_seeds", number_or_null(resampled->seeds_stddev)},
        {"std_examples", number_or_null(resampled->examples_stddev)}};
  if (const auto& test = over.mcnemar)
    object["mcnemar"] = {{"only_arm", over.only_arm},
                         {"only_baseline", over.only_baseline},
                         {"exact_p", test->exact_p},
                         {"mid_p", test->mid_p}};
  return object;
}

Json pair_object(const compare::Comparison& comparison, const compare::Pair& pair) {
  Json object = Json::object();
  object["arm"] = pair.arm;
  object["settings"] = settings_object(pair.settings);
  object["n"] = pair.n;
  object["replicates"] = pair.replicates;
  object["difference"] = number_or_null(pair.difference);
  object["deviation"] = number_or_null(pair.deviation);
  object["ci95"] = ends(pair.ci95);
  object["p_sign_flip"] = number_or_null(pair.p_sign_flip);
  object["p_holm"] = number_or_null(pair.p_holm);
  object["p_bh"] = number_or_null(pair.p_bh);
  object["differences"] = numbers(pair.differences);
  object["sign_flip_ci95"] = ends(pair.sign_flip_ci95);
  object["bootstrap_ci95"] = ends(pair.bootstrap_ci95);
  object["wilcoxon"] = {{"positive_ranks", pair.wilcoxon.positive_ranks},
                        {"n", pair.wilcoxon.n},
                        {"exact", pair.wilcoxon.exact},
                        {"p", pair.wilcoxon.p}};
  object["d_z"] = effect_object(pair.effect_size);
  object["probability_of_improvement"] = effect_object(pair.improvement);
  object["correlation"] = pair.pairing ? number_or_null(pair.pairing->correlation) : Json(nullptr);
  object["pairing_seeds_factor"] = pair.pairing ? number_or_null(pair.pairing->seeds_factor) : Json(nullptr);
  object["almost_stochastic_order"] =
      pair.dominance ? Json{{"violation", pair.dominance->violation}, {"upper_bound", pair.dominance->upper_bound}}
                     : Json(nullptr);
  object["seeds_needed"] = pair.seeds_needed > 0 ? Json(pair.seeds_needed) : Json(nullptr);
  object["convergence"] = pair.convergence ? convergence_object(*pair.convergence) : Json(nullptr);
  object["off_plateau"] = pair.leaving ? convergence_object(*pair.leaving) : Json(nullptr);
  object["mean_height"] = pair.height ? mean_object(*pair.height) : Json(nullptr);
  object["examples"] = pair.examples ? examples_object(*pair.examples) : Json(nullptr);
  object["verdict"] = verdict(comparison, pair);
  return object;
}

Json claim_object(const compare::Comparison& comparison, const compare::ClaimVerdict& claim) {
  using Kind = compare::ClaimVerdict::Kind;
  Json object = Json::object();
  object["kind"] = claim.kind == Kind::equal ? "equal" : claim.kind == Kind::better ? "better" : "order";
  object["ends"] = claim.ends;
  object["margin"] = claim.kind == Kind::equal ? Json(claim.margin) : Json(nullptr);
  object["settings"] = settings_object(claim.settings);
  object["statement"] = statement(comparison, claim);
  object["outcome"] = report::to_text(claim.outcome);
  object["links"] = Json::array();
  for (const compare::PairedMean& link : claim.links) object["links"].push_back(mean_object(link));
  object["ci90"] = ends(claim.ci90);
  object["p"] = claim.p;
  object["p_holm"] = claim.p_holm;
  object["reason"] = claim.reason.empty() ? Json(nullptr) : Json(claim.reason);
  object["seeds_needed"] = claim.seeds_needed > 0 ? Json(claim.seeds_needed) : Json(nullptr);
  object["verdict"] = verdict(comparison, claim);
  return object;
}

Json anchor_object(const compare::Anchor& anchor) {
  return {{"text", anchor.text},
          {"value", number_or_null(anchor.value)},
          {"source", anchor.source},
          {"arm", anchor.arm.empty() ? Json(nullptr) : Json(anchor.arm)},
          {"metric", anchor.metric}};
}

}  // namespace

Json to_json(const compare::Comparison& comparison) {
  Json object = Json::object();
  object["experiment"] = comparison.experiment;
  object["metric"] = comparison.metric;
  object["better"] = comparison.better;
  object["at"] = comparison.at;
  object["baseline"] = comparison.baseline;
  object["constant_class"] = value_or_null(comparison.constant_class);
  object["threshold"] = value_or_null(comparison.threshold);
  object["gain"] = comparison.gain ? Json{{"from", comparison.gain->from}, {"to", comparison.gain->to}} : Json(nullptr);
  object["arms"] = Json::array();
  for (const compare::ArmSummary& arm : comparison.arms) object["arms"].push_back(arm_object(arm));
  object["pairs"] = Json::array();
  for (const compare::Pair& pair : comparison.pairs) object["pairs"].push_back(pair_object(comparison, pair));
  object["shares"] = Json::array();
  for (const compare::Share& share : comparison.shares) object["shares"].push_back(share_object(comparison, share));
  object["threshold_of_baseline"] = comparison.threshold_of_baseline;
  object["alpha"] = comparison.alpha;
  object["claims"] = Json::array();
  for (const compare::ClaimVerdict& claim : comparison.claims)
    object["claims"].push_back(claim_object(comparison, claim));
  object["anchors"] = Json::array();
  for (const compare::Anchor& anchor : comparison.anchors) object["anchors"].push_back(anchor_object(anchor));
  object["notes"] = comparison.notes;
  return object;
}

}  // namespace initlab::report
