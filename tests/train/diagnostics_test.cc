// Diagnostics: what they say is what the weights of the run say, and the run does not notice them.
#include "train/diagnostics.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>

#include "model/layer_statistics.hpp"
#include "train/task.hpp"
#include "train/trainer.hpp"

namespace initlab::train {
namespace {

using record::PartDiagnosis;

class Watching : public Memory {
 public:
  void diagnose(const record::Diagnosis& diagnosis) override { diagnoses.push_back(diagnosis); }
  std::vector<record::Diagnosis> diagnoses;
};

// A run of `steps` steps from the fixture's weights, at a constant rate so that longer runs begin like shorter ones.
struct Watched {
  explicit Watched(std::int64_t steps, const std::function<void(config::TrainingConfig&)>& change = {}) {
    f.training.steps = steps;
    f.training.schedule.name = "constant";
    if (change) change(f.training);
    initial = values();
  }
  Watched& train(bool diagnosed) {
    Hooks hooks;
    if (diagnosed) hooks.diagnostics = &source;
    outcome = run(f.training, f.seeds, f.batches, f.bert, sink, hooks);
    return *this;
  }
  std::vector<float> values() const { return {f.bert.values().begin(), f.bert.values().end()}; }

  Fixture f;
  DiagnosticsSource source{small_model(), 2, {}};
  Watching sink;
  std::vector<float> initial;
  Outcome outcome;
};

// Sums of a term over the parameters of a part and layer.
double sum_over(const params::ParameterTable& table, const PartDiagnosis& part,
                const std::function<double(std::size_t)>& term) {
  double sum = 0;
  for (const params::Parameter& p : table.all())
    if (static_cast<std::int64_t>(params::part_of(p)) == part.part && p.layer == part.layer)
      for (std::int64_t i = p.offset; i < p.offset + p.size; ++i) sum += term(static_cast<std::size_t>(i));
  return sum;
}

// Sums of some thousand terms in double, in another order.
constexpr double kSums = 1e-12;

void expect_weights(const Watched& run, const PartDiagnosis& part, const std::vector<float>& values) {
  const auto now = [&](std::size_t i) { return static_cast<double>(values[i]); };
  const auto then = [&](std::size_t i) { return static_cast<double>(run.initial[i]); };
  const auto sum = [&](const std::function<double(std::size_t)>& term) {
    return sum_over(run.f.bert.parameters(), part, term);
  };
  const double length = std::sqrt(sum([&](std::size_t i) { return now(i) * now(i); }));
  const double initial_length = std::sqrt(sum([&](std::size_t i) { return then(i) * then(i); }));
  EXPECT_NEAR(part.weight_norm, length, kSums * length);
  EXPECT_NEAR(part.distance_initial, std::sqrt(sum([&](std::size_t i) { return std::pow(now(i) - then(i), 2); })),
              kSums * length);
  EXPECT_NEAR(part.cosine_initial, sum([&](std::size_t i) { return now(i) * then(i); }) / (length * initial_length),
              kSums);
  EXPECT_EQ(part.sign_flips, sum([&](std::size_t i) { return now(i) * then(i) < 0 ? 1.0 : 0.0; }) /
                                 sum([](std::size_t) { return 1.0; }));
}

TEST(Schedule, IsLogarithmicAndHasTheLastStep) {
  std::vector<std::int64_t> steps;
  for (std::int64_t step = 1; step <= 13; ++step)
    if (is_diagnosed(step, 13)) steps.push_back(step);
  EXPECT_EQ(steps, (std::vector<std::int64_t>{1, 2, 4, 8, 13}));
  EXPECT_FALSE(is_diagnosed(13, 0)) << "a time budget: nobody knows the last one";
}

TEST(Diagnostics, EveryPartAndLayerAtEveryMeasuredStep) {
  Watched run(13);
  run.train(true);
  std::vector<std::int64_t> steps;
  for (const record::Diagnosis& d : run.sink.diagnoses) {
    steps.push_back(d.parts.at(0).step);
    std::vector<std::pair<std::int64_t, std::int64_t>> places;
    for (const PartDiagnosis& part : d.parts) {
      EXPECT_EQ(part.step, steps.back());
      places.emplace_back(part.part, part.layer);
    }
    // embeddings, attention, ffn and norms of both layers, pooler, head
    EXPECT_EQ(places, (std::vector<std::pair<std::int64_t, std::int64_t>>{
                          {0, -1}, {1, 0}, {1, 1}, {2, 0}, {2, 1}, {3, 0}, {3, 1}, {4, -1}, {5, -1}}));
    ASSERT_EQ(d.layers.size(), 3u);
    for (std::size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(d.layers[i].step, steps.back());
      EXPECT_EQ(d.layers[i].layer, static_cast<std::int64_t>(i) - 1);
    }
  }
  EXPECT_EQ(steps, (std::vector<std::int64_t>{0, 1, 2, 4, 8, 13}));
}

TEST(Diagnostics, ARunDoesNotNoticeThem) {
  const std::vector<std::function<void(config::TrainingConfig&)>> settings = {
      [](auto&) {}, [](auto& t) { t.without = {"lazy_embeddings"}; }, [](auto& t) { t.mixout = 0.3; },
      [](auto& t) {
        t.accumulate = 2;
        t.optimizer.weight_decay = 0.5;
        t.optimizer.weight_decay_to = "initial";
        t.evaluate.every = 5;
      }};
  for (const auto& change : settings) {
    Watched with(20, change), without(20, change);
    with.train(true);
    without.train(false);
    EXPECT_TRUE(without.sink.diagnoses.empty());
    EXPECT_EQ(with.sink.diagnoses.size(), 7u);
    EXPECT_EQ(with.values(), without.values());
    ASSERT_EQ(with.sink.steps.size(), without.sink.steps.size());
    for (std::size_t i = 0; i < with.sink.steps.size(); ++i) {
      EXPECT_EQ(with.sink.steps[i].loss, without.sink.steps[i].loss) << i;
      EXPECT_EQ(with.sink.steps[i].grad_norm, without.sink.steps[i].grad_norm) << i;
    }
    ASSERT_EQ(with.sink.evals.size(), without.sink.evals.size());
    for (std::size_t i = 0; i < with.sink.evals.size(); ++i)
      EXPECT_EQ(with.sink.evals[i].predictions, without.sink.evals[i].predictions) << i;
  }
}

// Runs of 3 and of 4 steps are the weights before and after update 4.
TEST(Diagnostics, AnUpdateIsTheDifferenceOfTheWeights) {
  Watched run(4), shorter(3);
  run.train(true);
  shorter.train(false);
  const std::vector<float> before = shorter.values(), after = run.values();
  const record::Diagnosis& d = run.sink.diagnoses.back();
  ASSERT_EQ(d.parts.front().step, 4);
  double gradient = 0;
  for (const PartDiagnosis& part : d.parts) {
    SCOPED_TRACE(std::to_string(part.part) + " of layer " + std::to_string(part.layer));
    const double change = std::sqrt(sum_over(run.f.bert.parameters(), part, [&](std::size_t i) {
      return std::pow(static_cast<double>(after[i]) - static_cast<double>(before[i]), 2);
    }));
    EXPECT_GT(part.update_norm, 0);
    EXPECT_NEAR(part.update_norm, change, kSums * change);
    expect_weights(run, part, after);
    gradient += part.grad_norm * part.grad_norm;
  }
  EXPECT_NEAR(std::sqrt(gradient), run.sink.steps[3].grad_norm, kSums * run.sink.steps[3].grad_norm);
}

// The first batch's gradient, taken here.
TEST(Diagnostics, AGradientIsTheOneOfTheStep) {
  Watched run(1, [](auto&t) { t.dropout = 0; }), twin(1);
  run.train(true);
  const batch::Batch batch = twin.f.batches.train(0);
  twin.f.bert.forward(batch, {});
  twin.f.bert.backward(static_cast<float>(1.0 / static_cast<double>(batch.sequences())));
  const std::span<const float> gradient = twin.f.bert.gradients();
  for (const PartDiagnosis& part : run.sink.diagnoses.at(1).parts) {
    const double norm = std::sqrt(sum_over(twin.f.bert.parameters(), part, [&](std::size_t i) {
      return static_cast<double>(gradient[i]) * static_cast<double>(gradient[i]);
    }));
    EXPECT_GT(norm, 0);
    EXPECT_NEAR(part.grad_norm, norm, kSums * norm) << part.part << " of layer " << part.layer;
  }
}

TEST(Diagnostics, BeforeTheFirstUpdateNothingHasMoved) {
  Watched run(2);
  run.train(true);
  for (const PartDiagnosis& part : run.sink.diagnoses.front().parts) {
    EXPECT_EQ(part.distance_initial, 0);
    EXPECT_EQ(part.sign_flips, 0);
    EXPECT_EQ(part.cosine_initial, 1);
    EXPECT_TRUE(std::isnan(part.grad_norm) && std::isnan(part.update_norm));
    EXPECT_TRUE(std::isnan(part.distance_pretrained) && std::isnan(part.cosine_pretrained)) << "no checkpoint";
  }
}

// A checkpoint with all but the head, its values the initial ones times 3.
TEST(Diagnostics, DistanceAndCosineToThePretrainedWeights) {
  Watched run(1);
  run.source.pretrained = [&](const params::Parameter& p) {
    std::vector<float> values;
    if (!p.head)
      for (std::int64_t i = p.offset; i < p.offset + p.size; ++i)
        values.push_back(3 * run.initial[static_cast<std::size_t>(i)]);
    return values;
  };
  run.train(true);
  for (const PartDiagnosis& part : run.sink.diagnoses.front().parts) {
    if (part.part == 5) {
      EXPECT_TRUE(std::isnan(part.distance_pretrained) && std::isnan(part.cosine_pretrained));
      continue;
    }
    EXPECT_NEAR(part.distance_pretrained, 2 * part.weight_norm, 1e-6 * part.weight_norm) << "3 w is rounded to float";
    EXPECT_NEAR(part.cosine_pretrained, 1, 1e-6);
  }
}

TEST(Diagnostics, ActivationsAreThoseOfTheFirstSequences) {
  Watched run(8, [](auto&) {});
  run.train(true);
  const batch::Batch batch = data::slice(run.f.batches.train(0), 0, kDiagnosedSequences);
  model::LayerStatistics statistics(batch);
  model::observe(small_model(), config::HeadKind::classifier, 2, run.f.bert.parameters(), run.f.bert.values(), batch,
                 std::ref(statistics));
  const auto& measured = run.sink.diagnoses.back().layers;
  ASSERT_EQ(measured.size(), statistics.layers().size());
  for (std::size_t i = 0; i < measured.size(); ++i) {
    EXPECT_EQ(measured[i].stddev, statistics.layers()[i].stddev);
    EXPECT_EQ(measured[i].cosine, statistics.layers()[i].cosine);
  }
  EXPECT_NE(measured[1].stddev, run.sink.diagnoses.front().layers[1].stddev) << "training changed the weights";
}

TEST(Diagnostics, AStepThatFailsLeavesNone) {
  Watched run(4, [](auto& t) { t.optimizer.learning_rate = 1e30; });
  run.train(true);
  EXPECT_EQ(run.outcome.state, record::State::failed);
  EXPECT_EQ(std::ssize(run.sink.diagnoses), std::ssize(run.sink.steps)) << "step 0 and the steps before the failure";
}

}  // namespace
}  // namespace initlab::train
