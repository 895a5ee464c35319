// 100 steps with every optimization against 100 steps of the plain trainer, and each switched off alone; bf16 against
// f32.
//
// How far two curves may part is measured, not guessed: training amplifies rounding, so the plain trainer runs again
// from weights that are moved by one rounding each, and the distance that this makes is what kernels with other
// roundings, a few dozen a step, may make several times over.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "compute/gemm.hpp"
#include "compute/testing.hpp"
#include "golden/switches.hpp"
#include "train/task.hpp"
#include "train/trainer.hpp"

namespace initlab::train {
namespace {

using golden::KernelsFor;
using golden::training_without;

constexpr std::int64_t kSteps = 100;
constexpr double kRoundings = 32;  // of a weight's way through a step, beside the one that the measure makes

// A world of its own: 60-odd sequences of a few dozen tokens, so that a batch has rows enough for every path.
config::TrainingConfig long_training(const std::string& without) {
  config::TrainingConfig training = training_without(without);
  training.steps = kSteps;
  training.batch = 64;
  training.max_length = 32;
  training.dropout = 0.1;
  training.optimizer.learning_rate = 5e-4;
  return training;
}

data::BatchStream stream_of(config::HeadKind head) {
  constexpr std::int32_t kWords = 500;
  auto task = std::make_shared<data::TaskData>();
  config::TaskConfig config;
  config.name = head == config::HeadKind::mlm ? "mlm" : "sentiment";
  task->info = data::task_info(config);
  task->special = {.pad = 0, .unk = 1, .cls = 2, .sep = 3, .mask = 4};
  task->vocabulary = kWords;
  task->constant_class = {0};
  const base::Stream words(9, "words");
  for (std::uint64_t e = 0; e < 160; ++e) {
    data::Example example;
    example.label = static_cast<std::int32_t>(e % 2);
    const auto length = 12 + static_cast<std::int32_t>(e % 9);
    example.ids.push_back(2);
    for (std::int32_t t = 1; t + 1 < length; ++t) {
      const auto pick = static_cast<std::int32_t>(words.uniform(e * 64 + static_cast<std::uint64_t>(t)) * 240);
      example.ids.push_back(5 + 2 * pick + (t % 3 == 0 ? example.label : 0));  // a third of the words tell the class
    }
    example.ids.push_back(3);
    example.types.assign(example.ids.size(), 0);
    (e < 128 ? task->train : task->eval).push_back(example);
  }
  config::Seeds seeds;
  seeds.order = 1;
  seeds.mask = 2;
  return {task, 64, config, seeds};
}

// The losses, from weights that are moved by `move` times one rounding, up or down at random.
std::vector<double> losses(config::HeadKind head, const config::TrainingConfig& training, double move = 0) {
  const KernelsFor kernels(training);
  const data::BatchStream batches = stream_of(head);
  config::ModelConfig model;
  model.layers = 2;
  model.hidden = 64;
  model.heads = 4;
  model.intermediate = 128;
  model.vocabulary = 500;
  model.max_positions = 32;
  model::Bert bert(model, head, 2,
                   {batches.most_tokens(), batches.most_sequences(), batches.most_predictions(), batches.longest()},
                   model::options_of(training));
  for (const params::Parameter& p : bert.parameters().all()) {
    const auto drawn = testing_tools::random_values(p.size, p.name, p.decays() ? 0.05 : 0);
    const auto signs = testing_tools::random_values(p.size, p.name + "/sign");
    for (std::int64_t i = 0; i < p.size; ++i) {
      const auto at = static_cast<std::size_t>(i);
      const double value = static_cast<double>(drawn[at]) + (p.role == params::Role::norm_scale ? 1 : 0);
      const double factor = 1 + (signs[at] > 0 ? 2 : -2) * move * testing_tools::kEps;
      bert.values()[static_cast<std::size_t>(p.offset + i)] = static_cast<float>(value * factor);
    }
  }
  config::Seeds seeds;
  seeds.dropout = 3;
  Memory sink;
  run(training, seeds, batches, bert, sink, {});
  std::vector<double> result;
  for (const record::StepRecord& step : sink.steps) result.push_back(step.loss);
  return result;
}

double largest_difference(const std::vector<double>& a, const std::vector<double>& b) {
  EXPECT_EQ(a.size(), b.size());
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i) most = std::max(most, std::fabs(a[i] - b[i]));
  return most;
}

double mean_of_last(const std::vector<double>& x, std::size_t n) {
  double sum = 0;
  for (std::size_t i = x.size() - n; i < x.size(); ++i) sum += x[i];
  return sum / static_cast<double>(n);
}

class Curve : public testing::TestWithParam<config::HeadKind> {};

INSTANTIATE_TEST_SUITE_P(Heads, Curve, testing::Values(config::HeadKind::classifier, config::HeadKind::mlm),
                         [](const auto& info) { return std::string(config::to_text(info.param)); });

TEST_P(Curve, FollowsThePlainKernels) {
  const std::vector<double> plain = losses(GetParam(), long_training("everything"));
  ASSERT_EQ(plain.size(), static_cast<std::size_t>(kSteps));
  EXPECT_LT(mean_of_last(plain, 10), 0.97 * plain.front()) << "nothing was learned: the comparison says little";
  const double moved = largest_difference(losses(GetParam(), long_training("everything"), 1), plain);
  ASSERT_GT(moved, 0) << "a rounding of every weight does not show";
  ASSERT_LT(moved, 1e-2) << "training amplifies rounding too much for a comparison";
  for (const std::string& name : golden::switches()) {
    if (name == "everything") continue;
    EXPECT_LT(largest_difference(losses(GetParam(), long_training(name)), plain), kRoundings * moved)
        << "without " << name;
  }
}

TEST_P(Curve, RepeatsItsBits) {
  EXPECT_EQ(losses(GetParam(), long_training("nothing")), losses(GetParam(), long_training("nothing")));
}

// bf16 moves each step by more than another order of sums does, but learns the same: the end of the curve is as low,
// within what another 2^-9 on every weight would make of it.
TEST_P(Curve, Bf16LearnsAsF32) {
  if (!compute::has_bf16_products()) GTEST_SKIP() << "skipped: this CPU has no bf16 products";
  config::TrainingConfig training = long_training("nothing");
  const std::vector<double> f32 = losses(GetParam(), training);
  const std::vector<double> moved = losses(GetParam(), training, 0x1p-9 / testing_tools::kEps);
  training.precision = "bf16";
  const std::vector<double> bf16 = losses(GetParam(), training);
  EXPECT_NE(bf16, f32);
  EXPECT_NEAR(bf16.front(), f32.front(), 0x1p-6 * f32.front());
  const double spread = std::max(std::fabs(mean_of_last(moved, 20) - mean_of_last(f32, 20)), 0x1p-9);
  EXPECT_NEAR(mean_of_last(bf16, 20), mean_of_last(f32, 20), 8 * spread);
}

}  // namespace
}  // namespace initlab::train
