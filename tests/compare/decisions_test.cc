// Families, equivalence, looks and curves against statsmodels, numpy, an integration of its own kind and printed
// tables.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "compare/curves.hpp"
#include "compare/equivalence.hpp"
#include "compare/families.hpp"
#include "compare/looks.hpp"
#include "golden.hpp"

namespace initlab::compare {
namespace {

TEST(Families, AreStatsmodels) {
  for (const base::Json& item : golden_comparison("families")) {
    const Numbers p = numbers(item, "p"), by_holm = holm(p), by_bh = benjamini_hochberg(p);
    ASSERT_EQ(by_holm.size(), p.size());
    for (std::size_t i = 0; i < p.size(); ++i) {
      EXPECT_NEAR(by_holm[i], numbers(item, "holm")[i], 1e-12) << item.dump();
      EXPECT_NEAR(by_bh[i], numbers(item, "benjamini_hochberg")[i], 1e-12) << item.dump();
      EXPECT_LE(p[i], by_bh[i] + 1e-15);
      EXPECT_LE(by_bh[i], by_holm[i] + 1e-15);
    }
  }
}

TEST(Families, OfNoneAndOne) {
  EXPECT_TRUE(holm(Numbers{}).empty());
  EXPECT_TRUE(holm_levels(Numbers{}, 0.05).empty());
  EXPECT_TRUE(benjamini_hochberg(Numbers{}).empty());
  EXPECT_EQ(holm(Numbers{0.03}), Numbers{0.03});
  EXPECT_EQ(holm(Numbers{1, 1, 1}), (Numbers{1, 1, 1}));
}

// With the others as they are, a p just below its level is rejected, and one just above it is not.
TEST(Families, LevelsAreWhereHolmRejects) {
  constexpr double kAlpha = 0.05;
  EXPECT_EQ(holm_levels(Numbers{0.001, 0.04, 0.03}, kAlpha), (Numbers{kAlpha / 3, kAlpha / 2, kAlpha / 2}));
  EXPECT_EQ(holm_levels(Numbers{0.001, 0.001, 0.03}, kAlpha), (Numbers{kAlpha / 3, kAlpha / 3, kAlpha}));
  for (const base::Json& item : golden_comparison("families")) {
    const Numbers p = numbers(item, "p"), levels = holm_levels(p, kAlpha);
    for (std::size_t i = 0; i < p.size(); ++i) {
      EXPECT_EQ(holm(p)[i] < kAlpha, p[i] < levels[i]) << item.dump();
      Numbers moved = p;
      moved[i] = levels[i] * (1 - 1e-12);
      EXPECT_LT(holm(moved)[i], kAlpha) << item.dump();
      if (p[i] < levels[i]) continue;  // after it, others may have made room for a larger one
      moved[i] = levels[i] * (1 + 1e-12);
      EXPECT_GE(holm(moved)[i], kAlpha) << item.dump();
    }
  }
}

TEST(Tost, IsStatsmodels) {
  for (const base::Json& item : golden_comparison("equivalence")) {
    const Equivalence result = tost(numbers(item, "values"), number(item, "margin"));
    EXPECT_NEAR(result.p, number(item, "p"), 1e-9) << item.dump();
    EXPECT_NEAR(result.p_below, number(item, "p_below"), 1e-9) << item.dump();
    EXPECT_NEAR(result.p_above, number(item, "p_above"), 1e-9) << item.dump();
    EXPECT_NEAR(result.interval.low, item.at("interval")[0].get<double>(), 1e-9);
    EXPECT_NEAR(result.interval.high, item.at("interval")[1].get<double>(), 1e-9);
    const double margin = number(item, "margin");
    EXPECT_EQ(result.equivalent, -margin < result.interval.low && result.interval.high < margin) << item.dump();
  }
}

TEST(Tost, OfValuesWithoutSpread) {
  EXPECT_TRUE(tost(Numbers(8, 0.0), 0.01).equivalent) << "a random arm that always gives the constant class";
  EXPECT_EQ(tost(Numbers(8, 0.0), 0.01).p, 0);
  EXPECT_FALSE(tost(Numbers(8, 0.5), 0.25).equivalent);
  EXPECT_FALSE(tost(Numbers(8, 0.25), 0.25).equivalent) << "at the margin is not within it";
  EXPECT_FALSE(tost(Numbers(8, -0.25), 0.25).equivalent);
}

TEST(Looks, AreThoseOfAnotherIntegration) {
  for (const base::Json& item : golden_comparison("looks")) {
    const Spending spending = item.at("spending") == "pocock" ? Spending::pocock : Spending::obrien_fleming;
    const Numbers fractions = numbers(item, "fractions"), bounds = numbers(item, "bounds");
    const std::vector<Look> looks = look_thresholds(fractions, spending, number(item, "alpha"));
    ASSERT_EQ(looks.size(), bounds.size());
    for (std::size_t i = 0; i < looks.size(); ++i) {
      EXPECT_NEAR(looks[i].bound, bounds[i], 1e-6) << item.dump();
      EXPECT_NEAR(looks[i].threshold, std::erfc(looks[i].bound / std::sqrt(2.0)), 1e-15);
      EXPECT_EQ(looks[i].fraction, fractions[i]);
    }
    if (fractions.back() == 1) {
      EXPECT_NEAR(looks.back().spent, number(item, "alpha"), 1e-12);
    }
  }
}

// Five equal looks, two-sided 0.05: the values that software for Lan-DeMets bounds prints (DeMets and Lan 1994;
// Reboussin et al. 2000).
TEST(Looks, AreThePrintedTables) {
  const Numbers fractions{0.2, 0.4, 0.6, 0.8, 1.0};
  const auto strict = look_thresholds(fractions, Spending::obrien_fleming, 0.05);
  const auto even = look_thresholds(fractions, Spending::pocock, 0.05);
  const Numbers strict_bounds{4.877, 3.357, 2.680, 2.290, 2.031}, even_bounds{2.438, 2.427, 2.410, 2.397, 2.386};
  for (std::size_t i = 0; i < fractions.size(); ++i) {
    EXPECT_NEAR(strict[i].bound, strict_bounds[i], 6e-4) << i;
    EXPECT_NEAR(even[i].bound, even_bounds[i], 6e-4) << i;
  }
}

TEST(Looks, OneLookAtTheEndIsThePlainTest) {
  for (const Spending spending : {Spending::obrien_fleming, Spending::pocock})
    EXPECT_NEAR(look_thresholds(Numbers{1.0}, spending, 0.05)[0].threshold, 0.05, 1e-12);
  EXPECT_TRUE(look_thresholds(Numbers{}, Spending::pocock).empty());
  const auto early = look_thresholds(Numbers{0.01, 1.0}, Spending::obrien_fleming, 0.05);
  EXPECT_TRUE(std::isinf(early[0].bound)) << "nothing to spend yet";
  EXPECT_NEAR(early[1].threshold, 0.05, 1e-12);
}

// Added looks never make a later one cheaper, and a look's threshold does not depend on what follows.
TEST(Looks, DoNotDependOnTheFuture) {
  const auto three = look_thresholds(Numbers{0.3, 0.6, 1.0}, Spending::pocock, 0.05);
  const auto two = look_thresholds(Numbers{0.3, 0.6}, Spending::pocock, 0.05);
  EXPECT_EQ(three[0].bound, two[0].bound);
  EXPECT_EQ(three[1].bound, two[1].bound);
  EXPECT_LT(three[2].threshold, look_thresholds(Numbers{0.6, 1.0}, Spending::pocock, 0.05)[1].threshold);
}

TEST(Curves, TheMeanHeightIsNumpysTrapezoid) {
  for (const base::Json& item : golden_comparison("curves")) {
    Curve curve;
    for (std::size_t i = 0; i < item.at("at").size(); ++i)
      curve.push_back({numbers(item, "at")[i], numbers(item, "value")[i]});
    EXPECT_NEAR(mean_height(curve), number(item, "mean_height"), 1e-9) << item.dump();
  }
  EXPECT_TRUE(std::isnan(mean_height(Curve{})));
  EXPECT_EQ(mean_height(Curve{{10, 0.7}}), 0.7);
  EXPECT_NEAR(mean_height(Curve{{0, 0.5}, {1, 0.5}, {100, 0.5}}), 0.5, 1e-15) << "uneven steps weigh by their length";
}

TEST(Curves, TheBandIsPointwiseAtExactPlaces) {
  const std::vector<Curve> curves{{{0, 1}, {10, 2}, {20, 3}}, {{0, 3}, {10, 4}}, {{0, 2}, {15, 9}}};
  const std::vector<BandPoint> points = band(curves, 0.9);
  ASSERT_EQ(points.size(), 4u);
  EXPECT_EQ(points[0].n, 3u);
  EXPECT_EQ(points[0].mean, 2);
  EXPECT_EQ(points[0].interval->low, student_t_interval(Numbers{1, 3, 2}, 0.9).low);
  EXPECT_EQ(points[1].at, 10);
  EXPECT_EQ(points[1].n, 2u);
  EXPECT_EQ(points[1].mean, 3);
  EXPECT_EQ(points[2].at, 15);
  EXPECT_EQ(points[2].mean, 9) << "no value of another place is taken";
  EXPECT_FALSE(points[2].interval);
  EXPECT_TRUE(band(std::vector<Curve>{}, 0.95).empty());
}

TEST(Curves, LeavingAPlateauIsForGood) {
  const Curve loss{{10, 9}, {20, 6.1}, {30, 5.4}, {40, 5.9}, {50, 5.3}, {60, 4}};
  EXPECT_EQ(leaves_plateau(loss, 6, 0.5, false), 50) << "the dip at 30 was noise";
  EXPECT_EQ(leaves_plateau(loss, 6, 0, false), 30);
  EXPECT_FALSE(leaves_plateau(loss, 4, 0.1, false));
  EXPECT_FALSE(leaves_plateau(loss, 4, 0, false)) << "on it is not beyond it";
  EXPECT_FALSE(leaves_plateau(Curve{}, 6, 0.1, false));
  const Curve accuracy{{10, 0.05}, {20, 0.06}, {30, 0.2}};
  EXPECT_EQ(leaves_plateau(accuracy, 0.05, 0.02, true), 30);
}

}  // namespace
}  // namespace initlab::compare
