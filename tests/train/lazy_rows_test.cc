// Word rows that are updated lazily end where the dense update ends, bit for bit.
#include "train/lazy_rows.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/random.hpp"
#include "train/optimizer.hpp"
#include "train/schedule.hpp"

namespace initlab::train {
namespace {

TEST(LazyRows, SelectGivesEachRowOnceAndInOrder) {
  LazyRows rows(200, 1, 0);
  std::vector<float> values(200, 1.0f), first(200, 0.0f), second(200, 0.0f);
  const compute::AdamBlocks blocks{values.data(), nullptr, first.data(), second.data(), nullptr};
  for (int repeat = 0; repeat < 2; ++repeat) {
    rows.select(std::vector<std::int32_t>{64, 199, 3, 64, 0, 63, 3}, blocks);
    EXPECT_TRUE(std::ranges::equal(rows.selected(), std::vector<std::int32_t>{0, 3, 63, 64, 199}));
    rows.select({}, blocks);
    EXPECT_TRUE(rows.selected().empty());
  }
}

TEST(LazyRows, ARowMissesTheStepsThatItIsNotSelectedIn) {
  LazyRows rows(3, 1, 1);  // a float stands before the table
  std::vector<float> values = {7, 1, 1, 1}, first(4, 0.0f), second(4, 0.0f);
  const compute::AdamBlocks blocks{values.data(), nullptr, first.data(), second.data(), nullptr};
  compute::AdamStep step;
  step.learning_rate = 1;
  step.weight_decay = 0.5;  // a step without gradient halves
  const compute::AdamConstants half = compute::adam_constants(step);
  rows.select(std::vector<std::int32_t>{0}, blocks);
  rows.stepped(half, blocks);
  rows.stepped(half, blocks);
  EXPECT_EQ(values, (std::vector<float>{7, 1, 1, 1})) << "all wait";
  rows.select(std::vector<std::int32_t>{0, 2}, blocks);
  EXPECT_EQ(values, (std::vector<float>{7, 1, 1, 0.25f})) << "row 0 made both, row 2 missed both, row 1 waits";
  rows.stepped(half, blocks);
  rows.catch_up(blocks);
  EXPECT_EQ(values, (std::vector<float>{7, 1, 0.125f, 0.25f}));
  rows.catch_up(blocks);
  EXPECT_EQ(values, (std::vector<float>{7, 1, 0.125f, 0.25f})) << "nothing is missing any more";
}

TEST(LazyRows, AreUsedWhereTheyAreExact) {
  const auto with = [](auto&& change) {
    config::TrainingConfig training;
    change(training);
    return word_rows(training, config::HeadKind::classifier);
  };
  EXPECT_EQ(with([](auto&) {}), WordRows::lazy);
  EXPECT_EQ(with([](auto& t) { t.optimizer.epsilon = 0; }), WordRows::dense);
  EXPECT_EQ(with([](auto& t) { t.optimizer.epsilon = 1e-50; }), WordRows::dense) << "0 as a float";
  EXPECT_EQ(with([](auto& t) { t.without = {"lazy_embeddings"}; }), WordRows::dense);
  EXPECT_EQ(word_rows({}, config::HeadKind::regressor), WordRows::lazy);
  EXPECT_EQ(word_rows({}, config::HeadKind::mlm), WordRows::dense) << "the tied decoder";
}

constexpr std::int64_t kRows = 40, kWidth = 5;

params::ParameterTable table_with_words() {
  params::ParameterTable table;
  table.add("bert.embeddings.before.weight", params::Role::embedding, {3, kWidth}, -1, false);
  table.add("bert.embeddings.word_embeddings.weight", params::Role::embedding, {kRows, kWidth}, -1, false);
  table.add("bert.embeddings.position_embeddings.weight", params::Role::embedding, {4, kWidth}, -1, false);
  table.add("bert.embeddings.LayerNorm.weight", params::Role::norm_scale, {kWidth}, -1, false);
  table.add("bert.encoder.layer.0.output.dense.weight", params::Role::matrix, {kWidth, kWidth}, 0, false);
  table.add("classifier.weight", params::Role::matrix, {2, kWidth}, -1, true);
  return table;
}

// Training without a model: at step t the words of `ids(t)` and all other tensors get a made-up gradient.
class Course {
 public:
  explicit Course(config::TrainingConfig training, WordRows words)
      : training_(std::move(training)), start(normals()), adam(training_, table, start, words), values(start) {}
  // Words 0 and 1 at each step, a third of 2..9 now and then, one of 10..29 once (while there are any); 30..39 never.
  static std::vector<std::int32_t> ids(std::int64_t t) {
    std::vector<std::int32_t> list = {1, 0, 1};
    if (t % 3 == 0) list.push_back(static_cast<std::int32_t>(2 + t / 3 * 5 % 8));
    if (t % 5 == 0 && t < 100) list.push_back(static_cast<std::int32_t>(10 + t / 5));
    return list;
  }
  void step(std::int64_t t) {
    const std::vector<std::int32_t> words = ids(t);
    adam.expect(words, values);
    const base::Stream stream(3, "gradients");
    for (const params::Parameter& p : table.all()) {
      const bool is_words = p.name.find("word_embeddings") != std::string::npos;
      for (std::int64_t i = 0; i < p.size; ++i) {
        if (is_words && std::ranges::find(words, i / kWidth) == words.end()) continue;
        gradients[static_cast<std::size_t>(p.offset + i)] =
            static_cast<float>(stream.normal(static_cast<std::uint64_t>(1000 * t + p.offset + i)));
      }
    }
    norms.push_back(adam.norm(gradients));
    const config::ScheduleConfig schedule{.warmup = 0.1};
    adam.step(values, gradients, rate_factor(schedule, t, kSteps), clip_factor(norms.back(), training_.clip));
  }
  std::span<const float> words() const { return std::span(values).subspan(3 * kWidth, kRows * kWidth); }

