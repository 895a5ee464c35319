// The controls of a fair ablation: what is frozen stays, rates follow part and layer, mixout mixes as its paper says,
// decay to the initial values holds weights near them.
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "base/error.hpp"
#include "base/random.hpp"
#include "train/mixout.hpp"
#include "train/optimizer.hpp"
#include "train/task.hpp"
#include "train/trainer.hpp"

namespace initlab::train {
namespace {

std::span<const float> slice(std::span<const float> block, const params::Parameter& p) {
  return block.subspan(static_cast<std::size_t>(p.offset), static_cast<std::size_t>(p.size));
}

bool same(std::span<const float> a, std::span<const float> b) { return std::equal(a.begin(), a.end(), b.begin()); }

double distance(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
  return std::sqrt(sum);
}

// The group that a tensor is in.
const Group& group_of(const std::vector<Group>& groups, const params::Parameter& p) {
  for (const Group& g : groups)
    if (g.begin <= static_cast<std::size_t>(p.offset) && static_cast<std::size_t>(p.offset) < g.begin + g.count)
      return g;
  throw std::out_of_range(p.name);
}

params::ParameterTable classifier_table() {
  return params::bert_parameters(small_model(), config::HeadKind::classifier, 2);
}

std::string fault(const config::TrainingConfig& training, const params::ParameterTable& table) {
  try {
    update_groups(training, table);
  } catch (const base::Error& error) {
    return error.what();
  }
  return "accepted";
}

TEST(Groups, CoverTheBlockOnceAndMergeNeighbours) {
  const params::ParameterTable table = classifier_table();
  const std::vector<Group> groups = update_groups({}, table);
  std::size_t next = 0;
  for (const Group& g : groups) {
    EXPECT_EQ(g.begin, next);
    next += g.count;
  }
  EXPECT_EQ(next, static_cast<std::size_t>(table.size()));
  for (std::size_t i = 1; i < groups.size(); ++i) EXPECT_NE(groups[i].weight_decay, groups[i - 1].weight_decay);
}

TEST(Groups, LayerDecayIsExactAndMeetsThePartsOwnRates) {
  config::TrainingConfig training;
  training.optimizer.learning_rate = 1;
  training.layer_decay = 0.5;
  training.learning_rates.head = 3;
  training.learning_rates.norms = 8;
  const params::ParameterTable table = classifier_table();  // two layers
  const std::vector<Group> groups = update_groups(training, table);
  const std::map<std::string, double> rates = {
      {"bert.embeddings.word_embeddings.weight", 0.125},
      {"bert.embeddings.LayerNorm.weight", 0.125},
      {"bert.encoder.layer.0.attention.self.key.weight", 0.25},
      {"bert.encoder.layer.0.output.LayerNorm.bias", 8 * 0.25},
      {"bert.encoder.layer.1.intermediate.dense.bias", 0.5},
      {"bert.encoder.layer.1.attention.output.LayerNorm.weight", 8 * 0.5},
      {"bert.pooler.dense.weight", 1},
      {"classifier.weight", 3},
  };
  for (const auto& [name, rate] : rates) EXPECT_EQ(group_of(groups, table.at(name)).learning_rate, rate) << name;
}

// AdamW's first step is rate * sign(gradient) for every weight, whatever the gradient's size.
TEST(Groups, FirstStepIsEachTensorsOwnRate) {
  config::TrainingConfig training;
  training.optimizer.learning_rate = 1e-3;
  training.layer_decay = 0.9;
  training.learning_rates.embeddings = 1e-2;
  training.learning_rates.head = 5e-2;
  training.freeze = {"pooler", "*.layer.1.output.dense.*"};
  const params::ParameterTable table = classifier_table();
  const auto n = static_cast<std::size_t>(table.size());
  std::vector<float> values(n, 0.0f), gradients(n);
  const base::Stream stream(8, "gradients");
  for (std::size_t i = 0; i < n; ++i)
    gradients[i] = static_cast<float>((i % 2 == 0 ? 1 : -1) * (0.1 + stream.uniform(i)));
  Adam adam(training, table);
  adam.step(values, gradients, 0.5, 1);
  for (const params::Parameter& p : table.all()) {
    const double layer = p.layer == 0 ? 0.81 : p.layer == 1 ? 0.9 : 1;
    double rate = 1e-3 * layer;
    if (p.name.starts_with("bert.embeddings.")) rate = 1e-2 * 0.9 * 0.9 * 0.9;
    if (p.name.starts_with("classifier.")) rate = 5e-2;
    if (p.name.starts_with("bert.pooler.") || p.name.starts_with("bert.encoder.layer.1.output.dense.")) rate = 0;
    for (auto i = static_cast<std::size_t>(p.offset); i < static_cast<std::size_t>(p.offset + p.size); ++i) {
      ASSERT_NEAR(values[i], (i % 2 == 0 ? -0.5 : 0.5) * rate, 1e-6 * rate) << p.name;
      ASSERT_EQ(gradients[i], 0.0f) << p.name;
    }
  }
}

TEST(Groups, SettingsWithoutEffectAreErrors) {
  const params::ParameterTable table = classifier_table();
  config::TrainingConfig training;
  training.place = "x.yaml:4:11";
  const std::string start =
      "x.yaml:4:11: training.freeze: expected a part of the model or a pattern of tensor names, got ";
  training.freeze = {"embedings"};
  EXPECT_EQ(fault(training, table), start + "\"embedings\"\n  hint: did you mean \"embeddings\"?");
  training.freeze = {"bert.pooler.dense.wieght"};
  EXPECT_EQ(fault(training, table),
            start + "\"bert.pooler.dense.wieght\"\n  hint: did you mean \"bert.pooler.dense.weight\"?");
  training.freeze = {"*zzz*"};
  EXPECT_EQ(fault(training, table), start +
                                        "\"*zzz*\"\n  hint: parts are embeddings, attention, ffn, norms, pooler, head; "
                                        "names look like bert.embeddings.word_embeddings.weight, * is any run of "
                                        "characters");
  training.freeze = {"head", "bert.*"};
  EXPECT_EQ(fault(training, table),
            "x.yaml:4:11: training.freeze: expected at least one tensor that may move, got all of them frozen\n"
            "  hint: epochs: 0 evaluates without training");
  const params::ParameterTable mlm = params::bert_parameters(small_model(), config::HeadKind::mlm, 0);
  training.freeze = {"pooler"};
  EXPECT_EQ(fault(training, mlm), start + "\"pooler\"\n  hint: this model has no such part");
  training.freeze.clear();
  training.learning_rates.pooler = 1e-3;
  EXPECT_EQ(fault(training, mlm),
            "x.yaml:4:11: training.learning_rates.pooler: expected a part of the model, got this model has none of it\n"
            "  hint: remove it");
  EXPECT_EQ(fault(training, table), "accepted");
}

TEST(Freeze, FrozenTensorsKeepTheirBitsAndTheOthersMove) {
  Fixture f;
  f.training.freeze = {"embeddings", "*.layer.0.*"};
  f.training.optimizer.weight_decay = 0.1;
  const std::vector<float> before(f.bert.values().begin(), f.bert.values().end());
  run(f.training, f.seeds, f.batches, f.bert, f.sink, {});
  for (const params::Parameter& p : f.bert.parameters().all()) {
    const bool frozen = p.name.starts_with("bert.embeddings.") || p.layer == 0;
    const bool still = p.name.ends_with("key.bias");  // softmax does not see it: its gradient is zero
    EXPECT_EQ(same(slice(before, p), slice(f.bert.values(), p)), frozen || still) << p.name;
  }
}

TEST(Freeze, TheClippedNormIsThatOfWhatMoves) {
  Fixture f, twin;
  f.training.freeze = {"embeddings", "ffn"};
  f.training.steps = 1;
  f.training.dropout = 0;
  run(f.training, f.seeds, f.batches, f.bert, f.sink, {});
  const batch::Batch batch = twin.batches.train(0);
  twin.bert.forward(batch, {});
  twin.bert.backward(static_cast<float>(1.0 / static_cast<double>(batch.sequences())));
  double moving = 0, all = 0;
  for (const params::Parameter& p : twin.bert.parameters().all())
    for (const float g : slice(twin.bert.gradients(), p)) {
      const double square = static_cast<double>(g) * static_cast<double>(g);
      const params::Part part = params::part_of(p);
      all += square;
      if (part != params::Part::embeddings && part != params::Part::ffn) moving += square;
    }
  EXPECT_NEAR(f.sink.steps.at(0).grad_norm, std::sqrt(moving), 1e-6 * std::sqrt(moving));
  EXPECT_GT(std::sqrt(all), 1.05 * std::sqrt(moving)) << "the frozen part had no gradient: nothing was tested";
}

TEST(DecayToInitial, HoldsARunNearItsStart) {
  const auto moved = [](const std::string& to) {
    Fixture f;
    f.training.optimizer.weight_decay_to = to;
    f.training.optimizer.weight_decay = 100;  // 0.2 a step
    const std::vector<float> before(f.bert.values().begin(), f.bert.values().end());
    run(f.training, f.seeds, f.batches, f.bert, f.sink, {});
    return distance(before, f.bert.values());
  };
  EXPECT_LT(moved("initial"), 0.3 * moved("zero"));
}

TEST(Mixout, MixesTheEncodersMatricesAndPutsThemBack) {
  const params::ParameterTable table = classifier_table();
  const auto n = static_cast<std::size_t>(table.size());
  const base::Stream stream(6, "mixout test");
  std::vector<float> initial(n), weights(n), gradients(n, 1.0f);
  for (std::size_t i = 0; i < n; ++i) {
    initial[i] = static_cast<float>(stream.normal(i));
    weights[i] = static_cast<float>(stream.normal(n + i));
  }
  config::TrainingConfig training;
  training.mixout = 0.75;
  Mixout mixout(training, {}, table, initial);
  std::vector<float> mixed = weights;
  mixout.mix(3, mixed);
  std::int64_t replaced = 0, covered = 0;
  std::vector<bool> was_replaced(n, false);
  for (const params::Parameter& p : table.all()) {
    if (p.role != params::Role::matrix || p.head) {
      EXPECT_TRUE(same(slice(mixed, p), slice(weights, p))) << p.name;
      continue;
    }
    covered += p.size;
    for (auto i = static_cast<std::size_t>(p.offset); i < static_cast<std::size_t>(p.offset + p.size); ++i) {
      was_replaced[i] = mixed[i] == initial[i];
      replaced += was_replaced[i] ? 1 : 0;
    }
  }
  const double count = static_cast<double>(covered);
  EXPECT_NEAR(static_cast<double>(replaced), 0.75 * count, 5 * std::sqrt(count * 0.75 * 0.25));

  std::vector<float> another = weights;
  Mixout(training, {}, table, initial).mix(4, another);
  EXPECT_NE(another, mixed) << "each step draws anew";
  mixout.unmix(3, mixed, gradients);
  EXPECT_EQ(mixed, weights);
  for (const params::Parameter& p : table.all())
    for (auto i = static_cast<std::size_t>(p.offset); i < static_cast<std::size_t>(p.offset + p.size); ++i)
      ASSERT_EQ(gradients[i], p.role != params::Role::matrix || p.head ? 1.0f
                              : was_replaced[i]                        ? 0.0f
                                                                       : 4.0f)
          << p.name;
}

TEST(Mixout, NoProbabilityIsNoMixoutBitForBit) {
  Fixture none, rounded;
  rounded.training.mixout = 1e-6;  // rounds to 0 of 65536
  run(none.training, none.seeds, none.batches, none.bert, none.sink, {});
  run(rounded.training, rounded.seeds, rounded.batches, rounded.bert, rounded.sink, {});
  EXPECT_TRUE(same(none.bert.values(), rounded.bert.values()));
}

// Two facts of a run: the first step is as without mixout (the weights are the initial ones), and the more is mixed,
// the less the matrices leave their start.
TEST(Mixout, KeepsARunNearItsStart) {
  const auto trained = [](double p, std::vector<double>& losses) {
    Fixture f;
    f.training.mixout = p;
    f.training.dropout = 0;
    const std::vector<float> before(f.bert.values().begin(), f.bert.values().end());
    run(f.training, f.seeds, f.batches, f.bert, f.sink, {});
    for (const auto& step : f.sink.steps) losses.push_back(step.loss);
    double sum = 0;
    for (const params::Parameter& q : f.bert.parameters().all())
      if (q.role == params::Role::matrix && !q.head)
        sum += std::pow(distance(slice(before, q), slice(f.bert.values(), q)), 2);
    return std::sqrt(sum);
  };
  std::vector<double> plain, half, most;
  const double far = trained(0, plain), nearer = trained(0.5, half), nearest = trained(0.95, most);
  EXPECT_EQ(plain.at(0), half.at(0));
  EXPECT_NE(plain.at(5), half.at(5));
  EXPECT_LT(nearer, 0.9 * far);
  EXPECT_LT(nearest, 0.5 * nearer);
}

}  // namespace
}  // namespace initlab::train
