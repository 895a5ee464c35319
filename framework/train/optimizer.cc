#include "train/optimizer.hpp"

#include <algorithm>
#include <cmath>

#include "compute/adam.hpp"
#include "compute/vector.hpp"

namespace initlab::train {

double global_norm(std::span<const float> gradients) {
  return std::sqrt(compute::sum_of_squares(static_cast<std::int64_t>(gradients.size()), gradients.data()));
}

double clip_factor(double norm, double clip) { return clip > 0 ? std::min(1.0, clip / (norm + 1e-6)) : 1.0; }

Adam::Adam(const config::OptimizerConfig& config, const params::ParameterTable& table)
    : config_(config),
      table_(&table),
      first_(static_cast<std::size_t>(table.size()), 0.0f),
      second_(static_cast<std::size_t>(table.size()), 0.0f) {}

void Adam::step(std::span<float> values, std::span<float> gradients, double learning_rate, double gradient_scale) {
  ++steps_;
  const auto t = static_cast<double>(steps_);
  compute::AdamStep step;
  step.bias_corrected = config_.name == "adamw";
  step.learning_rate = learning_rate;
  step.beta1 = config_.beta1;
  step.beta2 = config_.beta2;
  step.epsilon = config_.epsilon;
  step.correction1 = 1 - std::pow(config_.beta1, t);
  step.correction2 = 1 - std::pow(config_.beta2, t);
  step.gradient_scale = gradient_scale;
  // Neighbours of one decay group are updated as one range.
  const auto& all = table_->all();
  for (std::size_t i = 0; i < all.size();) {
    std::size_t j = i;
    while (j < all.size() && all[j].decays() == all[i].decays()) ++j;
    const auto begin = static_cast<std::size_t>(all[i].offset);
    const auto count = static_cast<std::size_t>(all[j - 1].offset + all[j - 1].size) - begin;
    step.weight_decay = all[i].decays() ? config_.weight_decay : 0;
    compute::adam_update(step, values.subspan(begin, count), gradients.subspan(begin, count),
                         std::span(first_).subspan(begin, count), std::span(second_).subspan(begin, count));
    i = j;
  }
}

}  // namespace initlab::train
