// Almost stochastic order against rational arithmetic and deepsig.
#include "compare/dominance.hpp"

#include <gtest/gtest.h>

#include "golden.hpp"

namespace initlab::compare {
namespace {

TEST(Dominance, TheViolationRatioIsExact) {
  for (const base::Json& item : golden_comparison("dominance")) {
    const double ratio = violation_ratio(numbers(item, "arm"), numbers(item, "baseline"));
    EXPECT_NEAR(ratio, number(item, "violation"), 1e-9) << item.dump();
    EXPECT_NEAR(ratio, number(item, "deepsig"), 0.01) << "on a grid of 0.0005 levels: " << item.dump();
  }
}

// Both draw: their standard deviations are of 400 and 9,999 resamples.
TEST(Dominance, TheBoundIsNearDeepsigs) {
  int compared = 0;
  for (const base::Json& item : golden_comparison("dominance")) {
    const auto result = almost_stochastic_order(numbers(item, "arm"), numbers(item, "baseline"));
    ASSERT_EQ(result.has_value(), item.contains("deepsig_bound"));
    if (!result) continue;
    ++compared;
    EXPECT_NEAR(result->violation, number(item, "violation"), 1e-9);
    EXPECT_NEAR(result->upper_bound, number(item, "deepsig_bound"), 0.05) << item.dump();
    EXPECT_GE(result->upper_bound, result->violation);
  }
  EXPECT_GE(compared, 4);
}

TEST(Dominance, CasesByHand) {
  EXPECT_EQ(violation_ratio(Numbers{2}, Numbers{1}), 0);
  EXPECT_EQ(violation_ratio(Numbers{1}, Numbers{2}), 1);
  EXPECT_EQ(violation_ratio(Numbers{1, 2}, Numbers{2, 1}), 0.5) << "equal";
  EXPECT_EQ(violation_ratio(Numbers{0, 3}, Numbers{1, 1}), 1.0 / 5) << "1^2 against, 2^2 for";
}

TEST(Dominance, TheTwoDirectionsAddUpToOneAndKnowNoUnit) {
  const Numbers arm{0.3, 0.9, 0.5, 0.7}, baseline{0.4, 0.6, 0.2, 0.8, 0.55};
  EXPECT_NEAR(violation_ratio(arm, baseline) + violation_ratio(baseline, arm), 1, 1e-12);
  Numbers large_arm = arm, large_baseline = baseline;
  for (double& value : large_arm) value = 100 * value + 7;
  for (double& value : large_baseline) value = 100 * value + 7;
  EXPECT_NEAR(violation_ratio(large_arm, large_baseline), violation_ratio(arm, baseline), 1e-12);
}

TEST(Dominance, RefusesFewValues) {
  const Numbers few(kDominanceNeeds - 1, 1.0), enough(kDominanceNeeds, 0.5);
  EXPECT_FALSE(almost_stochastic_order(few, enough));
  EXPECT_FALSE(almost_stochastic_order(enough, few));
  EXPECT_TRUE(almost_stochastic_order(enough, enough));
}

}  // namespace
}  // namespace initlab::compare
