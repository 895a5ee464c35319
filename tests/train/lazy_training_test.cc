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
  explicit Setting(const std::string& optimizer = "adamw")
      : batches(task_with_rare_words(), 8, {}, seeds),
        bert(small_model(), config::HeadKind::classifier, 2,
             {batches.most_tokens(), batches.most_sequences(), 0, batches.longest()}) {
    const Fixture weights;
    std::ranges::copy(weights.bert.values(), bert.values().begin());
    training.steps = 40;
    training.optimizer.name = optimizer;
    training.optimizer.learning_rate = 2e-3;
    training.optimizer.weight_decay = 0.5;
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

TEST(LazyTraining, IsDenseTrainingBitForBit) {
  for (const char* const optimizer : {"adamw", "bert_adam"})
    for (const std::int64_t accumulate : {1, 2}) {
      Setting lazy(optimizer), dense(optimizer);
      lazy.training.accumulate = dense.training.accumulate = accumulate;
      lazy.train();
      dense.dense().train();
      expect_same_training(lazy, dense);
      EXPECT_EQ(lazy.sink.evals.back().predictions, dense.sink.evals.back().predictions);
    }
}

TEST(LazyTraining, HowOftenOneLooksChangesNoBit) {
  Setting never, often;
  often.training.evaluate.every = 1;
  never.train();
  often.train();
  EXPECT_EQ(often.sink.evals.size(), 40u);
  expect_same_training(never, often);
  EXPECT_EQ(never.sink.evals.back().predictions, often.sink.evals.back().predictions);
}

TEST(LazyTraining, EvaluationSeesTheWeightsOfItsStep) {
  Setting lazy, dense;
  lazy.training.evaluate.every = dense.training.evaluate.every = 7;
  lazy.train();
  dense.dense().train();
  ASSERT_EQ(lazy.sink.evals.size(), 6u);
  for (std::size_t i = 0; i < 6; ++i)
    EXPECT_EQ(lazy.sink.evals[i].predictions, dense.sink.evals[i].predictions) << "evaluation " << i;
}

TEST(LazyTraining, ControlsAreDensesBitForBit) {
  const auto with = [](auto&& change) {
    Setting lazy, dense;
    change(lazy.training);
    change(dense.training);
    lazy.train();
    dense.dense().train();
    expect_same_training(lazy, dense);
  };
  with([](auto& t) { t.mixout = 0.3; });
  with([](auto& t) { t.optimizer.weight_decay_to = "initial"; });
  with([](auto& t) { t.freeze = {"embeddings"}; });
  with([](auto& t) {
    t.layer_decay = 0.7;
    t.learning_rates.embeddings = 1e-2;
  });
}

// A run that is stopped or fails leaves its weights at the present too.
TEST(LazyTraining, EveryEndOfARunIsAtThePresent) {
  std::atomic<bool> stop{false};
  Setting lazy, dense;
  for (Setting* f : {&lazy, &dense}) {
    f->hooks.stop = &stop;
    f->hooks.progress = [&stop](const Progress& progress) { stop = progress.step == 7; };
  }
  lazy.train();
  stop = false;
  dense.dense().train();
  EXPECT_EQ(lazy.outcome.state, record::State::interrupted);
  expect_same_training(lazy, dense);

  Setting bad, twin;
  for (Setting* f : {&bad, &twin}) {
    f->training.optimizer.learning_rate = 1e30;  // the second step's loss is not finite
    f->training.schedule.warmup = 0;
  }
  bad.train();
  twin.dense().train();
  EXPECT_EQ(bad.outcome.state, record::State::failed);
  EXPECT_EQ(bad.outcome.reason, twin.outcome.reason);
  ASSERT_GT(bad.sink.steps.size(), 1u) << "no row was left behind: nothing was tested";
  for (const std::int64_t never : {1, 39})
    EXPECT_TRUE(std::ranges::equal(bad.word(never), twin.word(never),
                                   [](float a, float b) { return a == b || (std::isnan(a) && std::isnan(b)); }));
}

}  // namespace
}  // namespace initlab::train
