// What intervals and tests promise, on few simulated experiments: seconds. coverage_test.cc has the long run.
#include "simulation.hpp"

#include <gtest/gtest.h>

namespace initlab::compare::simulation {
namespace {

constexpr int kExperiments = 2000;
constexpr std::size_t kSeeds = 8;

void expect_at_most(const Rate& rate, double alpha, const std::string& what) {
  EXPECT_LE(rate.value, alpha + 3 * rate.error(alpha)) << what;
}

TEST(Coverage, AtEightSeedsUnderNormalErrors) {
  for (const IntervalOf& interval : {IntervalOf(by_t), IntervalOf(by_sign_flip)}) {
    const Rate covered = mean_coverage(kExperiments, interval, Errors::normal, kSeeds);
    EXPECT_GE(covered.value, 0.93);
    EXPECT_LE(covered.value, 0.97);
  }
}

TEST(Coverage, TheSignFlipIntervalNeedsSymmetryAlone) {
  for (const Errors errors : {Errors::tied, Errors::heavy}) {
    const Rate covered = mean_coverage(kExperiments, by_sign_flip, errors, kSeeds);
    EXPECT_GE(covered.value, 0.95 - 3 * covered.error(0.95));
  }
}

TEST(Coverage, OfEffectSizes) {
  for (const double truth : {0.0, 1.0}) {
    const Rate covered = dz_coverage(kExperiments / 4, truth, kSeeds);
    EXPECT_NEAR(covered.value, 0.95, 3 * covered.error(0.95)) << truth;
  }
  for (const double correlation : {0.0, 0.7}) {
    const Rate covered = improvement_coverage(kExperiments, 0.5, correlation, kSeeds);
    EXPECT_GE(covered.value, 0.95 - 3 * covered.error(0.95)) << correlation;
  }
}

TEST(FalseClaims, AreAtMostAlpha) {
  for (const auto& [errors, name] : all_errors()) {
    if (errors == Errors::skewed) continue;  // these tests ask for symmetry; docs/STATISTICS.md has the numbers
    expect_at_most(false_claims(kExperiments, sign_flip_p, errors, kSeeds), 0.05, "sign-flip, " + name);
    expect_at_most(false_claims(kExperiments, wilcoxon_p, errors, kSeeds), 0.05, "signed rank, " + name);
  }
  expect_at_most(false_equivalences(kExperiments, 0.5, kSeeds), 0.05, "TOST at its margin");
  expect_at_most(false_mcnemar(kExperiments, false, 100), 0.05, "McNemar");
  expect_at_most(false_mcnemar(kExperiments, true, 100), 0.05, "McNemar, mid-p");
  for (const double correlation : {0.0, 0.7})
    expect_at_most(false_log_rank(kExperiments, true, correlation, kSeeds), 0.05, "paired log-rank");
  expect_at_most(false_log_rank(kExperiments, false, 0, 30), 0.05, "log-rank");
  expect_at_most(false_restricted_mean(kExperiments, 0.5, kSeeds), 0.05, "restricted mean");
}

TEST(FalseClaims, OfFamiliesAreAtMostAlpha) {
  const Rate adjusted = any_false_claim(kExperiments, true, 5, kSeeds);
  expect_at_most(adjusted, 0.05, "Holm");
  EXPECT_GT(any_false_claim(kExperiments, false, 5, kSeeds).value, 0.10) << "what the adjustment is for";
  EXPECT_LE(false_discovery_rate(kExperiments, 6, kSeeds), 0.05);
}

TEST(FalseClaims, OfRepeatedLooksAreAtMostAlpha) {
  const std::vector<std::size_t> looks{6, 8, 10, 12};
  expect_at_most(false_looks(kExperiments, Peeking::obrien_fleming, looks), 0.05, "O'Brien-Fleming");
  expect_at_most(false_looks(kExperiments, Peeking::pocock, looks), 0.05, "Pocock");
  EXPECT_GT(false_looks(kExperiments, Peeking::unadjusted, looks).value, 0.08) << "what the spending is for";
}

TEST(FalseClaims, OfDominanceAreAtMostAlphaWhereABoundIsGiven) {
  expect_at_most(false_dominance(kExperiments / 8, kDominanceBorder, kDominanceNeeds), 0.05, "almost stochastic order");
}

TEST(FalseClaims, OfTheMultiBootstrapAreAtMostAlpha) {
  for (const Parts parts : {Parts{1, 0.1, 0.1}, Parts{0.2, 1, 0.1}})
    expect_at_most(false_multi_bootstrap(kExperiments / 8, parts, kSeeds, 30), 0.05, "multi-bootstrap");
}

}  // namespace
}  // namespace initlab::compare::simulation
