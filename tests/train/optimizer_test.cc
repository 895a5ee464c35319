// Adam against its readable twin, element by element, for both forms.
#include "train/optimizer.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "base/random.hpp"
#include "compute/adam.hpp"
#include "compute/reference/adam.hpp"

namespace initlab::train {
namespace {

params::ParameterTable small_table() {
  params::ParameterTable table;
  table.add("a.weight", params::Role::matrix, {37, 11}, -1, false);
  table.add("a.bias", params::Role::bias, {37}, -1, false);
  table.add("n.weight", params::Role::norm_scale, {5}, -1, false);
  table.add("e.weight", params::Role::embedding, {13, 3}, -1, false);
  return table;
}

void expect_follows_the_twin(const std::string& name, const std::string& decay_to = "zero") {
  const params::ParameterTable table = small_table();
  const double rate = 0.01, scale = 0.5;
  config::TrainingConfig training;
  config::OptimizerConfig& config = training.optimizer;
  config.name = name;
  config.learning_rate = rate;
  config.weight_decay = 0.1;
  config.weight_decay_to = decay_to;
  const base::Stream stream(3, "optimizer");
  const auto n = static_cast<std::size_t>(table.size());
  std::vector<float> values(n), gradients(n), initial(n);
  for (std::size_t i = 0; i < n; ++i) values[i] = static_cast<float>(stream.normal(i));
  for (std::size_t i = 0; i < n; ++i) initial[i] = static_cast<float>(stream.normal(100'000 + i));
  Adam adam(training, table, initial);
  std::vector<compute::reference::AdamElement> twin(n);
  for (std::size_t i = 0; i < n; ++i) twin[i] = {values[i], 0, 0};
  const int steps = 20;
  for (int t = 1; t <= steps; ++t) {
    for (std::size_t i = 0; i < n; ++i)
      gradients[i] = static_cast<float>(stream.normal(1000 * static_cast<std::uint64_t>(t) + i));
    std::vector<float> kept = gradients;
    adam.step(values, gradients, 1, scale);
    for (const params::Parameter& p : table.all()) {
      compute::AdamStep step;
      step.bias_corrected = name == "adamw";
      step.learning_rate = rate;
      step.weight_decay = p.decays() ? config.weight_decay : 0;
      step.correction1 = 1 - std::pow(config.beta1, t);
      step.correction2 = 1 - std::pow(config.beta2, t);
      step.gradient_scale = scale;
      for (std::int64_t i = p.offset; i < p.offset + p.size; ++i) {
        const auto k = static_cast<std::size_t>(i);
        twin[k] = compute::reference::adam_update(step, twin[k], kept[k], decay_to == "zero" ? 0 : initial[k]);
        EXPECT_EQ(gradients[k], 0.0f);
      }
    }
  }
  for (std::size_t i = 0; i < n; ++i) {
    // Each step rounds the value (eps/2 of its size) and the update (a few eps of at most rate * (1 + wd) in size;
    // near-zero second moments cannot occur here).
    const double eps = 1.2e-7;
    const double tolerance = steps * (eps * std::fabs(twin[i].value) + 16 * eps * rate * 10);
    EXPECT_NEAR(values[i], twin[i].value, tolerance) << name << " element " << i;
  }
}

TEST(Adam, FollowsTheTwinAsAdamW) { expect_follows_the_twin("adamw"); }
TEST(Adam, FollowsTheTwinAsBertAdam) { expect_follows_the_twin("bert_adam"); }

TEST(Adam, FollowsTheTwinAsAdamWDecayingToTheInitialValues) { expect_follows_the_twin("adamw", "initial"); }
TEST(Adam, FollowsTheTwinAsBertAdamDecayingToTheInitialValues) { expect_follows_the_twin("bert_adam", "initial"); }

// Without a gradient, decay to the initial values leaves them as they are, bit for bit, and brings others back.
TEST(Adam, InitialValuesAreTheFixedPointOfDecayToThem) {
  for (const std::string name : {"adamw", "bert_adam"}) {
    const params::ParameterTable table = small_table();
    config::TrainingConfig training;
    training.optimizer = {.name = name, .learning_rate = 0.1, .weight_decay = 0.5, .weight_decay_to = "initial"};
    const auto n = static_cast<std::size_t>(table.size());
    std::vector<float> initial(n), gradients(n, 0.0f);
    for (std::size_t i = 0; i < n; ++i) initial[i] = static_cast<float>(base::Stream(4, "initial").normal(i));
    std::vector<float> values = initial;
    Adam adam(training, table, initial);
    for (int t = 0; t < 10; ++t) adam.step(values, gradients, 1, 1);
    EXPECT_EQ(values, initial) << name;
    for (float& value : values) value += 1;
    for (int t = 0; t < 10; ++t) adam.step(values, gradients, 1, 1);
    for (const params::Parameter& p : table.all())
      for (auto i = static_cast<std::size_t>(p.offset); i < static_cast<std::size_t>(p.offset + p.size); ++i)
        EXPECT_NEAR(values[i] - initial[i], p.decays() ? std::pow(1 - 0.1 * 0.5, 10) : 1, 2e-5)
            << name << " " << p.name;
  }
}

TEST(Adam, FirstStepOfAdamWIsTheSignedRate) {
  params::ParameterTable table;
  table.add("b.bias", params::Role::bias, {2}, -1, false);
  config::TrainingConfig training;
  training.optimizer.learning_rate = 0.02;
  Adam adam(training, table);
  std::vector<float> values = {1, 1}, gradients = {0.3f, -7};
  adam.step(values, gradients, 0.5, 1);
  EXPECT_NEAR(values[0], 0.99, 1e-6);
  EXPECT_NEAR(values[1], 1.01, 1e-6);
}

TEST(Norm, EqualsTheSumAndClips) {
  params::ParameterTable table;
  table.add("a.weight", params::Role::matrix, {1000, 100}, -1, false);
  Adam adam({}, table);
  const std::vector<float> x(100000, 0.01f);
  EXPECT_NEAR(adam.norm(x), std::sqrt(100000.0) * static_cast<double>(0.01f), 1e-12);
  EXPECT_DOUBLE_EQ(clip_factor(2.0, 1.0), 1.0 / (2.0 + 1e-6));
  EXPECT_DOUBLE_EQ(clip_factor(0.5, 1.0), 1.0);
  EXPECT_DOUBLE_EQ(clip_factor(1e9, 0.0), 1.0);
}

}  // namespace
}  // namespace initlab::train
