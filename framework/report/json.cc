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

template <class Set>
Json ends(const std::optional<Set>& set) {
  return set ? Json::array({number_or_null(set->low), number_or_null(set->high)}) : Json::array({nullptr, nullptr});
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
  object["verdict"] = verdict(comparison, pair);
  return object;
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
  object["notes"] = comparison.notes;
  return object;
}

}  // namespace initlab::report
