// training.stop: when it ends a run, that the run up to there is the same, and that an interruption changes nothing.
#include "train/stop.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <string>

#include "error_of.hpp"
#include "train/task.hpp"
#include "train/trainer.hpp"

namespace initlab::train {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

record::StepRecord step(std::int64_t number, double loss) { return {.step = number, .loss = loss, .examples = {}}; }
record::EvalRecord eval(std::int64_t number, double accuracy) {
  return {.step = number, .metrics = {accuracy}, .predictions = {}};
}

config::TrainingConfig training() {
  config::TrainingConfig training;
  training.place = "spec.yaml:4:1";
  training.steps = 100;
  training.evaluate.every = 10;
  return training;
}

TEST(Divergence, IsAMeanFarAboveTheFirst) {
  const auto task = parity_task(24);
  config::TrainingConfig config = training();
  config.stop.diverged = 3;
  StopRules rules(config, *task);
  for (std::int64_t i = 1; i <= 40; ++i) EXPECT_EQ(rules.failure(step(i, i == 30 ? 40.0 : 1.0)), "") << i;
  // One loss of 40 and then of 1 again: the mean of 20 is 2.95. From here on 4: after so many that it passes 3.
  std::int64_t at = 41;
  std::string why;
  for (; why.empty() && at < 100; ++at) why = rules.failure(step(at, 4.0));
  // Steps 30 (40) falls out after 49; at 41 the mean is (40 + 18 + 4) / 20 = 3.1.
  EXPECT_EQ(at, 42);
  EXPECT_EQ(why,
            "diverged: the mean loss of the 20 steps up to 41 is 3.1, more than 3 times that of the first ones (1)");
}

TEST(Divergence, NeedsNoRuleWhereALossIsNoNumber) {
  const auto task = parity_task(24);
  const config::TrainingConfig config = training();
  StopRules rules(config, *task);
  for (std::int64_t i = 1; i <= 30; ++i) EXPECT_EQ(rules.failure(step(i, 1e6 * static_cast<double>(i))), "");
  EXPECT_EQ(rules.failure(step(31, kNaN)), "loss is nan at step 31");
  record::StepRecord wild = step(32, 1);
  wild.grad_norm = std::numeric_limits<double>::infinity();
  EXPECT_EQ(rules.failure(wild), "gradient norm is inf at step 32");
}

TEST(Hopeless, IsDecidedByTheBestSoFar) {
  const auto task = parity_task(24);  // constant class: 0.5
  config::TrainingConfig config = training();
  config.stop.hopeless = {.after = 25, .metric = {}, .margin = 0.1};
  const auto reason = [&](std::initializer_list<double> accuracies) {
    StopRules rules(config, *task);
    std::string why;
    std::int64_t at = 0;
    for (const double accuracy : accuracies)
      if (why = rules.hopeless(eval(at += 10, accuracy)); !why.empty()) return std::to_string(at) + " " + why;
    return std::string("goes on");
  };
  EXPECT_EQ(reason({0.5, 0.5, 0.6, 0.9}),
            "30 hopeless: no evaluation up to step 30 has accuracy above 0.6, the constant class's 0.5 and the margin");
  EXPECT_EQ(reason({0.7, 0.5, 0.5, 0.5, 0.5}), "goes on") << "it was better once";
  EXPECT_EQ(reason({0.5, 0.5, 0.61, 0.5, 0.5}), "goes on") << "it was good enough when it was asked";
  EXPECT_EQ(reason({0.5, 0.5}), "goes on") << "nothing is decided before 25";
  EXPECT_EQ(reason({kNaN, kNaN, kNaN}).substr(0, 11), "30 hopeless");
  config.stop.hopeless.margin = 0;
  EXPECT_EQ(reason({0.5, 0.5, 0.5}),
            "30 hopeless: no evaluation up to step 30 has accuracy above 0.5, the constant class's");
}

TEST(Hopeless, WhatCannotBeDecidedIsRefused) {
  const auto task = parity_task(24);
  config::TrainingConfig config = training();
  config.stop.hopeless = {.after = 25, .metric = "f1", .margin = 0};
  EXPECT_EQ(error_of([&] { hopeless_metric(config, *task); }),
            "spec.yaml:4:1: training.stop.hopeless.metric: expected one of accuracy, which parity has, got \"f1\"\n"
            "  hint: one of accuracy");
  config.stop.hopeless.metric = "accuracy";
  EXPECT_EQ(hopeless_metric(config, *task), 0u);
  task->constant_class = {kNaN};
  EXPECT_NE(error_of([&] { hopeless_metric(config, *task); }).find("a metric that a constant answer has"),
            std::string::npos);
  EXPECT_EQ(hopeless_step(config, 100), 30);
  EXPECT_EQ(hopeless_step(config, 31), 30);
  for (const std::int64_t steps : {30, 25, 0})
    EXPECT_NE(error_of([&] { hopeless_step(config, steps); }).find("before the last of " + std::to_string(steps)),
              std::string::npos);
  config.evaluate.every.reset();
  EXPECT_NE(error_of([&] { hopeless_step(config, 100); }).find("set training.evaluate.every"), std::string::npos);
  config.evaluate.every = 10;
  config.seconds = 5;
  EXPECT_EQ(hopeless_step(config, 0), 30) << "a budget has no last step that is known";
}

// A fixture whose runs can keep states: see trainer.hpp.
class Keeper : public StateKeeper {
 public:
  bool due(std::int64_t step) override { return step == at; }
  void keep(const Position& now, const State& state) override {
    position = now;
    const auto copy = [](std::span<const float> from) { return std::vector<float>(from.begin(), from.end()); };
    values = copy(state.values), first = copy(state.first_moments), second = copy(state.second_moments);
  }
  std::int64_t at = -1;
  Position position;
  std::vector<float> values, first, second;
};

TEST(Stop, EndsTheRunAndChangesNoBitOfIt) {
  Fixture whole, stopped;
  for (Fixture* f : {&whole, &stopped}) {
    f->training.steps = 12;
    f->training.evaluate.every = 3;
  }
  stopped.training.stop.hopeless = {.after = 5, .metric = {}, .margin = 0.5};  // accuracy above 1: never
  EXPECT_EQ(run(whole.training, whole.seeds, whole.batches, whole.bert, whole.sink, {}).reason, "");
  Keeper keeper;
  keeper.at = 4;
  Hooks hooks;
  hooks.keeper = &keeper;
  const Outcome outcome = run(stopped.training, stopped.seeds, stopped.batches, stopped.bert, stopped.sink, hooks);
  EXPECT_EQ(outcome.state, record::State::finished);
  EXPECT_EQ(outcome.reason.substr(0, 40), "hopeless: no evaluation up to step 6 has");
  ASSERT_EQ(stopped.sink.steps.size(), 6u);
  ASSERT_EQ(stopped.sink.evals.size(), 2u);
  for (std::size_t i = 0; i < 6; ++i) EXPECT_EQ(stopped.sink.steps[i].loss, whole.sink.steps[i].loss) << i;
  EXPECT_EQ(stopped.sink.evals[1].predictions, whole.sink.evals[1].predictions);

  // Interrupted after step 4, it ends where it would have ended.
  Fixture rest;
  rest.training = stopped.training;
  Hooks resumed;
  resumed.resume = [&](const State& state) {
    std::ranges::copy(keeper.values, state.values.begin());
    std::ranges::copy(keeper.first, state.first_moments.begin());
    std::ranges::copy(keeper.second, state.second_moments.begin());
    return keeper.position;
  };
  resumed.past_steps = std::span(stopped.sink.steps).first(4);
  resumed.past_evals = std::span(stopped.sink.evals).first(1);
  const Outcome again = run(rest.training, rest.seeds, rest.batches, rest.bert, rest.sink, resumed);
  EXPECT_EQ(again.reason, outcome.reason);
  EXPECT_EQ(rest.sink.steps.size(), 2u);
}

TEST(Stop, AtTheLastStepNothingIsStopped) {
  Fixture f;
  f.training.steps = 6;
  f.training.evaluate.every = 3;
  f.training.stop.hopeless = {.after = 5, .metric = {}, .margin = 0.5};
  const Outcome outcome = run(f.training, f.seeds, f.batches, f.bert, f.sink, {});
  EXPECT_EQ(outcome.state, record::State::finished);
  EXPECT_EQ(outcome.reason, "") << "it has made all its steps";
}

}  // namespace
}  // namespace initlab::train
