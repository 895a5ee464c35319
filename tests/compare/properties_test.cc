// What must not change a result, for every statistic of paired arms: the order of replicates, the unit, and which arm
// is named first. And what comes out where there is next to nothing to go by.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "compare/description.hpp"
#include "compare/dominance.hpp"
#include "compare/equivalence.hpp"
#include "compare/families.hpp"
#include "compare/paired_tests.hpp"
#include "compare/resampling.hpp"
#include "compare/sign_flip.hpp"

namespace initlab::compare {
namespace {

using Numbers = std::vector<double>;

struct Arms {
  Numbers arm, baseline;
  Numbers differences() const {
    Numbers result;
    for (std::size_t i = 0; i < arm.size(); ++i) result.push_back(arm[i] - baseline[i]);
    return result;
  }
};

// Of n replicates; accuracies on 408 examples, so that ties are common.
Arms drawn(std::size_t n, std::uint64_t seed) {
  const base::Stream stream(seed, "properties");
  Arms arms;
  for (std::uint64_t i = 0; i < n; ++i) {
    const double common = stream.normal(3 * i);
    arms.arm.push_back(std::round(300 + 4 * common + 3 * stream.normal(3 * i + 1)) / 408);
    arms.baseline.push_back(std::round(297 + 4 * common + 3 * stream.normal(3 * i + 2)) / 408);
  }
  return arms;
}

Arms reordered(const Arms& arms, std::uint64_t seed) {
  Arms result;
  for (const std::uint32_t i :
       base::permutation(base::Stream(seed, "order"), static_cast<std::uint32_t>(arms.arm.size()))) {
    result.arm.push_back(arms.arm[i]);
    result.baseline.push_back(arms.baseline[i]);
  }
  return result;
}

// Results without a unit.
std::map<std::string, double> shares_of(const Arms& arms) {
  const Numbers d = arms.differences();
  std::map<std::string, double> results = {{"sign-flip p", sign_flip_p(d)},
                                           {"signed-rank p", wilcoxon_signed_rank(d).p},
                                           {"violation ratio", violation_ratio(arms.arm, arms.baseline)}};
  const auto improvement = probability_of_improvement(arms.arm, arms.baseline, 0.9);
  results["improvement"] = improvement->value;
  results["improvement, low"] = improvement->interval.low;
  results["improvement, high"] = improvement->interval.high;
  const auto dz = cohen_dz(d, 0.9);
  results["d_z"] = dz->value;
  results["d_z, low"] = dz->interval.low;
  results["d_z, high"] = dz->interval.high;
  const auto saved = pairing(arms.arm, arms.baseline);
  results["correlation"] = saved->correlation;
  results["seeds factor"] = saved->seeds_factor;
  return results;
}

// Results in the unit of the values.
std::map<std::string, double> lengths_of(const Arms& arms) {
  const Numbers d = arms.differences();
  const Interval flips = sign_flip_interval(d, 0.9), student = student_t_interval(d, 0.9);
  const Description arm = describe(arms.arm);
  return {{"sign-flip low", flips.low}, {"sign-flip high", flips.high},
          {"t low", student.low},       {"t high", student.high},
          {"median", arm.median},       {"IQM", arm.interquartile_mean},
          {"stddev", arm.stddev},       {"best of 3", best_of_curve(arms.arm, true)[2]}};
}

void expect_equal(const std::map<std::string, double>& got, const std::map<std::string, double>& expected,
                  double factor) {
  for (const auto& [name, value] : expected)
    EXPECT_NEAR(got.at(name), factor * value, 1e-9 * (1 + std::abs(factor * value))) << name;
}

TEST(Properties, TheOrderOfReplicatesDoesNotMatter) {
  for (const std::size_t n : {6u, 8u, 15u}) {
    const Arms arms = drawn(n, n), turned = reordered(arms, n);
    expect_equal(shares_of(turned), shares_of(arms), 1);
    expect_equal(lengths_of(turned), lengths_of(arms), 1);
  }
}

TEST(Properties, TheUnitDoesNotMatter) {
  for (const double unit : {100.0, 1e-6, 1e12}) {
    const Arms arms = drawn(8, 1);
    Arms scaled = arms;
    for (Numbers* values : {&scaled.arm, &scaled.baseline})
      for (double& value : *values) value *= unit;
    expect_equal(shares_of(scaled), shares_of(arms), 1);
    expect_equal(lengths_of(scaled), lengths_of(arms), unit);
    EXPECT_NEAR(tost(scaled.differences(), 0.05 * unit).p, tost(arms.differences(), 0.05).p, 1e-12);
  }
}

TEST(Properties, SwappedArmsMirror) {
  const Arms arms = drawn(8, 2), swapped{arms.baseline, arms.arm};
  const auto there = shares_of(arms), back = shares_of(swapped);
  for (const char* same : {"sign-flip p", "signed-rank p", "correlation", "seeds factor"})
    EXPECT_NEAR(there.at(same), back.at(same), 1e-12) << same;
  for (const char* whole : {"violation ratio", "improvement"}) EXPECT_NEAR(there.at(whole) + back.at(whole), 1, 1e-12);
  EXPECT_NEAR(there.at("d_z, low"), -back.at("d_z, high"), 1e-9);
  EXPECT_NEAR(there.at("improvement, low") + back.at("improvement, high"), 1, 1e-9);
  const auto lengths = lengths_of(arms), mirrored = lengths_of(swapped);
  EXPECT_NEAR(lengths.at("sign-flip low"), -mirrored.at("sign-flip high"), 1e-12);
}

TEST(Properties, TestsAndTheirIntervalsAgree) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const Numbers d = drawn(8, seed).differences();
    const Interval flips = sign_flip_interval(d, 0.95);
    EXPECT_EQ(sign_flip_p(d) > 1 - 0.95, flips.low <= 1e-12 && flips.high >= -1e-12) << seed;
    const Interval inner = sign_flip_interval(d, 0.8);
    EXPECT_LE(flips.low, inner.low);
    EXPECT_GE(flips.high, inner.high);
  }
}

