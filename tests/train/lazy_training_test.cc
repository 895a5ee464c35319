// Training with word rows that are updated lazily: the same run as the dense one, however often it is evaluated.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>

#include "train/task.hpp"
#include "train/trainer.hpp"

namespace initlab::train {
namespace {

// Words 5..39 of the small model are all in parity_task. Here training holds few of them at first, more and more as
// examples come, and evaluation holds words that training never shows.
std::shared_ptr<data::TaskData> task_with_rare_words() {
  const auto task = parity_task(64);
  for (std::size_t e = 0; e < task->train.size(); ++e)
    for (std::int32_t& id : task->train[e].ids)
      if (id >= 5) id = e % 8 == 0 ? 5 + id % 20 : 5 + id % 4;  // 25..39 never
  return task;
}

struct Setting {
  explicit Setting(const std::string& optimizer = "adamw", double weight_decay = 0.5)
      : batches(task_with_rare_words(), 8, {}, seeds),
        bert(small_model(), config::HeadKind::classifier, 2,
             {batches.most_tokens(), batches.most_sequences(), 0, batches.longest()}) {
    const Fixture weights;
    std::ranges::copy(weights.bert.values(), bert.values().begin());
    training.steps = 40;
    training.optimizer.name = optimizer;
    training.optimizer.learning_rate = 2e-3;
    training.optimizer.weight_decay = weight_decay;
    training.schedule.warmup = 0.1;
  }
  Setting& dense() {
    training.without = {"lazy_embeddings"};
    return *this;
  }
  Setting& train() {
    outcome = run(training, seeds, batches, bert, sink, hooks);
    return *this;
  }
  std::vector<float> values() const { return {bert.values().begin(), bert.values().end()}; }
  std::span<const float> word(std::int64_t row) const {
    return bert.values().subspan(
        static_cast<std::size_t>(bert.parameters().at("bert.embeddings.word_embeddings.weight").offset + row * 32), 32);
  }

  config::Seeds seeds;
  data::BatchStream batches;
  model::Bert bert;
  config::TrainingConfig training;
  Memory sink;
  Hooks hooks;
  Outcome outcome;
};

void expect_same_training(const Setting& a, const Setting& b) {
  ASSERT_EQ(a.sink.steps.size(), b.sink.steps.size());
  for (std::size_t i = 0; i < a.sink.steps.size(); ++i) {
    EXPECT_EQ(a.sink.steps[i].loss, b.sink.steps[i].loss) << i;
    EXPECT_EQ(a.sink.steps[i].grad_norm, b.sink.steps[i].grad_norm) << i;
  }
  EXPECT_EQ(a.values(), b.values());
}

TEST(LazyTraining, IsDenseTrainingBitForBitWithoutDecay) {
  for (const std::int64_t accumulate : {1, 2}) {
    Setting lazy("adamw", 0), dense("adamw", 0);
    lazy.training.accumulate = dense.training.accumulate = accumulate;
    lazy.train();
    dense.dense().train();
    expect_same_training(lazy, dense);
    EXPECT_EQ(lazy.sink.evals.back().predictions, dense.sink.evals.back().predictions);
  }
}

// Weights differ by at most 3.5 roundings a step where a row was late (lazy_rows_test.cc); the loss follows smoothly.
TEST(LazyTraining, IsDenseTrainingWithinRoundingWithDecay) {
  for (const char* const optimizer : {"adamw", "bert_adam"}) {
    Setting lazy(optimizer), dense(optimizer);
    const std::vector<float> start = lazy.values();
    lazy.train();
    dense.dense().train();
    for (std::size_t i = 0; i < lazy.sink.steps.size(); ++i)
      EXPECT_NEAR(lazy.sink.steps[i].loss, dense.sink.steps[i].loss, 1e-5) << optimizer << " step " << i;
    EXPECT_NEAR(lazy.sink.evals.back().loss, dense.sink.evals.back().loss, 1e-5);
    const auto offset =
        static_cast<std::size_t>(lazy.bert.parameters().at("bert.embeddings.word_embeddings.weight").offset);
    for (const std::int64_t never : {1, 25, 39})
      for (std::size_t i = 0; i < 32; ++i) {
        const double expected = dense.word(never)[i];
        const double size = std::fabs(start[offset + static_cast<std::size_t>(never) * 32 + i]);
        EXPECT_LT(std::fabs(expected), 0.99 * size + 1e-9) << "no decay: nothing was tested";
        EXPECT_NEAR(lazy.word(never)[i], expected, (1.5 * 40 + 2) * 0x1p-24 * size) << never;
      }
  }
}

// Evaluation reads words that wait for their decay, and writes none.
TEST(LazyTraining, HowOftenOneLooksChangesNoBit) {
  Setting never, often;
  often.training.evaluate.every = 1;
  never.train();
  often.train();
  EXPECT_EQ(often.sink.evals.size(), 40u);
  expect_same_training(never, often);
  EXPECT_EQ(never.sink.evals.back().predictions, often.sink.evals.back().predictions);
}

TEST(LazyTraining, EvaluationReadsWhatIsWrittenAtTheEnd) {
  Setting f;
  f.train();
  const record::EvalRecord settled = evaluate(f.batches, f.bert, 40);
  EXPECT_EQ(f.sink.evals.back().predictions, settled.predictions);
  EXPECT_EQ(f.sink.evals.back().loss, settled.loss);

  Setting other;
  Trainer trainer(other.training, other.seeds, other.batches, other.bert);
  for (std::int64_t step = 0; step < 20; ++step) trainer.step(step, 1);
  const std::vector<float> before = other.values();
  const record::EvalRecord late = evaluate(other.batches, other.bert, 20, trainer.late_rows());
  EXPECT_EQ(other.values(), before) << "reading writes nothing";
  EXPECT_NE(late.predictions, evaluate(other.batches, other.bert, 20).predictions) << "no word was late";
  trainer.settle();
  EXPECT_EQ(late.predictions, evaluate(other.batches, other.bert, 20).predictions);
}

TEST(LazyTraining, EveryEndOfARunIsSettled) {
  std::atomic<bool> stop{false};
  Setting stopped;
  stopped.hooks.stop = &stop;
  stopped.hooks.progress = [&stop](const Progress& progress) { stop = progress.step == 7; };
  stopped.train();
  EXPECT_EQ(stopped.outcome.state, record::State::interrupted);

  double product = 1;
  for (const auto& step : stopped.sink.steps) product *= 1 - step.learning_rate * 0.5;
  ASSERT_EQ(stopped.sink.steps.size(), 7u);
  const Setting untouched;
  for (std::size_t i = 0; i < 32; ++i)
    EXPECT_EQ(stopped.word(39)[i], untouched.word(39)[i] * static_cast<float>(product)) << i;
}

}  // namespace
}  // namespace initlab::train
