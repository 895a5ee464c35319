#include "compare/tuning.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/error.hpp"
#include "base/text.hpp"
#include "compare/groups.hpp"

namespace initlab::compare {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kTie = 1e-10;

double rate_of(const record::Run& run) {
  const base::Json settings = base::parse_json(run.header.settings, run.file);
  const auto rate = settings.is_object() ? settings.find("training.optimizer.learning_rate") : settings.end();
  if (run.header.role != record::kTuningRole || rate == settings.end() || !rate->is_number())
    throw base::Error({run.file, "settings", "a tuning run's learning rate", base::quote(run.header.settings), ""});
  return rate->get<double>();
}

double mean_of(const Trial& trial) {
  const bool diverged =
      std::any_of(trial.values.begin(), trial.values.end(), [](double value) { return !std::isfinite(value); });
  return diverged ? kNaN : mean(trial.values);
}

base::Json number_or_null(double value) { return std::isfinite(value) ? base::Json(value) : base::Json(nullptr); }
double number_or_nan(const base::Json& value) { return value.is_null() ? kNaN : value.get<double>(); }

}  // namespace

double choose_rate(std::span<const Trial> trials, bool higher_is_better) {
  const Trial* best = &trials.front();
  for (const Trial& trial : trials) {
    if (!std::isfinite(trial.mean)) continue;
    const double gain = higher_is_better ? trial.mean - best->mean : best->mean - trial.mean;
    if (!std::isfinite(best->mean) || gain > kTie) best = &trial;
  }
  return best->learning_rate;
}

Tuning choose(std::span<const record::Run> runs, const std::string& metric, const std::string& better, double share) {
  Tuning tuning{metric, better, share, {}, 0};
  const Measure measure{metric, better == "higher", {}};
  std::map<double, std::map<std::int64_t, double>> values;  // rate -> replicate -> value
  for (const record::Run& run : runs) {
    const Outcome result = outcome(run, measure);
    values[rate_of(run)][run.header.replicate] = result.kind == Outcome::Kind::value ? result.value : kNaN;
  }
  for (const auto& [rate, by_replicate] : values) {
    Trial trial{rate, {}, kNaN};
    for (const auto& [replicate, value] : by_replicate) trial.values.push_back(value);
    trial.mean = mean_of(trial);
    tuning.trials.push_back(std::move(trial));
  }
  tuning.learning_rate = choose_rate(tuning.trials, measure.higher_is_better);
  return tuning;
}

base::Json to_json(const Tuning& tuning) {
  base::Json object = base::Json::object();
  object["learning_rate"] = tuning.learning_rate;
  object["metric"] = tuning.metric;
  object["better"] = tuning.better;
  object["share"] = tuning.share;
  object["trials"] = base::Json::array();
  for (const Trial& trial : tuning.trials) {
    base::Json values = base::Json::array();
    for (const double value : trial.values) values.push_back(number_or_null(value));
    object["trials"].push_back(
        {{"learning_rate", trial.learning_rate}, {"values", values}, {"mean", number_or_null(trial.mean)}});
  }
  return object;
}

std::optional<Tuning> tuning_of(const record::Run& run) {
  if (run.header.tuning.empty()) return std::nullopt;
  const base::Json object = base::parse_json(run.header.tuning, run.file);
  try {
    Tuning tuning{object.at("metric").get<std::string>(),
                  object.at("better").get<std::string>(),
                  object.at("share").get<double>(),
                  {},
                  object.at("learning_rate").get<double>()};
    for (const base::Json& item : object.at("trials")) {
      Trial trial{item.at("learning_rate").get<double>(), {}, number_or_nan(item.at("mean"))};
      for (const base::Json& value : item.at("values")) trial.values.push_back(number_or_nan(value));
      tuning.trials.push_back(std::move(trial));
    }
    if (tuning.trials.empty())
      throw base::Error({run.file, "/provenance/tuning", "at least one learning rate that was tried", "none", ""});
    return tuning;
  } catch (const base::Json::exception& error) {
    throw base::Error({run.file, "/provenance/tuning", "how a learning rate was chosen", error.what(), ""});
  }
}

}  // namespace initlab::compare