TEST(Properties, OneValueAndEqualValues) {
  const Numbers one{0.7}, equal(8, 0.7);
  EXPECT_EQ(describe(one).median, 0.7);
  EXPECT_EQ(describe(one).interquartile_mean, 0.7);
  EXPECT_TRUE(std::isnan(describe(one).stddev));
  EXPECT_EQ(best_of_curve(one, true), one);
  EXPECT_EQ(wilcoxon_signed_rank(one).p, 1);
  EXPECT_EQ(sign_flip_interval(one, 0.95).high, std::numeric_limits<double>::infinity());
  EXPECT_EQ(probability_of_improvement(one, one, 0.95)->value, 0.5);
  EXPECT_EQ(probability_of_improvement(equal, equal, 0.95)->value, 0.5);
  EXPECT_EQ(violation_ratio(equal, one), 0.5) << "equal distributions";
  EXPECT_EQ(interquartile_mean(equal), 0.7);
}

TEST(Properties, ManyValues) {
  const Arms arms = drawn(2000, 3);
  EXPECT_LT(wilcoxon_signed_rank(arms.differences()).p, 1e-6);
  EXPECT_FALSE(wilcoxon_signed_rank(arms.differences()).exact);
  const auto dz = cohen_dz(arms.differences(), 0.95);
  EXPECT_NEAR(dz->interval.high - dz->value, 1.96 * std::sqrt(1.0 / 2000), 0.1 * std::sqrt(1.0 / 2000) + 0.01);
  const auto improvement = probability_of_improvement(arms.arm, arms.baseline, 0.95);
  EXPECT_LT(improvement->interval.high - improvement->interval.low, 0.05);
  EXPECT_LT(holm(Numbers(2000, 1e-9)).front(), 1e-5);
}

}  // namespace
}  // namespace initlab::compare
