// A run that is stopped and goes on from its kept state is, bit for bit, the run that was never stopped.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <functional>

#include "train/task.hpp"
#include "train/trainer.hpp"

namespace initlab::train {
namespace {

struct Kept {
  Position position;
  std::vector<float> values, first, second;
};

// Keeps every state, and stops the run at a step where it is told to.
class Memories : public StateKeeper {
 public:
  bool due(std::int64_t step) override {
    if (step == stop_at) stop = true;
    return step % every == 0;
  }
  void keep(const Position& position, const State& state) override {
    const auto copy = [](std::span<const float> from) { return std::vector<float>(from.begin(), from.end()); };
    kept.push_back({position, copy(state.values), copy(state.first_moments), copy(state.second_moments)});
  }
  std::int64_t every = 1000, stop_at = -1;
  std::atomic<bool> stop{false};
  std::vector<Kept> kept;
};

using Adjust = std::function<void(config::TrainingConfig&)>;

std::unique_ptr<Fixture> fixture(const Adjust& adjust) {
  auto f = std::make_unique<Fixture>();
  f->training.evaluate.every = 4;
  f->training.dropout = 0.1;
  f->training.schedule.warmup = 0.1;
  adjust(f->training);
  return f;
}

Outcome run(Fixture& f, Memories& memories, const Kept* from = nullptr) {
  Hooks hooks;
  hooks.keeper = &memories;
  hooks.stop = &memories.stop;
  if (from != nullptr)
    hooks.resume = [from](const State& state) {
      std::ranges::copy(from->values, state.values.begin());
      std::ranges::copy(from->first, state.first_moments.begin());
      std::ranges::copy(from->second, state.second_moments.begin());
      return from->position;
    };
  return train::run(f.training, f.seeds, f.batches, f.bert, f.sink, hooks);
}

std::vector<float> values_of(const Fixture& f) { return {f.bert.values().begin(), f.bert.values().end()}; }

void expect_same_ending(const Fixture& whole, const Fixture& rest, const Position& from) {
  const auto steps = static_cast<std::size_t>(from.step);
  ASSERT_EQ(rest.sink.steps.size(), whole.sink.steps.size() - steps);
  for (std::size_t i = 0; i < rest.sink.steps.size(); ++i) {
    const record::StepRecord &a = whole.sink.steps[steps + i], &b = rest.sink.steps[i];
    EXPECT_EQ(a.step, b.step);
    EXPECT_EQ(a.loss, b.loss) << a.step;
    EXPECT_EQ(a.grad_norm, b.grad_norm) << a.step;
    EXPECT_EQ(a.learning_rate, b.learning_rate) << a.step;
    EXPECT_EQ(a.examples, b.examples) << a.step;
  }
  std::vector<record::EvalRecord> later = whole.sink.evals;
  std::erase_if(later, [&](const record::EvalRecord& eval) { return eval.step <= from.evaluated; });
  ASSERT_EQ(rest.sink.evals.size(), later.size());
  for (std::size_t i = 0; i < later.size(); ++i) {
    EXPECT_EQ(later[i].step, rest.sink.evals[i].step);
    EXPECT_EQ(later[i].predictions, rest.sink.evals[i].predictions) << later[i].step;
  }
  EXPECT_EQ(values_of(whole), values_of(rest));
}

// Everything that has a state or looks back: lazy and dense word rows, both optimizers, initial weights, micro-batches.
TEST(Resume, GivesTheBitsOfTheRunThatWasNotStopped) {
  const std::vector<std::pair<const char*, Adjust>> settings = {
      {"lazy", [](config::TrainingConfig&) {}},
      {"dense", [](config::TrainingConfig& t) { t.without = {"lazy_embeddings"}; }},
      {"bert_adam", [](config::TrainingConfig& t) { t.optimizer.name = "bert_adam"; }},
      {"decay to initial",
       [](config::TrainingConfig& t) {
         t.optimizer.weight_decay = 0.3;
         t.optimizer.weight_decay_to = "initial";
       }},
      {"mixout", [](config::TrainingConfig& t) { t.mixout = 0.5; }},
      {"frozen embeddings", [](config::TrainingConfig& t) { t.freeze = {"embeddings"}; }},
      {"accumulate", [](config::TrainingConfig& t) { t.accumulate = 2; }},
  };
  for (const auto& [name, adjust] : settings) {
    SCOPED_TRACE(name);
    const auto whole = fixture(adjust);
    Memories all;
    all.every = 1;
    ASSERT_EQ(run(*whole, all).state, record::State::finished);
    ASSERT_EQ(all.kept.size(), 30u);
    for (const std::int64_t step : {1, 4, 7, 29, 30}) {
      SCOPED_TRACE(step);
      const auto rest = fixture(adjust);
      Memories later;
      const Kept& from = all.kept[static_cast<std::size_t>(step - 1)];
      ASSERT_EQ(run(*rest, later, &from).state, record::State::finished);
      expect_same_ending(*whole, *rest, from.position);
    }
  }
}

// Keeping reads the state; it must not change what follows.
TEST(Resume, KeepingAStateChangesNoBit) {
  const auto without = fixture([](config::TrainingConfig&) {});
  const auto with = fixture([](config::TrainingConfig&) {});
  Memories none, all;
  all.every = 1;
  run(*without, none);
  run(*with, all);
  EXPECT_TRUE(none.kept.empty());
  EXPECT_EQ(values_of(*without), values_of(*with));
}

TEST(Resume, ARunThatIsToldToStopKeepsItsState) {
  const auto whole = fixture([](config::TrainingConfig&) {});
  Memories none;
  run(*whole, none);
  const auto stopped = fixture([](config::TrainingConfig&) {});
  Memories memories;
  memories.stop_at = 13;
  ASSERT_EQ(run(*stopped, memories).state, record::State::interrupted);
  ASSERT_EQ(memories.kept.size(), 1u);
  EXPECT_EQ(memories.kept[0].position.step, 13);
  EXPECT_EQ(memories.kept[0].position.evaluated, 12);
  const auto rest = fixture([](config::TrainingConfig&) {});
  Memories later;
  ASSERT_EQ(run(*rest, later, &memories.kept[0]).state, record::State::finished);
  expect_same_ending(*whole, *rest, memories.kept[0].position);
}

// The seconds that are used up count; the rest of the budget is all that is left.
TEST(Resume, ATimeBudgetGoesOn) {
  const auto f = fixture([](config::TrainingConfig& t) {
    t.steps.reset();
    t.seconds = 1000;
  });
  const auto begin = fixture([](config::TrainingConfig&) {});
  Memories memories;
  Kept from;
  from.position = {5, 4, 1001.0};
  from.values = values_of(*begin);
  from.first.assign(from.values.size(), 0.0f);
  from.second = from.first;
  ASSERT_EQ(run(*f, memories, &from).state, record::State::finished);
  EXPECT_TRUE(f->sink.steps.empty());
  ASSERT_EQ(f->sink.evals.size(), 1u);
  EXPECT_EQ(f->sink.evals[0].step, 5);
}

}  // namespace
}  // namespace initlab::train
