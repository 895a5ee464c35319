// Tests and effect sizes of paired arms against scipy, statsmodels and rliable, and cases by hand.
#include "compare/paired_tests.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "compare/sign_flip.hpp"
#include "golden.hpp"

namespace initlab::compare {
namespace {

TEST(SignedRank, IsScipysAndThatOfAllPatterns) {
  for (const base::Json& item : golden_comparison("wilcoxon")) {
    const Wilcoxon result = wilcoxon_signed_rank(numbers(item, "differences"));
    EXPECT_EQ(result.n, item.at("n").get<std::size_t>()) << item.dump();
    EXPECT_EQ(result.positive_ranks, number(item, "positive_ranks")) << item.dump();
    EXPECT_NEAR(result.p, number(item, "p"), 1e-9) << item.dump();
    EXPECT_EQ(result.exact, result.n <= kExactRanks);
  }
}

TEST(SignedRank, CasesByHand) {
  EXPECT_EQ(wilcoxon_signed_rank(Numbers{}).p, 1);
  EXPECT_EQ(wilcoxon_signed_rank(Numbers{0, 0, 0}).p, 1);
  EXPECT_EQ(wilcoxon_signed_rank(Numbers{0, 0, 0}).n, 0u);
  EXPECT_EQ(wilcoxon_signed_rank(Numbers{1, 2, 3}).p, 0.25);
  EXPECT_EQ(wilcoxon_signed_rank(Numbers{0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8}).p, 2.0 / 256);
  EXPECT_EQ(wilcoxon_signed_rank(Numbers(8, -0.1)).p, 2.0 / 256);
  // 279/408 - 276/408 and 276/408 - 273/408 differ in their last bits and tie all the same.
  const Wilcoxon ties = wilcoxon_signed_rank(Numbers{279. / 408 - 276. / 408, 276. / 408 - 273. / 408, -0.5});
  EXPECT_EQ(ties.positive_ranks, 3);
}

TEST(SignedRank, KnowsNoUnitAndTurnsWithTheSigns) {
  const Numbers values{0.3, -0.1, 0.8, 0.4, 0.25, 0.9, -0.35};
  Numbers turned = values, large = values;
  for (double& value : turned) value = -value;
  for (double& value : large) value *= 1e6;
  EXPECT_EQ(wilcoxon_signed_rank(turned).p, wilcoxon_signed_rank(values).p);
  EXPECT_EQ(wilcoxon_signed_rank(large).p, wilcoxon_signed_rank(values).p);
  EXPECT_EQ(wilcoxon_signed_rank(turned).positive_ranks + wilcoxon_signed_rank(values).positive_ranks, 28);
}

TEST(Dz, IntervalsInvertTheNoncentralT) {
  for (const base::Json& item : golden_comparison("cohen_dz")) {
    const auto effect = cohen_dz(numbers(item, "differences"), number(item, "level"));
    ASSERT_TRUE(effect);
    EXPECT_NEAR(effect->value, number(item, "value"), 1e-9) << item.dump();
    const double scale = std::max(1.0, std::abs(effect->value));
    EXPECT_NEAR(effect->interval.low / scale, item.at("interval")[0].get<double>() / scale, 1e-6) << item.dump();
    EXPECT_NEAR(effect->interval.high / scale, item.at("interval")[1].get<double>() / scale, 1e-6) << item.dump();
  }
}

TEST(Dz, HasZeroInsideWhereStudentsIntervalHas) {
  for (const double shift : {0.0, 0.3, 0.5, 0.7, 1.5}) {
    Numbers values{0.1, -0.4, 0.9, -0.6, 0.2, 0.3, -0.5};
    for (double& value : values) value += shift;
    const Interval student = student_t_interval(values, 0.95), effect = cohen_dz(values, 0.95)->interval;
    EXPECT_EQ(effect.low > 0, student.low > 0) << shift;
  }
}

TEST(Dz, OfDifferencesThatHardlyVary) {
  EXPECT_FALSE(cohen_dz(Numbers{}, 0.95));
  EXPECT_FALSE(cohen_dz(Numbers{1}, 0.95));
  EXPECT_FALSE(cohen_dz(Numbers(8, 0.1), 0.95)) << "equal but for rounding";
  EXPECT_FALSE(cohen_dz(Numbers(8, 0.0), 0.95));
  // On both sides of the change of method, |t| = 1000: the interval per unit of d_z goes on smoothly.
  const auto per_unit = [](double shift) {
    const Numbers values{shift - 1, shift + 1, shift - 1, shift + 1, shift};
    const auto effect = cohen_dz(values, 0.95);
    return Interval{effect->interval.low / effect->value, effect->interval.high / effect->value};
  };
  const Interval below = per_unit(440), above = per_unit(450);  // t = 984 and 1006
  EXPECT_NEAR(below.low, above.low, 1e-4);
  EXPECT_NEAR(below.high, above.high, 1e-4);
  EXPECT_NEAR(per_unit(-450).low, above.high, 1e-12) << "mirrored";
}

TEST(ProbabilityOfImprovement, IsRliablesWithNewcombesInterval) {
  for (const base::Json& item : golden_comparison("probability_of_improvement")) {
    const auto result =
        probability_of_improvement(numbers(item, "arm"), numbers(item, "baseline"), number(item, "level"));
    ASSERT_TRUE(result);
    EXPECT_NEAR(result->value, number(item, "value"), 1e-12) << item.dump();
    EXPECT_NEAR(result->interval.low, item.at("interval")[0].get<double>(), 1e-9) << item.dump();
    EXPECT_NEAR(result->interval.high, item.at("interval")[1].get<double>(), 1e-9) << item.dump();
  }
}

TEST(ProbabilityOfImprovement, MirrorsAndNeverShrinksToAPoint) {
  const Numbers arm{0.8, 0.9, 0.85, 0.7}, baseline{0.6, 0.75, 0.8, 0.5, 0.4};
  const auto result = probability_of_improvement(arm, baseline, 0.95);
  const auto mirror = probability_of_improvement(baseline, arm, 0.95);
  EXPECT_NEAR(result->value + mirror->value, 1, 1e-15);
  EXPECT_NEAR(result->interval.low + mirror->interval.high, 1, 1e-12);
  const auto separate = probability_of_improvement(Numbers{2, 2.1, 2.2}, Numbers{1, 1.1, 1.2}, 0.95);
  EXPECT_EQ(separate->value, 1);
  EXPECT_EQ(separate->interval.high, 1);
  EXPECT_LT(separate->interval.low, 0.7) << "three runs each do not prove much";
  EXPECT_EQ(probability_of_improvement(arm, arm, 0.95)->value, 0.5);
  EXPECT_FALSE(probability_of_improvement(arm, Numbers{}, 0.95));
}

TEST(PairingGain, IsNumpys) {
  for (const base::Json& item : golden_comparison("pairing")) {
    const auto result = pairing(numbers(item, "arm"), numbers(item, "baseline"));
    ASSERT_TRUE(result);
    EXPECT_NEAR(result->correlation, number(item, "correlation"), 1e-9) << item.dump();
    EXPECT_NEAR(result->seeds_factor / number(item, "seeds_factor"), 1, 1e-9) << item.dump();
  }
}

TEST(PairingGain, ByHand) {
  // Equal variances: 1 / (1 - correlation).
  const auto equal = pairing(Numbers{1, 2, 3, 4}, Numbers{2, 1, 3, 4});
  EXPECT_NEAR(equal->correlation, 0.8, 1e-12);
  EXPECT_NEAR(equal->seeds_factor, 5, 1e-12);
  EXPECT_LT(pairing(Numbers{1, 2, 3, 4}, Numbers{4, 3, 2, 1})->seeds_factor, 1) << "pairing that hurts";
  EXPECT_TRUE(std::isinf(pairing(Numbers{1, 2, 3}, Numbers{2, 3, 4})->seeds_factor));
  const auto constant = pairing(Numbers{1, 2, 3}, Numbers{5, 5, 5});
  EXPECT_TRUE(std::isnan(constant->correlation));
  EXPECT_EQ(constant->seeds_factor, 1);
  EXPECT_TRUE(std::isnan(pairing(Numbers{1, 1}, Numbers{5, 5})->seeds_factor));
  EXPECT_FALSE(pairing(Numbers{1}, Numbers{2}));
}

TEST(McNemarTest, IsStatsmodels) {
  for (const base::Json& item : golden_comparison("mcnemar_tests")) {
    const McNemar result = mcnemar(item.at("only_first"), item.at("only_second"));
    EXPECT_NEAR(result.exact_p, number(item, "exact"), 1e-9) << item.dump();
    EXPECT_NEAR(result.mid_p, number(item, "mid"), 1e-9) << item.dump();
    EXPECT_LE(result.mid_p, result.exact_p);
  }
}

}  // namespace
}  // namespace initlab::compare
