// Intervals by resampling: the sign-flip interval against the inverted p-function, BCa against scipy on scipy's own
// resamples, and the multi-bootstrap against all draws of small designs.
#include "compare/resampling.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/random.hpp"
#include "compare/description.hpp"
#include "compare/sign_flip.hpp"
#include "golden.hpp"

namespace initlab::compare {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

Numbers shifted(Numbers values, double by, double factor = 1) {
  for (double& value : values) value = factor * value + by;
  return values;
}

Numbers normals(std::size_t n, const char* name, double center = 0) {
  const base::Stream stream(8, name);
  Numbers values;
  for (std::uint64_t i = 0; i < n; ++i) values.push_back(center + stream.normal(i));
  return values;
}

TEST(SignFlipInterval, InvertsTheTest) {
  for (const base::Json& item : golden_comparison("sign_flip_interval")) {
    const Interval interval = sign_flip_interval(numbers(item, "values"), number(item, "level"));
    const base::Json& ends = item.at("interval");
    if (ends[0].is_null()) {
      EXPECT_EQ(interval.low, -kInfinity) << item.dump();
      EXPECT_EQ(interval.high, kInfinity) << item.dump();
    } else {
      EXPECT_NEAR(interval.low, ends[0].get<double>(), 1e-9) << item.dump();
      EXPECT_NEAR(interval.high, ends[1].get<double>(), 1e-9) << item.dump();
    }
  }
}

// Its own p at its ends, just inside and just outside: exact and drawn.
TEST(SignFlipInterval, HoldsExactlyTheShiftsThatAreNotRejected) {
  for (const std::size_t n : {6u, 8u, 13u, 20u, 21u, 40u}) {
    const Numbers values = normals(n, "interval", 0.4);
    const Interval interval = sign_flip_interval(values, 0.95);
    const double alpha = 1 - 0.95;
    EXPECT_GT(sign_flip_p(shifted(values, -interval.low)), alpha) << n;
    EXPECT_GT(sign_flip_p(shifted(values, -interval.high)), alpha) << n;
    EXPECT_LE(sign_flip_p(shifted(values, -interval.low + 1e-7)), alpha) << n;
    EXPECT_LE(sign_flip_p(shifted(values, -interval.high - 1e-7)), alpha) << n;
  }
}

TEST(SignFlipInterval, FewPairsSayNothing) {
  EXPECT_EQ(sign_flip_interval(Numbers{}, 0.95).low, -kInfinity);
  EXPECT_EQ(sign_flip_interval(Numbers{1, 2, 3, 4, 5}, 0.95).high, kInfinity);
  EXPECT_TRUE(std::isfinite(sign_flip_interval(Numbers{1, 2, 3, 4, 5, 6}, 0.95).high));
  const Interval equal = sign_flip_interval(Numbers(8, 0.25), 0.95);
  EXPECT_EQ(equal.low, 0.25);
  EXPECT_EQ(equal.high, 0.25);
}

TEST(SignFlipInterval, MovesAndTurnsWithTheValues) {
  const Numbers values{0.3, -0.1, 0.8, 0.4, 0.2, 0.9, -0.3, 0.5};
  const Interval interval = sign_flip_interval(values, 0.9);
  const Interval moved = sign_flip_interval(shifted(values, 10), 0.9);
  EXPECT_NEAR(moved.low, interval.low + 10, 1e-12);
  EXPECT_NEAR(moved.high, interval.high + 10, 1e-12);
  const Interval turned = sign_flip_interval(shifted(values, 0, -2), 0.9);
  EXPECT_NEAR(turned.low, -2 * interval.high, 1e-12);
  EXPECT_NEAR(turned.high, -2 * interval.low, 1e-12);
}

TEST(Bca, IsScipysOnItsResamples) {
  for (const base::Json& item : golden_comparison("bca")) {
    const Interval interval = bca_interval_of(numbers(item, "resampled"), number(item, "observed"),
                                              numbers(item, "left_out"), number(item, "level"));
    EXPECT_NEAR(interval.low, item.at("interval")[0].get<double>(), 1e-9) << item.at("statistic");
    EXPECT_NEAR(interval.high, item.at("interval")[1].get<double>(), 1e-9) << item.at("statistic");
  }
}

TEST(Bca, IsSeededAndNearStudentsForManyNormalValues) {
  const Numbers values = normals(400, "bca");
  const Interval interval = bca_interval(values, 0.95), student = student_t_interval(values, 0.95);
  EXPECT_NEAR(interval.low, student.low, 0.1 * (student.high - student.low));
  EXPECT_NEAR(interval.high, student.high, 0.1 * (student.high - student.low));
  EXPECT_EQ(interval.low, bca_interval(values, 0.95).low);
  EXPECT_NE(interval.low, bca_interval(values, 0.95, mean, {.seed = 2}).low);
  const Interval of_median = bca_interval(values, 0.95, median);
  EXPECT_LT(of_median.low, median(values));
  EXPECT_GT(of_median.high, median(values));
}

TEST(Bca, OfEqualValuesIsThatValue) {
  const Interval interval = bca_interval(Numbers(60, 0.5), 0.95);
  EXPECT_EQ(interval.low, 0.5);
  EXPECT_EQ(interval.high, 0.5);
}

// The mean score of a run over the drawn examples; a run is a row.
RunMetric mean_score(const std::vector<Numbers>& scores) {
  return [&scores](std::size_t run, std::span<const std::uint32_t> examples) {
    double sum = 0;
    for (const std::uint32_t example : examples) sum += scores[run][example];
    return sum / static_cast<double>(examples.size());
  };
}

double nothing(std::size_t, std::span<const std::uint32_t>) { return 0; }

TEST(MultiBootstrap, IsThatOfAllDraws) {
  constexpr std::int64_t kResamples = 40'000;
  for (const base::Json& item : golden_comparison("multi_bootstrap")) {
    const auto scores = item.at("scores").get<std::vector<Numbers>>();
    const MultiBootstrap result =
        multi_bootstrap(mean_score(scores), nothing, scores.size(), scores[0].size(), 0.5, {kResamples, 1});
    EXPECT_NEAR(result.difference, number(item, "difference"), 1e-12);
    // A standard deviation from m draws is known to about 1 / sqrt(2 m): 4 such errors, for tails no heavier than
    // normal.
    const double relative = 4 / std::sqrt(2.0 * kResamples);
    EXPECT_NEAR(result.stddev / number(item, "stddev"), 1, relative);
    EXPECT_NEAR(result.seeds_stddev / number(item, "seeds_stddev"), 1, relative);
    EXPECT_NEAR(result.examples_stddev / number(item, "examples_stddev"), 1, relative);
  }
}

TEST(MultiBootstrap, PairsSeedsAndExamples) {
  const std::vector<Numbers> arm{{1, 0, 1, 1}, {0, 0, 1, 1}, {1, 1, 1, 0}};
  std::vector<Numbers> worse = arm;
  for (Numbers& run : worse) run = shifted(run, -0.25);
  const MultiBootstrap result = multi_bootstrap(mean_score(arm), mean_score(worse), 3, 4, 0.95);
  EXPECT_NEAR(result.difference, 0.25, 1e-12);
  EXPECT_NEAR(result.stddev, 0, 1e-12) << "whatever is drawn, it is drawn for both";
  EXPECT_LT(result.p, 1e-9);
  const MultiBootstrap reverse = multi_bootstrap(mean_score(worse), mean_score(arm), 3, 4, 0.95);
  EXPECT_NEAR(reverse.interval.low, -0.25, 1e-9);
}

// Examples that do not vary leave the seeds' own t interval, and seeds that do not vary the examples'.
TEST(MultiBootstrap, OfOneSourceAloneIsStudents) {
  const Numbers values = normals(8, "source", 0.3);
  std::vector<Numbers> by_seed, by_example(8, values);
  for (const double value : values) by_seed.emplace_back(6, value);
  const Interval student = student_t_interval(values, 0.95);
  for (const auto& scores : {by_seed, by_example}) {
    const MultiBootstrap result = multi_bootstrap(mean_score(scores), nothing, 8, scores[0].size(), 0.95, {40'000, 1});
    EXPECT_NEAR(result.freedom, 7, 1e-6);
    EXPECT_NEAR(result.interval.low, student.low, 0.03 * (student.high - student.low));
    EXPECT_NEAR(result.interval.high, student.high, 0.03 * (student.high - student.low));
    const double mean_by_error = mean(values) / (stddev(values) / std::sqrt(8.0));
    EXPECT_NEAR(result.difference / result.standard_error, mean_by_error, 0.03 * std::abs(mean_by_error));
  }
}

TEST(MultiBootstrap, DrawsAgainWhereAMetricIsNotDefined) {
  // Defined only where example 0 is among the drawn: 1 - (3/4)^4 = 68 % of the draws.
  const auto fussy = [](std::size_t run, std::span<const std::uint32_t> examples) {
    for (const std::uint32_t example : examples)
      if (example == 0) return 1.0 + static_cast<double>(run);
    return std::nan("");
  };
  const MultiBootstrap result = multi_bootstrap(fussy, nothing, 2, 4, 0.9);
  EXPECT_EQ(result.difference, 1.5);
  EXPECT_EQ(result.examples_stddev, 0) << "1 and 2 on every list that counts";
  EXPECT_NEAR(result.seeds_stddev, 0.5 / std::sqrt(2.0), 0.02);
  EXPECT_TRUE(std::isfinite(result.interval.low) && std::isfinite(result.interval.high));
}

}  // namespace
}  // namespace initlab::compare
