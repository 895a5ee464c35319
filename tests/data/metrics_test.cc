// Metrics against scikit-learn 1.9 and SciPy 1.17 on short sequences that both sides can form.
#include "data/metrics.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "base/error.hpp"

namespace initlab::data {
namespace {

constexpr double kTolerance = 1e-13;

template <class T, class Function>
std::vector<T> sequence(int n, Function f) {
  std::vector<T> values;
  for (int i = 0; i < n; ++i) values.push_back(static_cast<T>(f(i)));
  return values;
}

Score classes(const std::vector<std::string>& names, const std::vector<std::int32_t>& predicted,
              const std::vector<std::int32_t>& labels) {
  return score_classes(names, predicted, labels);
}

Score numbers(const std::vector<std::string>& names, const std::vector<float>& predicted,
              const std::vector<float>& targets) {
  return score_numbers(names, predicted, targets);
}

// sklearn.metrics of p = [int((i*7+3)%11 < 6)], y = [int((i*5+1)%7 < 4)], i < 40.
TEST(Metrics, TwoClassesAsScikitLearn) {
  const auto p = sequence<std::int32_t>(40, [](int i) { return (i * 7 + 3) % 11 < 6; });
  const auto y = sequence<std::int32_t>(40, [](int i) { return (i * 5 + 1) % 7 < 4; });
  const Score score = classes({"f1", "accuracy", "mcc"}, p, y);
  ASSERT_EQ(score.values.size(), 3U);
  EXPECT_NEAR(score.values[0], 0.5777777777777777, kTolerance);
  EXPECT_NEAR(score.values[1], 0.525, kTolerance);
  EXPECT_NEAR(score.values[2], 0.035578862907691904, kTolerance);
  EXPECT_FALSE(score.degenerate);
}

// The same with three classes: (i*7+3)%11%3 against (i*5+1)%7%3.
TEST(Metrics, ThreeClassesAsScikitLearn) {
  const auto p = sequence<std::int32_t>(40, [](int i) { return (i * 7 + 3) % 11 % 3; });
  const auto y = sequence<std::int32_t>(40, [](int i) { return (i * 5 + 1) % 7 % 3; });
  const Score score = classes({"accuracy", "mcc"}, p, y);
  EXPECT_NEAR(score.values[0], 0.325, kTolerance);
  EXPECT_NEAR(score.values[1], -0.022814059275476143, kTolerance);
}

// scipy.stats of x = (i*7+3)%11/4 - 1 and y = (i*5+1)%7/2, with many ties.
TEST(Metrics, CorrelationsAsScipy) {
  const auto x = sequence<float>(40, [](int i) { return (i * 7 + 3) % 11 / 4.0 - 1; });
  const auto y = sequence<float>(40, [](int i) { return (i * 5 + 1) % 7 / 2.0; });
  const Score score = numbers({"pearson", "spearman"}, x, y);
  EXPECT_NEAR(score.values[0], 0.1913334431310391, kTolerance);
  EXPECT_NEAR(score.values[1], 0.18754813467709866, kTolerance);
  EXPECT_FALSE(score.degenerate);
}

TEST(Metrics, TiesShareTheAverageRank) {
  const Score score =
      numbers({"pearson", "spearman"}, {0.1F, 0.2F, 0.2F, 0.2F, 0.9F, -3, 7, 7}, {1, 2, 3, 4, 5, 0, 5, 5});
  EXPECT_NEAR(score.values[0], 0.760930864683228, kTolerance);
  EXPECT_NEAR(score.values[1], 0.9559937503105924, kTolerance);
}

TEST(Metrics, ALargeOffsetCostsNoPrecision) {
  const auto x = sequence<float>(40, [](int i) { return 1e4 + (i * 7 + 3) % 11 / 64.0; });
  const auto y = sequence<float>(40, [](int i) { return (i * 5 + 1) % 7 / 2.0; });
  EXPECT_NEAR(numbers({"pearson"}, x, y).values[0], 0.19133344313103898, 1e-10);
}

TEST(Metrics, PerfectAndOppositePredictions) {
  EXPECT_EQ(classes({"accuracy", "f1", "mcc"}, {0, 1, 1, 0}, {0, 1, 1, 0}).values, (std::vector<double>{1, 1, 1}));
  EXPECT_EQ(classes({"accuracy", "f1", "mcc"}, {1, 0, 0, 1}, {0, 1, 1, 0}).values, (std::vector<double>{0, 0, -1}));
  EXPECT_EQ(numbers({"pearson", "spearman"}, {1, 2, 3}, {10, 20, 30}).values, (std::vector<double>{1, 1}));
  EXPECT_EQ(numbers({"pearson", "spearman"}, {3, 2, 1}, {10, 20, 30}).values, (std::vector<double>{-1, -1}));
}

TEST(Metrics, ConstantPredictionsAreDegenerateAndNeverNan) {
  const Score positive = classes({"accuracy", "f1", "mcc"}, {1, 1, 1, 1}, {0, 1, 1, 1});
  EXPECT_TRUE(positive.degenerate);
  EXPECT_EQ(positive.values, (std::vector<double>{0.75, 6.0 / 7.0, 0}));
  const Score negative = classes({"f1", "mcc"}, {0, 0}, {0, 0});
  EXPECT_TRUE(negative.degenerate);
  EXPECT_EQ(negative.values, (std::vector<double>{0, 0}));
  // 0.1 has no exact sum: a mean of three differs from 0.1 in the last bit.
  const Score constant = numbers({"pearson", "spearman"}, {0.1F, 0.1F, 0.1F}, {1, 2, 3});
  EXPECT_TRUE(constant.degenerate);
  EXPECT_EQ(constant.values, (std::vector<double>{0, 0}));
}

TEST(Metrics, ConstantTargetsGiveZeroButAreNotThePredictionsFault) {
  const Score score = numbers({"pearson", "spearman"}, {1, 2, 3}, {0.1F, 0.1F, 0.1F});
  EXPECT_EQ(score.values, (std::vector<double>{0, 0}));
  EXPECT_FALSE(score.degenerate);
}

TEST(Metrics, NothingAndWhatIsNotFiniteAreDegenerate) {
  EXPECT_EQ(classes({"accuracy", "f1", "mcc"}, {}, {}).values, (std::vector<double>{0, 0, 0}));
  EXPECT_TRUE(classes({"accuracy"}, {}, {}).degenerate);
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    const Score score = numbers({"pearson", "spearman"}, {1, bad, 3}, {1, 2, 3});
    EXPECT_EQ(score.values, (std::vector<double>{0, 0}));
    EXPECT_TRUE(score.degenerate);
  }
  const float large = std::numeric_limits<float>::max();
  EXPECT_NEAR(numbers({"pearson"}, {-large, 0, large}, {1, 2, 3}).values[0], 1, kTolerance);
}

TEST(Metrics, AnUnknownNameIsAnError) {
  try {
    classes({"acuracy"}, {1}, {1});
    FAIL() << "no error";
  } catch (const base::Error& error) {
    EXPECT_STREQ(error.what(),
                 "metric: expected one of accuracy, f1, mcc, got \"acuracy\"\n  hint: did you mean \"accuracy\"?");
  }
  EXPECT_THROW(numbers({"accuracy"}, {1}, {1}), base::Error);
}

}  // namespace
}  // namespace initlab::data