  static constexpr std::int64_t kSteps = 100;
  params::ParameterTable table = table_with_words();

 private:
  std::vector<float> normals() const {
    std::vector<float> x(static_cast<std::size_t>(table.size()));
    const base::Stream stream(2, "values");
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(stream.normal(i));
    return x;
  }
  config::TrainingConfig training_;

 public:
  std::vector<float> start;
  Adam adam;
  std::vector<float> values;
  std::vector<float> gradients = std::vector<float>(static_cast<std::size_t>(table.size()), 0.0f);
  std::vector<double> norms;
};

config::TrainingConfig training_of(const std::string& name, double weight_decay) {
  config::TrainingConfig training;
  training.optimizer.name = name;
  training.optimizer.learning_rate = 0.01;
  training.optimizer.weight_decay = weight_decay;
  training.learning_rates.embeddings = 0.03;
  training.layer_decay = 0.9;
  return training;
}

class LazyAdam : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Forms, LazyAdam, testing::Values("adamw", "bert_adam"));

TEST_P(LazyAdam, EqualsDenseBitForBit) {
  for (const double weight_decay : {0.0, 0.2})
    for (const char* const to : {"zero", "initial"}) {
      config::TrainingConfig training = training_of(GetParam(), weight_decay);
      training.optimizer.weight_decay_to = to;
      Course lazy(training, WordRows::lazy), dense(training, WordRows::dense);
      for (std::int64_t t = 0; t < Course::kSteps; ++t) {
        lazy.step(t);
        dense.step(t);
        ASSERT_EQ(lazy.norms.back(), dense.norms.back()) << t;
        ASSERT_EQ(lazy.gradients, dense.gradients) << t;
      }
      EXPECT_NE(lazy.values, dense.values) << "no row was left behind: nothing was tested";
      lazy.adam.catch_up(lazy.values);
      EXPECT_EQ(lazy.values, dense.values) << weight_decay << " to " << to;
    }
}

// A row is as the dense update has it whenever a batch reads it.
TEST_P(LazyAdam, RowsOfABatchAreAtThePresent) {
  Course lazy(training_of(GetParam(), 0.2), WordRows::lazy), dense(training_of(GetParam(), 0.2), WordRows::dense);
  for (std::int64_t t = 0; t < Course::kSteps; ++t) {
    lazy.adam.expect(Course::ids(t), lazy.values);
    for (const std::int32_t word : Course::ids(t))
      for (std::size_t i = 0; i < kWidth; ++i) {
        const std::size_t at = static_cast<std::size_t>(word) * kWidth + i;
        ASSERT_EQ(lazy.words()[at], dense.words()[at]) << "word " << word << " at step " << t;
      }
    lazy.step(t);
    dense.step(t);
  }
}

// However often it is called, and beyond the number of steps that are kept.
TEST_P(LazyAdam, CatchingUpChangesNoBitOfWhatFollows) {
  const config::TrainingConfig training = training_of(GetParam(), 0.2);
  Course never(training, WordRows::lazy), often(training, WordRows::lazy), dense(training, WordRows::dense);
  for (std::int64_t t = 0; t < 2500; ++t) {
    for (Course* course : {&never, &often, &dense}) course->step(t);
    if (t % 7 == 0 || t % 50 < 3) {
      often.adam.catch_up(often.values);
      ASSERT_EQ(often.values, dense.values) << t;
    }
  }
  never.adam.catch_up(never.values);
  often.adam.catch_up(often.values);
  EXPECT_EQ(never.values, dense.values);
  EXPECT_EQ(often.values, dense.values);
}

// The dense update is the plain optimizer: the same numbers under another name are updated to the same bits.
TEST_P(LazyAdam, DenseIsTheUpdateOfAnyOtherTensor) {
  params::ParameterTable words, other;
  words.add("bert.embeddings.word_embeddings.weight", params::Role::embedding, {kRows, kWidth}, -1, false);
  other.add("bert.embeddings.other.weight", params::Role::embedding, {kRows, kWidth}, -1, false);
  const config::TrainingConfig training = training_of(GetParam(), 0.2);
  Adam one(training, words, {}, WordRows::dense), two(training, other);
  std::vector<float> a(kRows * kWidth, 1.0f), b = a, g(a.size()), h(a.size());
  for (std::int64_t t = 0; t < 10; ++t) {
    for (std::size_t i = 0; i < g.size(); ++i)
      g[i] = h[i] = static_cast<float>(base::Stream(4, "g").normal(static_cast<std::uint64_t>(t) * 1000 + i));
    one.expect(Course::ids(t), a);
    one.step(a, g, 1, 0.5);
    two.step(b, h, 1, 0.5);
  }
  EXPECT_EQ(a, b);
}

TEST(LazyWords, NormFindsOneGradientThatIsNotFinite) {
  Course run(training_of("adamw", 0.1), WordRows::lazy);
  run.step(0);
  run.adam.expect(Course::ids(5), run.values);
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    std::vector<float> gradients(run.gradients.size(), 0.0f);
    gradients[static_cast<std::size_t>(3 * kWidth + 11 * kWidth + 4)] = bad;  // word 11, of this batch
    EXPECT_FALSE(std::isfinite(run.adam.norm(gradients)));
  }
}

