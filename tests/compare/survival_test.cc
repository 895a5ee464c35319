// Steps to a threshold as survival data against lifelines, statsmodels and enumeration, and cases by hand.
#include "compare/survival.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "compare/sign_flip.hpp"
#include "golden.hpp"

namespace initlab::compare {
namespace {

using Observations = std::vector<Observation>;

Observations observations(const base::Json& json) {
  Observations read;
  for (const base::Json& item : json) read.push_back({item.at("time").get<double>(), item.at("reached").get<bool>()});
  return read;
}

void expect_time(const std::optional<double>& time, const base::Json& expected, const base::Json& item) {
  ASSERT_EQ(time.has_value(), !expected.is_null()) << item.dump();
  if (time) {
    EXPECT_EQ(*time, expected.get<double>()) << item.dump();
  }
}

TEST(KaplanMeier, IsLifelines) {
  for (const base::Json& item : golden_comparison("survival")) {
    const auto curve = kaplan_meier(observations(item.at("observations")));
    const base::Json& points = item.at("points");
    ASSERT_EQ(curve.size(), points.size());
    for (std::size_t i = 0; i < curve.size(); ++i) {
      EXPECT_EQ(curve[i].time, number(points[i], "time"));
      EXPECT_EQ(curve[i].at_risk, points[i].at("at_risk").get<std::size_t>());
      EXPECT_EQ(curve[i].reached, points[i].at("reached").get<std::size_t>());
      EXPECT_NEAR(curve[i].survival, number(points[i], "survival"), 1e-9);
      const SurvivalInterval interval = survival_interval(curve[i], number(item, "level"));
      EXPECT_NEAR(interval.low, points[i].at("interval")[0].get<double>(), 1e-9);
      EXPECT_NEAR(interval.high, points[i].at("interval")[1].get<double>(), 1e-9);
    }
    const SurvivalQuantile middle = median_time(curve, number(item, "level"));
    expect_time(middle.time, item.at("median"), item);
    expect_time(middle.low, item.at("median_interval")[0], item);
    expect_time(middle.high, item.at("median_interval")[1], item);
  }
}

TEST(RestrictedMean, IsLifelines) {
  int known = 0, pseudo = 0;
  for (const base::Json& item : golden_comparison("survival")) {
    const Observations runs = observations(item.at("observations"));
    const double horizon = number(item, "horizon");
    const auto result = restricted_mean(runs, horizon);
    ASSERT_EQ(result.has_value(), item.contains("restricted_mean")) << item.dump();
    const auto values = restricted_mean_pseudo_values(runs, horizon);
    ASSERT_EQ(values.has_value(), item.contains("pseudo_values")) << item.dump();
    if (result) {
      ++known;
      EXPECT_NEAR(result->mean, number(item, "restricted_mean"), 1e-7) << item.dump();
      EXPECT_NEAR(result->variance, number(item, "restricted_variance"), 1e-6) << item.dump();
    }
    if (values) {
      ++pseudo;
      for (std::size_t i = 0; i < values->size(); ++i)
        EXPECT_NEAR((*values)[i], numbers(item, "pseudo_values")[i], 1e-6) << item.dump();
    }
  }
  EXPECT_GE(known, 10);
  EXPECT_GE(pseudo, 10);
}

TEST(LogRankTest, IsLifelinesAndStatsmodels) {
  for (const base::Json& item : golden_comparison("log_rank")) {
    const Observations first = observations(item.at("first")), second = observations(item.at("second"));
    const LogRank result = log_rank(first, second);
    EXPECT_NEAR(result.statistic, number(item, "statistic"), 1e-9) << item.dump();
    EXPECT_NEAR(result.p, number(item, "p"), 1e-9) << item.dump();
    const LogRank mirror = log_rank(second, first);
    EXPECT_NEAR(mirror.p, result.p, 1e-12);
    EXPECT_NEAR(mirror.observed - mirror.expected, result.expected - result.observed, 1e-9);
    std::vector<Observations> first_strata(2), second_strata(2);
    for (std::size_t i = 0; i < first.size(); ++i) first_strata[i % 2].push_back(first[i]);
    for (std::size_t i = 0; i < second.size(); ++i) second_strata[i % 2].push_back(second[i]);
    const LogRank stratified = stratified_log_rank(first_strata, second_strata);
    EXPECT_NEAR(stratified.statistic, number(item.at("stratified"), "statistic"), 1e-9) << item.dump();
    EXPECT_NEAR(stratified.p, number(item.at("stratified"), "p"), 1e-9) << item.dump();
  }
}

TEST(PairedLogRank, IsTheShareOfAllSwaps) {
  for (const base::Json& item : golden_comparison("paired_log_rank"))
    EXPECT_NEAR(paired_log_rank_p(observations(item.at("first")), observations(item.at("second"))), number(item, "p"),
                1e-9)
        << item.dump();
}

TEST(Survival, KnowsNoUnitAndNoOrder) {
  const Observations first{{20, true}, {60, true}, {100, false}, {40, true}, {80, false}};
  const Observations second{{40, true}, {100, false}, {100, false}, {80, true}, {100, false}};
  const auto in_seconds = [](Observations runs) {
    for (Observation& run : runs) run.time *= 0.37;
    return runs;
  };
  EXPECT_NEAR(log_rank(in_seconds(first), in_seconds(second)).p, log_rank(first, second).p, 1e-12);
  EXPECT_EQ(paired_log_rank_p(in_seconds(first), in_seconds(second)), paired_log_rank_p(first, second));
  EXPECT_NEAR(restricted_mean(in_seconds(first), 37 * 0.8)->mean, 0.37 * restricted_mean(first, 80)->mean, 1e-12);
  Observations turned = first;
  std::reverse(turned.begin(), turned.end());
  EXPECT_EQ(restricted_mean(turned, 80)->mean, restricted_mean(first, 80)->mean);
}

TEST(Survival, NoneAndOneAndNever) {
  EXPECT_TRUE(kaplan_meier(Observations{}).empty());
  EXPECT_FALSE(median_time(kaplan_meier(Observations{}), 0.95).time);
  EXPECT_EQ(log_rank(Observations{}, Observations{}).p, 1);
  EXPECT_EQ(paired_log_rank_p(Observations{}, Observations{}), 1);
  EXPECT_FALSE(restricted_mean(Observations{}, 10));
  const Observations never(8, {500, false}), at_once(8, {20, true});
  EXPECT_FALSE(median_time(kaplan_meier(never), 0.95).time);
  EXPECT_EQ(median_time(kaplan_meier(at_once), 0.95).time, 20);
  EXPECT_EQ(restricted_mean(never, 500)->mean, 500);
  EXPECT_EQ(restricted_mean(at_once, 500)->mean, 20);
  EXPECT_FALSE(restricted_mean(never, 501)) << "nobody looked that long";
  EXPECT_EQ(restricted_mean(at_once, 501)->mean, 20);
  EXPECT_EQ(log_rank(never, never).p, 1);
  EXPECT_LT(log_rank(at_once, never).p, 1e-3);
  EXPECT_EQ(paired_log_rank_p(at_once, never), 2.0 / 256);
}

TEST(Survival, HalfIsHalfInSpiteOfRounding) {
  Observations ten;
  for (int i = 1; i <= 10; ++i) ten.push_back({10.0 * i, true});
  EXPECT_EQ(median_time(kaplan_meier(ten), 0.95).time, 50) << "9/10 8/9 7/8 6/7 5/6 is one half";
}

// Nobody left early: the pseudo-values are min(time, horizon), and the comparison is that of paired numbers.
TEST(RestrictedMean, OfRunsWatchedToTheHorizonIsThePairedComparisonOfTheirTimes) {
  const Observations first{{20, true}, {60, true}, {100, false}, {40, true}, {80, true}, {100, false}, {20, true}};
  const Observations second{{40, true}, {100, false}, {100, false}, {80, true}, {100, false}, {60, true}, {80, true}};
  const auto result = paired_restricted_mean_difference(first, second, 100, 0.95);
  ASSERT_TRUE(result);
  Numbers differences;
  for (std::size_t i = 0; i < first.size(); ++i) differences.push_back(first[i].time - second[i].time);
  const Interval student = student_t_interval(differences, 0.95);
  EXPECT_NEAR(result->difference, mean(differences), 1e-9);
  EXPECT_NEAR(result->interval.low, student.low, 1e-9);
  EXPECT_NEAR(result->interval.high, student.high, 1e-9);
  EXPECT_EQ(result->p, sign_flip_p(differences));
  EXPECT_FALSE(paired_restricted_mean_difference(first, second, 101, 0.95));
}

TEST(RestrictedMean, TheIntervalIsNormal) {
  const Interval interval = restricted_mean_interval({.mean = 100, .variance = 25}, 0.95);
  EXPECT_NEAR(interval.low, 100 - 5 * 1.959963984540054, 1e-9);
  EXPECT_NEAR(interval.high, 100 + 5 * 1.959963984540054, 1e-9);
}

}  // namespace
}  // namespace initlab::compare
