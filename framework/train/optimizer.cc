#include "train/optimizer.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "compute/adam.hpp"
#include "compute/vector.hpp"

namespace initlab::train {

double global_norm(std::span<const float> gradients) {
  return std::sqrt(compute::sum_of_squares(static_cast<std::int64_t>(gradients.size()), gradients.data()));
}

double clip_factor(double norm, double clip) { return clip > 0 ? std::min(1.0, clip / (norm + 1e-6)) : 1.0; }

Adam::Adam(const config::TrainingConfig& training, const params::ParameterTable& table, std::span<const float> initial)
    : config_(training.optimizer),
      groups_(update_groups(training, table)),
      first_(static_cast<std::size_t>(table.size()), 0.0f),
      second_(static_cast<std::size_t>(table.size()), 0.0f) {
  if (config_.weight_decay_to != "initial") return;
  assert(initial.size() == first_.size());
  anchor_ = initial;
}

void Adam::step(std::span<float> values, std::span<float> gradients, double rate_factor, double gradient_scale) {
  ++steps_;
  const auto t = static_cast<double>(steps_);
  compute::AdamStep step;
  step.bias_corrected = config_.name == "adamw";
  step.beta1 = config_.beta1;
  step.beta2 = config_.beta2;
  step.epsilon = config_.epsilon;
  step.correction1 = 1 - std::pow(config_.beta1, t);
  step.correction2 = 1 - std::pow(config_.beta2, t);
  step.gradient_scale = gradient_scale;
  clear_frozen(groups_, gradients);
  for (const Group& group : groups_) {
    if (group.frozen) continue;
    step.learning_rate = group.learning_rate * rate_factor;
    step.weight_decay = group.weight_decay;
    const bool to_anchor = group.weight_decay != 0 && !anchor_.empty();
    compute::adam_update(step, values.subspan(group.begin, group.count), gradients.subspan(group.begin, group.count),
                         std::span(first_).subspan(group.begin, group.count),
                         std::span(second_).subspan(group.begin, group.count),
                         to_anchor ? anchor_.subspan(group.begin, group.count) : std::span<const float>{});
  }
}

}  // namespace initlab::train
