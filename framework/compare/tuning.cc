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

// NaN where one is no finite number.
double finite_mean(std::span<const double> values) {
  const bool finite = std::ranges::all_of(values, [](double value) { return std::isfinite(value); });
  return finite ? mean(values) : kNaN;
}

base::Json number_or_null(double value) { return std::isfinite(value) ? base::Json(value) : base::Json(nullptr); }
double number_or_nan(const base::Json& value) { return value.is_null() ? kNaN : value.get<double>(); }

}  // namespace

double choose_rate(std::span<const Trial> trials, bool higher_is_better) {
  const Trial* best = &trials.front();
  for (const Trial& trial : trials) {
    if (!std::isfinite(trial.mean)) continue;
    const double gain = higher_is_better ? trial.mean - best->mean : best->mean - trial.mean;
    const bool tie_won = std::abs(gain) <= kTie && best->loss - trial.loss > kTie;  // false where a loss is not known
    if (!std::isfinite(best->mean) || gain > kTie || tie_won) best = &trial;
  }
  return best->learning_rate;
}

Tuning choose(std::span<const record::Run> runs, const std::string& metric, const std::string& better, double share) {
  Tuning tuning{metric, better, share, {}, 0};
  const Measure measure{metric, better == "higher", {}};
  std::map<double, std::map<std::int64_t, const record::Run*>> by_rate;  // rate -> replicate -> run
  for (const record::Run& run : runs) by_rate[rate_of(run)][run.header.replicate] = &run;
  for (const auto& [rate, by_replicate] : by_rate) {
    Trial trial{.learning_rate = rate, .values = {}};
    std::vector<double> losses;
    for (const auto& [replicate, run] : by_replicate) {
      const Outcome result = outcome(*run, measure);
      trial.values.push_back(result.kind == Outcome::Kind::value ? result.value : kNaN);
      losses.push_back(run->evals.empty() ? kNaN : run->evals.back().loss);
    }
    trial.mean = finite_mean(trial.values);
    trial.loss = finite_mean(losses);
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
    object["trials"].push_back({{"learning_rate", trial.learning_rate},
                                {"values", values},
                                {"mean", number_or_null(trial.mean)},
                                {"loss", number_or_null(trial.loss)}});
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
      if (item.contains("loss")) trial.loss = number_or_nan(item.at("loss"));  // older files have none
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
