#include "train/stop.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/error.hpp"
#include "base/text.hpp"

namespace initlab::train {
namespace {

std::string not_finite(const char* what, double value, std::int64_t step) {
  return std::string(what) + " is " + base::number_text(value) + " at step " + std::to_string(step);
}

}  // namespace

std::size_t hopeless_metric(const config::TrainingConfig& training, const data::TaskData& data) {
  const std::vector<std::string>& names = data.info.metrics;
  const std::string wanted = training.stop.hopeless.metric.value_or(names.front());
  const auto found = std::ranges::find(names, wanted);
  if (found == names.end())
    throw base::Error({training.place, "training.stop.hopeless.metric",
                       "one of " + base::join(names, ", ") + ", which " + data.info.name + " has", base::quote(wanted),
                       base::did_you_mean(wanted, names)});
  const auto metric = static_cast<std::size_t>(found - names.begin());
  if (metric >= data.constant_class.size() || !std::isfinite(data.constant_class[metric]))
    throw base::Error({training.place, "training.stop.hopeless.metric", "a metric that a constant answer has",
                       base::quote(wanted), ""});
  return metric;
}

std::int64_t hopeless_step(const config::TrainingConfig& training, std::int64_t steps) {
  const std::int64_t after = *training.stop.hopeless.after, every = training.evaluate.every.value_or(0);
  const std::int64_t step = every == 0 ? 0 : (after + every - 1) / every * every;
  if (every == 0 || (!training.seconds && step >= steps))
    throw base::Error(
        {training.place, "training.stop.hopeless.after",
         "a step with an evaluation at or after it, before the last of " + std::to_string(steps) + " steps",
         std::to_string(after),
         every == 0 ? "set training.evaluate.every" : "evaluations are made every " + std::to_string(every)});
  return step;
}

StopRules::StopRules(const config::TrainingConfig& training, const data::TaskData& data)
    : stop_(training.stop),
      data_(data),
      metric_(training.stop.hopeless.after ? hopeless_metric(training, data) : 0),
      best_(-std::numeric_limits<double>::infinity()) {}

std::string StopRules::failure(const record::StepRecord& step) {
  if (!std::isfinite(step.loss)) return not_finite("loss", step.loss, step.step);
  if (!std::isfinite(step.grad_norm)) return not_finite("gradient norm", step.grad_norm, step.step);
  return stop_.diverged ? divergence(step) : std::string();
}

std::string StopRules::divergence(const record::StepRecord& step) {
  losses_[static_cast<std::size_t>((step.step - 1) % kDivergenceWindow)] = step.loss;
  if (step.step < kDivergenceWindow) return {};
  const double mean = std::accumulate(losses_.begin(), losses_.end(), 0.0) / kDivergenceWindow;
  if (step.step == kDivergenceWindow) first_ = mean;
  if (mean <= *stop_.diverged * first_) return {};
  return "diverged: the mean loss of the " + std::to_string(kDivergenceWindow) + " steps up to " +
         std::to_string(step.step) + " is " + base::number_text(mean) + ", more than " +
         base::number_text(*stop_.diverged) + " times that of the first ones (" + base::number_text(first_) + ")";
}

std::string StopRules::hopeless(const record::EvalRecord& eval) {
  const config::HopelessConfig& rule = stop_.hopeless;
  if (!rule.after) return {};
  if (std::isfinite(eval.metrics[metric_])) best_ = std::max(best_, eval.metrics[metric_]);
  if (eval.step < *rule.after) return {};
  const double constant = data_.constant_class[metric_];
  if (best_ > constant + rule.margin) return {};
  const std::string& name = data_.info.metrics[metric_];
  return "hopeless: no evaluation up to step " + std::to_string(eval.step) + " has " + name + " above " +
         base::number_text(constant + rule.margin) +
         (rule.margin == 0 ? ", the constant class's"
                           : ", the constant class's " + base::number_text(constant) + " and the margin");
}

}  // namespace initlab::train
