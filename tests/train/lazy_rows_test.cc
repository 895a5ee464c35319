// Word rows that are updated lazily end where the dense update ends: bit for bit without weight decay, within rounding
// with it. The equations are in train/lazy_rows.hpp.
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

constexpr double kEps = 0x1p-24;  // largest relative error of one rounding to float

std::vector<std::int64_t> written_rows(const LazyRows& rows) {
  std::vector<std::int64_t> list;
  rows.for_written([&](std::int64_t row) { list.push_back(row); });
  return list;
}

TEST(LazyRows, BringARowUpToDateOnceAndRoundItOnce) {
  LazyRows rows(130, 2, WordRows::lazy);
  std::vector<float> table(260);
  for (std::size_t i = 0; i < table.size(); ++i) table[i] = 1.0f + 0.001f * static_cast<float>(i);
  const std::vector<float> before = table;
  EXPECT_TRUE(rows.touch(std::vector<std::int32_t>{129, 3, 129, 64}, table));
  EXPECT_EQ(table, before) << "nothing is pending yet";
  EXPECT_EQ(written_rows(rows), (std::vector<std::int64_t>{3, 64, 129}));

  double product = 1;
  for (const double factor : {1 - 1e-9, 0.999, 0.98}) {
    rows.decay(factor);
    product *= factor;
  }
  EXPECT_FALSE(rows.touch(std::vector<std::int32_t>{3, 64}, table));
  EXPECT_EQ(table, before) << "written rows are the optimizer's";
  EXPECT_TRUE(rows.touch(std::vector<std::int32_t>{3, 63}, table));
  EXPECT_EQ(rows.written(), 4);
  for (std::size_t i = 0; i < table.size(); ++i)
    EXPECT_EQ(table[i], i / 2 == 63 ? before[i] * static_cast<float>(product) : before[i]) << i;
}

TEST(LazyRows, ReadersSeeWhatAWriteWouldWrite) {
  LazyRows rows(70, 3, WordRows::lazy);
  std::vector<float> table(210);
  for (std::size_t i = 0; i < table.size(); ++i) table[i] = static_cast<float>(base::Stream(1, "rows").normal(i));
  rows.touch(std::vector<std::int32_t>{0, 65}, table);
  rows.decay(0.9);
  rows.decay(0.7);
  const std::vector<float> before = table;
  const model::LateRows late = rows.late();
  std::vector<float> read = table, copy(table.size());
  for (std::int64_t row = 0; row < 70; ++row) {
    EXPECT_EQ(late.late(row), row != 0 && row != 65) << row;
    if (late.late(row))
      for (std::size_t i = 0; i < 3; ++i) read[static_cast<std::size_t>(row) * 3 + i] *= late.factor;
  }
  rows.catch_up(table, copy);
  EXPECT_EQ(table, before) << "reading writes nothing";
  EXPECT_EQ(copy, read);

  std::vector<float> all = table;
  LazyRows twin = rows;
  std::vector<std::int32_t> ids(70);
  for (std::int32_t i = 0; i < 70; ++i) ids[static_cast<std::size_t>(i)] = i;
  twin.touch(ids, all);
  EXPECT_EQ(all, read);
  rows.settle(table);
  EXPECT_EQ(table, read);
  rows.settle(table);
  EXPECT_EQ(table, read) << "settled twice is settled once";
  EXPECT_EQ(rows.late().factor, 1.0f);
}

TEST(LazyRows, DenseOnesAreAllWritten) {
  LazyRows rows(67, 1, WordRows::dense);
  std::vector<float> table(67, 2.0f);
  rows.decay(0.5);
  EXPECT_EQ(rows.written(), 67);
  EXPECT_EQ(written_rows(rows).back(), 66);
  EXPECT_FALSE(rows.touch(std::vector<std::int32_t>{0, 66}, table));
  rows.settle(table);
  EXPECT_EQ(table, std::vector<float>(67, 2.0f));
}

