// The loop: it overfits, repeats bit for bit, is blind to micro-batches, stops when told, and fails with step and
// reason.
#include "train/trainer.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>

#include "train/schedule.hpp"
#include "train/task.hpp"

namespace initlab::train {
namespace {

TEST(Trainer, OverfitsASmallSet) {
  Fixture f;
  f.training.steps = 200;
  f.training.dropout = 0;
  const Outcome outcome = run(f.training, f.seeds, f.batches, f.bert, f.sink, {});
  EXPECT_EQ(outcome.state, record::State::finished);
  EXPECT_NEAR(f.sink.steps.front().loss, std::log(2.0), 0.2);
  EXPECT_LT(f.sink.evals.back().loss, 0.05);
  EXPECT_EQ(f.sink.evals.back().metrics.at(0), 1.0);
}

TEST(Trainer, RepeatsBitForBit) {
  Fixture a, b;
  run(a.training, a.seeds, a.batches, a.bert, a.sink, {});
  run(b.training, b.seeds, b.batches, b.bert, b.sink, {});
  ASSERT_EQ(a.sink.steps.size(), 30u);
  for (std::size_t i = 0; i < a.sink.steps.size(); ++i) EXPECT_EQ(a.sink.steps[i].loss, b.sink.steps[i].loss) << i;
  for (std::size_t i = 0; i < a.bert.values().size(); ++i) ASSERT_EQ(a.bert.values()[i], b.bert.values()[i]) << i;
}

TEST(Trainer, StepsByHandAreThoseOfTheLoop) {
  Fixture a, b;
  a.training.schedule.warmup = b.training.schedule.warmup = 0.2;
  run(a.training, a.seeds, a.batches, a.bert, a.sink, {});
  Trainer trainer(b.training, b.seeds, b.batches, b.bert);
  ASSERT_EQ(a.sink.steps.size(), 30u);
  for (std::int64_t i = 0; i < 30; ++i) {
    const record::StepRecord& looped = a.sink.steps[static_cast<std::size_t>(i)];
    const record::StepRecord& stepped = trainer.step(i, rate_factor(b.training.schedule, i, 30));
    EXPECT_EQ(stepped.step, looped.step);
    EXPECT_EQ(stepped.loss, looped.loss) << i;
    EXPECT_EQ(stepped.grad_norm, looped.grad_norm) << i;
    EXPECT_EQ(stepped.learning_rate, looped.learning_rate) << i;
    EXPECT_EQ(stepped.examples, looped.examples) << i;
    EXPECT_EQ(stepped.tokens, trainer.batch().tokens());
  }
  trainer.catch_up();
  EXPECT_TRUE(std::ranges::equal(a.bert.values(), b.bert.values()));
}

// Every phase that a step goes through is counted, and together they are no more than the step.
TEST(Trainer, PhasesAddUpToTheStep) {
  Fixture f;
  Trainer trainer(f.training, f.seeds, f.batches, f.bert);
  trainer.step(0, 1.0);
  compute::PhaseTimes times;
  trainer.measure(&times);
  double seconds = 0, claimed = 0;
  for (std::int64_t i = 1; i < 10; ++i) seconds += trainer.step(i, 1.0).seconds;
  for (const double phase : times.all()) claimed += phase;
  EXPECT_LE(claimed, seconds);
  for (const compute::Phase phase : {compute::Phase::embedding, compute::Phase::gemm_forward,
                                     compute::Phase::gemm_input, compute::Phase::gemm_weight, compute::Phase::attention,
                                     compute::Phase::elementwise, compute::Phase::optimizer, compute::Phase::data})
    EXPECT_GT(times[phase], 0) << compute::kPhaseNames[static_cast<std::size_t>(phase)];
  trainer.measure(nullptr);
  trainer.step(10, 1.0);
  double later = 0;
  for (const double phase : times.all()) later += phase;
  EXPECT_EQ(later, claimed);
}

TEST(Trainer, HandsOutTheValuesOnceBeforeTheFirstStep) {
  for (const std::int64_t steps : {0, 3}) {
    Fixture f;
    f.training.steps = steps;
    const std::vector<float> initial(f.bert.values().begin(), f.bert.values().end());
    int calls = 0;
    Hooks hooks;
    hooks.before_first_step = [&](std::span<const float> values) {
      ++calls;
      EXPECT_TRUE(std::ranges::equal(values, initial));
      EXPECT_TRUE(f.sink.steps.empty() && f.sink.evals.empty());
    };
    run(f.training, f.seeds, f.batches, f.bert, f.sink, hooks);
    EXPECT_EQ(calls, 1) << steps;
    EXPECT_EQ(std::ranges::equal(f.bert.values(), initial), steps == 0);
  }
}

TEST(Trainer, MicroBatchesGiveTheSameGradient) {
  Fixture whole, parts;
  whole.training.steps = parts.training.steps = 5;
  parts.training.accumulate = 3;  // 8 sequences: 3 + 3 + 2
  run(whole.training, whole.seeds, whole.batches, whole.bert, whole.sink, {});
  run(parts.training, parts.seeds, parts.batches, parts.bert, parts.sink, {});
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_NEAR(parts.sink.steps[i].loss, whole.sink.steps[i].loss, 1e-5) << i;  // dropout bits included
    EXPECT_NEAR(parts.sink.steps[i].grad_norm / whole.sink.steps[i].grad_norm, 1, 1e-4) << i;
  }
}

TEST(Trainer, EvaluatesWhenAskedAndAtTheEnd) {
  Fixture f;
  f.training.steps = 10;
  f.training.evaluate.every = 4;
  run(f.training, f.seeds, f.batches, f.bert, f.sink, {});
  std::vector<std::int64_t> steps;
  for (const auto& e : f.sink.evals) steps.push_back(e.step);
  EXPECT_EQ(steps, (std::vector<std::int64_t>{4, 8, 10}));
  EXPECT_EQ(f.sink.evals.back().predictions.size(), 24u * 2);
}

TEST(Trainer, ZeroEpochsEvaluatesAndChangesNothing) {
  Fixture f;
  f.training.steps.reset();
  f.training.epochs = 0;
  const std::vector<float> before(f.bert.values().begin(), f.bert.values().end());
  run(f.training, f.seeds, f.batches, f.bert, f.sink, {});
  EXPECT_TRUE(f.sink.steps.empty());
  ASSERT_EQ(f.sink.evals.size(), 1u);
  EXPECT_EQ(f.sink.evals[0].step, 0);
  EXPECT_TRUE(std::equal(before.begin(), before.end(), f.bert.values().begin()));
}

TEST(Trainer, EpochsCountShortLastBatches) {
  config::TrainingConfig training;
  training.epochs = 2;
  EXPECT_EQ(total_steps(training, 115), 230);
  training.epochs = 0.5;
  EXPECT_EQ(total_steps(training, 115), 58);
  training.steps = 7;
  EXPECT_EQ(total_steps(training, 115), 7);
}

TEST(Trainer, StopsWhenTold) {
  Fixture f;
  std::atomic<bool> stop{false};
  Hooks hooks;
  hooks.stop = &stop;
  hooks.progress = [&stop](const Progress& progress) {
    if (progress.step == 3) stop = true;
  };
  const Outcome outcome = run(f.training, f.seeds, f.batches, f.bert, f.sink, hooks);
  EXPECT_EQ(outcome.state, record::State::interrupted);
  EXPECT_EQ(f.sink.steps.size(), 3u);
}

TEST(Trainer, FailsWithStepAndReason) {
  Fixture f;
  f.bert.values()[static_cast<std::size_t>(f.bert.parameters().at("classifier.bias").offset)] =
      std::numeric_limits<float>::quiet_NaN();
  const Outcome outcome = run(f.training, f.seeds, f.batches, f.bert, f.sink, {});
  EXPECT_EQ(outcome.state, record::State::failed);
  EXPECT_EQ(outcome.reason, "loss is nan at step 1");
  EXPECT_EQ(f.sink.steps.size(), 1u);
}

TEST(Trainer, TimeBudgetEnds) {
  Fixture f;
  f.training.steps.reset();
  f.training.seconds = 2;  // room for several steps, on a busy machine too
  const Outcome outcome = run(f.training, f.seeds, f.batches, f.bert, f.sink, {});
  EXPECT_EQ(outcome.state, record::State::finished);
  EXPECT_GT(f.sink.steps.size(), 1u);
  EXPECT_LT(f.sink.steps.back().learning_rate, f.training.optimizer.learning_rate);
}

}  // namespace
}  // namespace initlab::train
