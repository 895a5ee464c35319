// The model against Hugging Face's BERT: logits, loss, every gradient tensor, and the losses of 50 AdamW steps.
// scripts/golden_bert.py makes the files; it computes in double, so what is measured here is our error alone.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "golden/golden_case.hpp"
#include "golden/switches.hpp"
#include "train/optimizer.hpp"
#include "train/schedule.hpp"

namespace initlab::golden {
namespace {

double norm(std::span<const float> x) {
  double sum = 0;
  for (const float v : x) sum += static_cast<double>(v) * static_cast<double>(v);
  return std::sqrt(sum);
}

double distance(std::span<const float> x, std::span<const float> y) {
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double d = static_cast<double>(x[i]) - static_cast<double>(y[i]);
    sum += d * d;
  }
  return std::sqrt(sum);
}

class Golden : public testing::TestWithParam<Switched> {
 protected:
  Golden() : training_(training_without(std::get<1>(GetParam()))), kernels_(training_) {}

  config::TrainingConfig training_;
  KernelsFor kernels_;
  const Case golden_{std::get<0>(GetParam())};
};

INSTANTIATE_TEST_SUITE_P(Cases, Golden,
                         testing::Combine(testing::Values("tiny_classifier", "tiny_regressor", "tiny_mlm",
                                                          "mini_classifier", "mini_mlm"),
                                          testing::ValuesIn(switches())),
                         switched_name);

TEST_P(Golden, LogitsAndLossAreHuggingFaces) {
  const auto bert = golden_.bert(model::options_of(training_));
  const batch::Batch batch = golden_.batch(0);
  const double loss = bert->forward(batch, {}) / golden_.count(batch);
  EXPECT_NEAR(loss, golden_.json["loss"].get<double>(), 1e-5 * golden_.json["loss"].get<double>());

  const auto expected = golden_.json["logits"].get<std::vector<float>>();
  std::vector<float> logits(bert->logits().begin(), bert->logits().end());
  if (golden_.head == config::HeadKind::mlm) {
    logits.resize(expected.size());
    bert->copy_mlm_logits(logits);
  }
  ASSERT_EQ(logits.size(), expected.size());
  EXPECT_LT(distance(logits, expected), 1e-4 * norm(expected));
  for (std::size_t i = 0; i < logits.size(); ++i) EXPECT_NEAR(logits[i], expected[i], 1e-4) << "logit " << i;
}

TEST_P(Golden, EveryGradientTensorIsHuggingFaces) {
  const auto bert = golden_.bert(model::options_of(training_));
  const batch::Batch batch = golden_.batch(0);
  bert->forward(batch, {});
  bert->backward(static_cast<float>(1 / golden_.count(batch)));

  double squares = 0;
  std::size_t in_file = 0;
  for (const checkpoint::TensorInfo& info : golden_.tensors.tensors()) {
    if (!info.key.starts_with("gradient/")) continue;
    ++in_file;
    const double n = norm(golden_.tensors.read(info));
    squares += n * n;
  }
  EXPECT_EQ(in_file, bert->parameters().all().size()) << "a tensor is missing on one side";
  const double global = std::sqrt(squares);
  ASSERT_GT(global, 0);
  for (const params::Parameter& p : bert->parameters().all()) {
    const std::vector<float> expected = golden_.gradient(p.name);
    ASSERT_EQ(static_cast<std::int64_t>(expected.size()), p.size) << p.name;
    const auto ours = bert->gradients().subspan(static_cast<std::size_t>(p.offset), static_cast<std::size_t>(p.size));
    EXPECT_LE(distance(ours, expected), 1e-4 * std::max(norm(expected), 1e-6 * global))
        << p.name << ": norm " << norm(expected) << ", ours " << norm(ours) << ", all " << global;
  }
}

using GoldenTraining = Golden;

INSTANTIATE_TEST_SUITE_P(Cases, GoldenTraining,
                         testing::Combine(testing::Values("tiny_classifier", "tiny_regressor", "tiny_mlm"),
                                          testing::ValuesIn(switches())),
                         switched_name);

TEST_P(GoldenTraining, FiftyAdamWStepsFollowPyTorch) {
  const auto bert = golden_.bert(model::options_of(training_));
  const base::Json& training = golden_.json["training"];
  const auto losses = training["losses"].get<std::vector<double>>();
  const auto norms = training["gradient_norms"].get<std::vector<double>>();
  config::TrainingConfig config = training_;
  config.optimizer.learning_rate = training["learning_rate"];
  config.optimizer.weight_decay = training["weight_decay"];
  const auto steps = training["steps"].get<std::int64_t>();
  config::ScheduleConfig schedule;
  schedule.warmup = training["warmup_steps"].get<double>() / static_cast<double>(steps);
  train::Adam optimizer(config, bert->parameters(), {}, train::word_rows(config, golden_.head));
  ASSERT_EQ(static_cast<std::int64_t>(losses.size()), steps);
  for (std::int64_t t = 0; t < steps; ++t) {
    const batch::Batch batch = golden_.batch(static_cast<std::size_t>(t) % golden_.batches());
    optimizer.expect(batch.ids, bert->values());
    const double loss = bert->forward(batch, {}) / golden_.count(batch);
    bert->backward(static_cast<float>(1 / golden_.count(batch)));
    const auto step = static_cast<std::size_t>(t);
    const double gradient = optimizer.norm(bert->gradients());
    EXPECT_NEAR(loss, losses[step], 1e-4 * losses[step]) << "step " << t;
    EXPECT_NEAR(gradient, norms[step], 1e-3 * norms[step]) << "step " << t;
    optimizer.step(bert->values(), bert->gradients(), train::rate_factor(schedule, t, steps),
                   train::clip_factor(gradient, training["clip"]));
  }
  EXPECT_LT(losses.back(), 0.8 * losses.front()) << "nothing was learned: the comparison says little";
}

// Frozen parts, layer-wise decay, a head's own rate, and decay to the initial weights, as PyTorch's groups compute
// them.
TEST(GoldenControls, TwentyStepsFollowPyTorch) {
  const Case golden("tiny_classifier");
  const base::Json& plain = golden.json["controls"][0];
  for (const base::Json& control : golden.json["controls"]) {
    const auto bert = golden.bert();
    const std::vector<float> initial(bert->values().begin(), bert->values().end());
    config::TrainingConfig training;
    training.optimizer.learning_rate = control["learning_rate"];
    const base::Json& given = control["training"];
    training.optimizer.weight_decay = given.value("weight_decay", control["weight_decay"].get<double>());
    training.optimizer.weight_decay_to = given.value("weight_decay_to", "zero");
    training.layer_decay = given.value("layer_decay", 1.0);
    training.freeze = given.value("freeze", std::vector<std::string>{});
    if (given.contains("learning_rates")) training.learning_rates.head = given["learning_rates"]["head"].get<double>();
    const auto steps = control["steps"].get<std::int64_t>();
    config::ScheduleConfig schedule;
    schedule.warmup = control["warmup_steps"].get<double>() / static_cast<double>(steps);
    train::Adam optimizer(training, bert->parameters(), initial, train::word_rows(training, golden.head));
    const auto losses = control["losses"].get<std::vector<double>>();
    const auto norms = control["gradient_norms"].get<std::vector<double>>();
    ASSERT_EQ(static_cast<std::int64_t>(losses.size()), steps);
    for (std::int64_t t = 0; t < steps; ++t) {
      const batch::Batch batch = golden.batch(static_cast<std::size_t>(t) % golden.batches());
      optimizer.expect(batch.ids, bert->values());
      const double loss = bert->forward(batch, {}) / golden.count(batch);
      bert->backward(static_cast<float>(1 / golden.count(batch)));
      const double gradient = optimizer.norm(bert->gradients());
      const auto step = static_cast<std::size_t>(t);
      EXPECT_NEAR(loss, losses[step], 1e-4 * losses[step]) << base::json_text(given) << " step " << t;
      EXPECT_NEAR(gradient, norms[step], 1e-3 * norms[step]) << base::json_text(given) << " step " << t;
      optimizer.step(bert->values(), bert->gradients(), train::rate_factor(schedule, t, steps),
                     train::clip_factor(gradient, control["clip"]));
    }
    if (!given.empty()) {
      EXPECT_GT(std::fabs(losses.back() - plain["losses"].back().get<double>()), 1e-2 * losses.back())
          << "no different from the plain run: the comparison says little";
    }
  }
}

}  // namespace
}  // namespace initlab::golden