TEST(LazyRows, AreUsedWhereTheyAreExact) {
  config::TrainingConfig training;
  EXPECT_EQ(word_rows(training, config::HeadKind::classifier), WordRows::lazy);
  EXPECT_EQ(word_rows(training, config::HeadKind::regressor), WordRows::lazy);
  EXPECT_EQ(word_rows(training, config::HeadKind::mlm), WordRows::dense) << "the tied decoder";
  const auto with = [](auto&& change) {
    config::TrainingConfig changed;
    change(changed);
    return word_rows(changed, config::HeadKind::classifier);
  };
  EXPECT_EQ(with([](auto& t) { t.optimizer.epsilon = 0; }), WordRows::dense);
  EXPECT_EQ(with([](auto& t) { t.optimizer.epsilon = 1e-50; }), WordRows::dense) << "0 as a float";
  EXPECT_EQ(with([](auto& t) { t.mixout = 0.1; }), WordRows::dense);
  EXPECT_EQ(with([](auto& t) { t.optimizer.weight_decay_to = "initial"; }), WordRows::dense);
  EXPECT_EQ(with([](auto& t) { t.without = {"lazy_embeddings"}; }), WordRows::dense);
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
      : training_(std::move(training)), adam(training_, table, {}, words) {
    const base::Stream stream(2, "values");
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(stream.normal(i));
    start = values;
  }
  // Words 0..9 at each step, one more of 10..29 every fifth step; 30..39 never.
  static std::vector<std::int32_t> ids(std::int64_t t) {
    std::vector<std::int32_t> list = {4, 0, 9, 1, 1, 2, 3, 8, 7, 6, 5};
    if (t % 5 == 0) list.push_back(static_cast<std::int32_t>(10 + t / 5));
    return list;
  }
  void step(std::int64_t t) {
    const std::vector<std::int32_t> words = ids(t);
    adam.touch(words, values);
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
  std::span<const float> words(const std::vector<float>& block) const {
    return std::span(block).subspan(3 * kWidth, kRows * kWidth);
  }

  static constexpr std::int64_t kSteps = 100;
  params::ParameterTable table = table_with_words();

 private:
  config::TrainingConfig training_;

 public:
  Adam adam;
  std::vector<float> values = std::vector<float>(static_cast<std::size_t>(table.size()));
  std::vector<float> gradients = std::vector<float>(static_cast<std::size_t>(table.size()), 0.0f);
  std::vector<float> start;
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

TEST_P(LazyAdam, EqualsDenseBitForBitWithoutDecay) {
  Course lazy(training_of(GetParam(), 0), WordRows::lazy), dense(training_of(GetParam(), 0), WordRows::dense);
  for (std::int64_t t = 0; t < Course::kSteps; ++t) {
    lazy.step(t);
    dense.step(t);
    ASSERT_EQ(lazy.norms.back(), dense.norms.back()) << t;
    ASSERT_EQ(lazy.values, dense.values) << t;
    ASSERT_EQ(lazy.gradients, dense.gradients) << t;
  }
}

// The dense update rounds 1 - lr wd (half an eps below 1) and the product (an eps) each step, the lazy one rounds P and
// the product once. A row that is touched late carries that difference on, and from then on both round alike, but from
// numbers that differ: two roundings more a step.
TEST_P(LazyAdam, EqualsDenseWithinRoundingWithDecay) {
  Course lazy(training_of(GetParam(), 0.2), WordRows::lazy), dense(training_of(GetParam(), 0.2), WordRows::dense);
  double product = 1;
  for (std::int64_t t = 0; t < Course::kSteps; ++t) {
    lazy.step(t);
    dense.step(t);
    ASSERT_EQ(lazy.norms.back(), dense.norms.back()) << t;
    product *= 1 - 0.03 * 0.9 * 0.9 * rate_factor({.warmup = 0.1}, t, Course::kSteps) * 0.2;
  }
  ASSERT_LT(product, 0.8) << "hardly any decay: nothing was tested";
  EXPECT_EQ(lazy.adam.late_rows().factor, static_cast<float>(product));
  const auto never = [](std::size_t i) { return i / kWidth >= 30; };
  for (std::size_t i = 0; i < kRows * kWidth; ++i)
    if (never(i)) {
      EXPECT_EQ(lazy.words(lazy.values)[i], lazy.words(lazy.start)[i]) << "left as it stood";
    }

  std::vector<float> copy(lazy.values.size());
  lazy.adam.catch_up(lazy.values, copy);
  lazy.adam.settle(lazy.values);
  EXPECT_EQ(copy, lazy.values);
  for (std::size_t i = 0; i < kRows * kWidth; ++i) {
    const double expected = dense.words(dense.values)[i], got = lazy.words(lazy.values)[i];
    const double size = std::max(std::fabs(static_cast<double>(lazy.words(lazy.start)[i])), std::fabs(expected));
    const bool always = i / kWidth < 10;
    const double roundings = always ? 0 : never(i) ? 1.5 * Course::kSteps + 2 : 3.5 * Course::kSteps + 2;
    EXPECT_NEAR(got, expected, roundings * kEps * size) << "word " << i / kWidth;
    if (never(i)) {
      EXPECT_NEAR(got, product * lazy.words(lazy.start)[i], 2 * kEps * size);
    }
  }
  for (const params::Parameter& p : lazy.table.all()) {
    if (p.name.find("word_embeddings") != std::string::npos) continue;
    for (auto i = static_cast<std::size_t>(p.offset); i < static_cast<std::size_t>(p.offset + p.size); ++i)
      ASSERT_EQ(lazy.values[i], dense.values[i]) << p.name;
  }
}

// All rows written is the plain optimizer: the same numbers under another name are updated to the same bits.
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
    one.touch(Course::ids(t), a);
    one.step(a, g, 1, 0.5);
    two.step(b, h, 1, 0.5);
  }
  EXPECT_EQ(a, b);
}

TEST(LazyWords, NormFindsOneGradientThatIsNotFinite) {
  Course run(training_of("adamw", 0.1), WordRows::lazy);
  run.step(0);
  run.adam.touch(Course::ids(5), run.values);
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    std::vector<float> gradients(run.gradients.size(), 0.0f);
    gradients[static_cast<std::size_t>(3 * kWidth + 11 * kWidth + 4)] = bad;  // word 11, touched a moment ago
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
    frozen.adam.settle(frozen.values);
    EXPECT_TRUE(std::ranges::equal(frozen.words(frozen.values), frozen.words(frozen.start)));
    EXPECT_NE(frozen.values, frozen.start);
  }
}

}  // namespace
}  // namespace initlab::train
