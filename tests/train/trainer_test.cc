// The loop: it overfits, repeats bit for bit, is blind to micro-batches, stops when told, and fails with step and
// reason.
#include "train/trainer.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>

#include "base/random.hpp"

namespace initlab::train {
namespace {

class Memory : public record::RunSink {
 public:
  void begin(const record::RunHeader&, const std::vector<record::InitRecord>&) override {}
  void step(const record::StepRecord& step) override { steps.push_back(step); }
  void eval(const record::EvalRecord& eval) override { evals.push_back(eval); }
  void finish(record::State, const std::string&) override {}
  std::vector<record::StepRecord> steps;
  std::vector<record::EvalRecord> evals;
};

// A task that a tiny BERT can learn by heart: the label is the parity of the second token.
std::shared_ptr<data::TaskData> parity_task(std::size_t examples) {
  auto task = std::make_shared<data::TaskData>();
  task->info.name = "parity";
  task->info.head = config::HeadKind::classifier;
  task->info.label_names = {"even", "odd"};
  task->info.metrics = {"accuracy"};
  task->vocabulary = 40;
  const base::Stream stream(5, "parity");
  for (std::size_t e = 0; e < examples; ++e) {
    data::Example example;
    example.ids = {2};
    for (std::uint64_t k = 0; k < 3 + e % 4; ++k)
      example.ids.push_back(static_cast<std::int32_t>(5 + stream.below(e * 16 + k, 35)));
    example.ids.push_back(3);
    example.types.assign(example.ids.size(), 0);
    example.label = example.ids[1] % 2;
    task->train.push_back(example);
  }
  task->eval = task->train;
  task->constant_class = {0.5};
  return task;
}

config::ModelConfig small_model() {
  config::ModelConfig model;
  model.layers = 2;
  model.hidden = 32;
  model.heads = 2;
  model.intermediate = 64;
  model.vocabulary = 40;
  model.max_positions = 16;
  return model;
}

struct Fixture {
  explicit Fixture(std::int64_t batch = 8, std::size_t examples = 24)
      : batches(parity_task(examples), batch, {}, seeds),
        bert(small_model(), config::HeadKind::classifier, 2,
             {batches.most_tokens(), batches.most_sequences(), 0, batches.longest()}) {
    const base::Stream stream(7, "weights");
    for (const params::Parameter& p : bert.parameters().all())
      for (std::int64_t i = p.offset; i < p.offset + p.size; ++i) {
        float& value = bert.values()[static_cast<std::size_t>(i)];
        value = p.role == params::Role::norm_scale ? 1.0f
                : p.decays() ? static_cast<float>(0.05 * stream.normal(static_cast<std::uint64_t>(i)))
                             : 0.0f;
      }
    training.batch = batch;
    training.steps = 30;
    training.optimizer.learning_rate = 2e-3;
  }
  config::Seeds seeds;
  data::BatchStream batches;
  model::Bert bert;
  config::TrainingConfig training;
  Memory sink;
};

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
  f.training.seconds = 0.2;
  const Outcome outcome = run(f.training, f.seeds, f.batches, f.bert, f.sink, {});
  EXPECT_EQ(outcome.state, record::State::finished);
  EXPECT_GT(f.sink.steps.size(), 1u);
  EXPECT_LT(f.sink.steps.back().learning_rate, f.training.optimizer.learning_rate);
}

}  // namespace
}  // namespace initlab::train