// Frozen words: their gradient is in no norm and is cleared, and they never decay.
TEST(LazyWords, FrozenRowsStayAsTheyAre) {
  for (const WordRows words : {WordRows::lazy, WordRows::dense}) {
    config::TrainingConfig training = training_of("adamw", 0.2);
    training.learning_rates.embeddings.reset();
    training.freeze = {"*.word_embeddings.weight"};
    Course frozen(training, words);
    for (std::int64_t t = 0; t < 10; ++t) {
      frozen.step(t);
      double squares = 0;
      for (const params::Parameter& p : frozen.table.all()) {
        if (p.name.find("word_embeddings") != std::string::npos) continue;
        for (std::int64_t i = 0; i < p.size; ++i)
          squares +=
              std::pow(static_cast<double>(static_cast<float>(
                           base::Stream(3, "gradients").normal(static_cast<std::uint64_t>(1000 * t + p.offset + i)))),
                       2);
      }
      EXPECT_NEAR(frozen.norms.back(), std::sqrt(squares), 1e-12 * std::sqrt(squares));
      EXPECT_EQ(frozen.gradients, std::vector<float>(frozen.gradients.size(), 0.0f));
    }
    frozen.adam.catch_up(frozen.values);
    EXPECT_TRUE(std::ranges::equal(frozen.words(), std::span(frozen.start).subspan(3 * kWidth, kRows * kWidth)));
    EXPECT_NE(frozen.values, frozen.start);
  }
}

}  // namespace
}  // namespace initlab::train
