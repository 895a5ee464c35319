// Claims: what a spec states before the runs, and the three things that can be said of it afterwards.
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.hpp"
#include "compare/compare.hpp"
#include "compare/runs.hpp"

namespace initlab::compare {
namespace {

using testing::run;
using Outcome = ClaimVerdict::Outcome;
using Runs = std::vector<record::Run>;

// As sweep::describe_comparison writes it. A claim has all keys.
std::string claim(const std::string& given) {
  base::Json object = {{"equal", nullptr},  {"to", nullptr},   {"margin", nullptr},
                       {"better", nullptr}, {"than", nullptr}, {"order", base::Json::array()}};
  object.update(base::parse_json(given, "test"));
  return base::json_text(object);
}

std::string design(const std::vector<std::string>& claims) {
  std::string text = R"({"claims":[)";
  for (std::size_t i = 0; i < claims.size(); ++i) text += (i > 0 ? "," : "") + claim(claims[i]);
  return text + R"(],"anchors":[],"planned_seeds":null})";
}

// n seeds of pretrained (0.9), half (0.7) and zero (0.5, the constant class), each within 0.004 of it and never equal.
Runs three_arms(std::int64_t n, const std::vector<std::string>& claims) {
  Runs runs;
  for (std::int64_t r = 0; r < n; ++r) {
    const double noise = 0.001 * static_cast<double>((r * 3) % 7 - 3);
    runs.push_back(run("pretrained", r, {{0, 0.5}, {20, 0.9 + noise}}));
    runs.push_back(run("half", r, {{0, 0.5}, {20, 0.7 - noise}}));
    runs.push_back(run("zero", r, {{0, 0.5}, {20, 0.5 + noise * (r % 2 == 0 ? 1 : 0.25)}}));
  }
  for (record::Run& one : runs) one.header.design = design(claims);
  return runs;
}

ClaimVerdict judged(std::int64_t n, const std::string& claim, const Options& options = {}) {
  const Comparison result = compare(three_arms(n, {claim}), options);
  EXPECT_EQ(result.claims.size(), 1U);
  return result.claims.at(0);
}

TEST(Claims, BetterIsReproducedRefutedOrOpen) {
  EXPECT_EQ(judged(8, R"({"better":"pretrained","than":"zero"})").outcome, Outcome::reproduced);
  EXPECT_EQ(judged(8, R"({"better":"zero","than":"pretrained"})").outcome, Outcome::not_reproduced);
  EXPECT_EQ(judged(8, R"({"better":"half","than":"constant_class"})").outcome, Outcome::reproduced);
  const ClaimVerdict open = judged(8, R"({"better":"zero","than":"constant_class"})");
  EXPECT_EQ(open.outcome, Outcome::cannot_tell);
  EXPECT_EQ(open.reason, "the interval holds 0, or p is too large");
  EXPECT_GT(open.seeds_needed, 8U);
  const ClaimVerdict few = judged(5, R"({"better":"pretrained","than":"zero"})");
  EXPECT_EQ(few.outcome, Outcome::cannot_tell);
  EXPECT_EQ(few.p, 0.0625);
  EXPECT_EQ(few.reason, "5 seeds cannot give p < 0.05");
  EXPECT_EQ(judged(1, R"({"better":"pretrained","than":"zero"})").reason, "one seed says nothing about the spread");
}

TEST(Claims, ALowerLossIsBetter) {
  Runs runs = three_arms(8, {R"({"better":"pretrained","than":"zero"})"});
  for (record::Run& one : runs) one.header.metric = "loss", one.header.better = "lower";
  EXPECT_EQ(compare(runs, {}).claims.at(0).outcome, Outcome::reproduced);
}

TEST(Claims, EqualNeedsTheMargin) {
  const ClaimVerdict equal = judged(8, R"({"equal":"zero","to":"constant_class","margin":0.02})");
  EXPECT_EQ(equal.outcome, Outcome::reproduced);
  EXPECT_LT(equal.p, 0.001);
  ASSERT_TRUE(equal.ci90.has_value());
  EXPECT_GT(equal.ci90->low, -0.02);
  EXPECT_LT(equal.ci90->high, 0.02);
  EXPECT_EQ(judged(8, R"({"equal":"half","to":"constant_class","margin":0.02})").outcome, Outcome::not_reproduced);
  const ClaimVerdict narrow = judged(8, R"({"equal":"zero","to":"constant_class","margin":0.0001})");
  EXPECT_EQ(narrow.outcome, Outcome::cannot_tell);
  EXPECT_EQ(narrow.reason, "the interval goes beyond the margin, and not all of it lies there");
  EXPECT_EQ(judged(8, R"({"equal":"pretrained","to":"half","margin":0.3})").outcome, Outcome::reproduced);
}

TEST(Claims, RunsThatAllPredictOneClassEqualIt) {
  Runs runs = testing::eight_pairs();
  for (record::Run& one : runs)
    one.header.design = design(
        {R"({"equal":"zero","to":"constant_class","margin":0.02})", R"({"better":"zero","than":"constant_class"})"});
  const Comparison result = compare(runs, {});
  EXPECT_EQ(result.claims.at(0).outcome, Outcome::reproduced);
  EXPECT_EQ(result.claims.at(0).p, 0);
  EXPECT_EQ(result.claims.at(1).outcome, Outcome::not_reproduced) << "never different is not better";
  std::erase_if(runs, [](const record::Run& one) { return one.header.replicate > 1; });
  EXPECT_EQ(compare(runs, {}).claims.at(1).reason, "2 seeds cannot give p < 0.05") << "two equal seeds are no proof";
}

TEST(Claims, AnOrderIsAsSureAsItsLeastSureLink) {
  const ClaimVerdict order = judged(8, R"({"order":["pretrained","half","zero"]})");
  EXPECT_EQ(order.outcome, Outcome::reproduced);
  ASSERT_EQ(order.links.size(), 2U);
  EXPECT_NEAR(order.links[0].difference, 0.2, 0.01);
  EXPECT_EQ(order.p, std::max(order.links[0].p, order.links[1].p));
  EXPECT_EQ(judged(8, R"({"order":["pretrained","zero","half"]})").outcome, Outcome::not_reproduced);
  EXPECT_EQ(judged(8, R"({"order":["pretrained","half","zero","constant_class"]})").outcome, Outcome::cannot_tell);
}

TEST(Claims, AreOneFamily) {
  const std::string better = R"({"better":"pretrained","than":"zero"})";
  const Comparison six = compare(three_arms(8, std::vector<std::string>(6, better)), {});
  for (const ClaimVerdict& claim : six.claims) EXPECT_EQ(claim.outcome, Outcome::reproduced);
  EXPECT_NEAR(six.claims[0].p_holm, 6.0 / 128, 1e-12);
  const Comparison seven = compare(three_arms(8, std::vector<std::string>(7, better)), {});
  for (const ClaimVerdict& claim : seven.claims) {
    EXPECT_EQ(claim.outcome, Outcome::cannot_tell);
    EXPECT_EQ(claim.reason, "alone it would be, but not as one of 7 claims");
  }
}

TEST(Claims, SayWhatIsMissing) {
  const ClaimVerdict no_arm = judged(8, R"({"better":"pretrained","than":"xavier"})");
  EXPECT_EQ(no_arm.outcome, Outcome::cannot_tell);
  EXPECT_EQ(no_arm.reason, "no run of xavier");
  Runs runs = three_arms(8, {R"({"equal":"zero","to":"constant_class","margin":0.02})"});
  for (record::Run& one : runs) one.header.constant_class = {};
  EXPECT_EQ(compare(runs, {}).claims.at(0).reason, "the constant class has no one score in these runs");
}

TEST(Claims, AreAboutTheirMetricAlone) {
  const Runs runs = three_arms(8, {R"({"better":"pretrained","than":"zero"})"});
  const Comparison other = compare(runs, {.metric = "f1"});
  EXPECT_TRUE(other.claims.empty());
  EXPECT_NE(std::find(other.notes.begin(), other.notes.end(),
                      "the claims of the spec are about another metric or evaluation: none is judged here"),
            other.notes.end());
  EXPECT_TRUE(compare(runs, {.at = "best"}).claims.empty());
}

TEST(Claims, OfBrokenFilesAreRefused) {
  Runs runs = three_arms(2, {});
  for (record::Run& one : runs) one.header.design = R"({"claims":[{"better":3}]})";
  EXPECT_THROW(compare(runs, {}), base::Error);
}

TEST(Anchors, StandBesideTheirMetric) {
  Runs runs = three_arms(8, {});
  for (record::Run& one : runs)
    one.header.design =
        R"({"claims":[],"planned_seeds":16,"anchors":[{"text":"a","value":0.8,"source":"s","arm":"zero","metric":null},)"
        R"({"text":"b","value":0.9,"source":"s","arm":null,"metric":"f1"}]})";
  const Comparison result = compare(runs, {});
  ASSERT_EQ(result.anchors.size(), 1U);
  EXPECT_EQ(result.anchors[0].text, "a");
  EXPECT_EQ(result.planned_seeds, 16);
  EXPECT_EQ(compare(runs, {.metric = "f1"}).anchors.at(0).text, "b");
}

// --- what a family asks for ---

// 2 / 2^6 is below 0.05, but twice that is not: 7 pairs can. Both links of the order are as clear as 6 pairs allow.
TEST(Families, SeedsNeededAreThoseThatTheFamilyAsksFor) {
  const Comparison six = compare(
      three_arms(6, {R"({"order":["pretrained","half","zero"]})", R"({"better":"pretrained","than":"zero"})"}), {});
  ASSERT_EQ(six.pairs.size(), 2U);
  for (const Pair& pair : six.pairs) EXPECT_EQ(pair.seeds_needed, 7U);
  ASSERT_EQ(six.claims.size(), 2U);
  for (const ClaimVerdict& claim : six.claims) {
    EXPECT_EQ(claim.outcome, Outcome::cannot_tell);
    EXPECT_EQ(claim.seeds_needed, 7U);
  }
  const Comparison alone = compare(three_arms(6, {R"({"better":"zero","than":"constant_class"})"}), {});
  const Comparison among = compare(
      three_arms(6, {R"({"better":"zero","than":"constant_class"})", R"({"better":"zero","than":"constant_class"})"}),
      {});
  EXPECT_GT(among.claims[0].seeds_needed, alone.claims[0].seeds_needed);
  for (const ClaimVerdict& claim : compare(three_arms(8, {R"({"better":"pretrained","than":"zero"})"}), {}).claims)
    EXPECT_EQ(claim.seeds_needed, 0U) << "it can be told";
}

// --- what else a comparison knows of a pair ---

TEST(Pairs, FamiliesPairingAndConvergence) {
  const Comparison result = compare(three_arms(8, {}), {.threshold = 0.65});
  ASSERT_EQ(result.pairs.size(), 2U);
  for (const Pair& pair : result.pairs) {
    EXPECT_EQ(pair.p_sign_flip, 2.0 / 256);
    EXPECT_EQ(pair.p_holm, 4.0 / 256);
    EXPECT_EQ(pair.p_bh, 2.0 / 256);
    EXPECT_EQ(pair.differences.size(), 8U);
    EXPECT_EQ(pair.wilcoxon.p, 2.0 / 256);
    EXPECT_EQ(pair.improvement->value, 0) << "the baseline always wins";
    EXPECT_EQ(pair.seeds_needed, 7U) << "the fewest that can give p < 0.05 / 2";
    EXPECT_FALSE(pair.bootstrap_ci95.has_value()) << "8 are too few for a bootstrap";
  }
  const Pair& half = result.pairs[0];
  EXPECT_EQ(half.arm, "half");
  EXPECT_NEAR(half.pairing->correlation, -1, 1e-9) << "their noise is opposite";
  EXPECT_LT(half.pairing->seeds_factor, 1) << "so pairing cost seeds";
  ASSERT_TRUE(half.convergence.has_value());
  EXPECT_EQ(half.convergence->p_log_rank, 1) << "both reach it at step 20";
  const Pair& zero = result.pairs[1];
  EXPECT_EQ(zero.convergence->p_log_rank, 2.0 / 256);
  ASSERT_TRUE(zero.height.has_value());
  EXPECT_NEAR(zero.height->difference, -0.2, 0.01) << "half of the difference at the end: both begin at 0.5";
}

// The plateau is the constant class's accuracy, 0.5 here; zero stays within 0.003 of it.
TEST(Pairs, WaysOffTheUnigramPlateauAreOfMaskedLanguageModelling) {
  Runs runs = three_arms(8, {});
  EXPECT_TRUE(compare(runs, {}).arms[0].leaving.empty()) << "another task";
  for (record::Run& one : runs) one.header.task = "mlm";
  const Comparison result = compare(runs, {.metric = "loss"});
  const ArmSummary &pretrained = result.arms[0], &zero = result.arms[2];
  EXPECT_EQ(pretrained.leaving_reach.reached, 8);
  EXPECT_EQ(pretrained.leaving_reach.median.time, 20);
  EXPECT_EQ(zero.arm, "zero");
  EXPECT_EQ(zero.leaving_reach.reached, 0);
  EXPECT_EQ(zero.leaving[0].time, 20) << "censored at its last evaluation";
  ASSERT_TRUE(result.pairs[1].leaving.has_value());
  EXPECT_EQ(result.pairs[1].leaving->p_log_rank, 2.0 / 256);
  EXPECT_EQ(result.pairs[0].leaving->p_log_rank, 1) << "half leaves it as early";
  EXPECT_FALSE(result.pairs[1].convergence.has_value()) << "the loss has no threshold";
}

TEST(Arms, ReachTheThresholdInStepsTokensAndSeconds) {
  Runs runs = three_arms(8, {});
  for (record::Run& one : runs)
    for (std::int64_t step = 1; step <= 20; ++step) {
      record::StepRecord record;
      record.step = step;
      record.tokens = 100;
      record.seconds = 0.5;
      one.steps.push_back(record);
    }
  const Comparison result = compare(runs, {.threshold = 0.85});
  const ArmSummary& pretrained = result.arms[0];
  EXPECT_EQ(pretrained.steps_reach.reached, 8);
  EXPECT_EQ(pretrained.steps_reach.median.time, 20);
  EXPECT_EQ(pretrained.tokens_reach.median.time, 2000);
  EXPECT_EQ(pretrained.seconds_reach.median.time, 10);
  EXPECT_EQ(pretrained.steps_reach.restricted, 20);
  EXPECT_EQ(result.arms[2].steps_reach.reached, 0);
  EXPECT_FALSE(result.arms[2].steps_reach.median.time.has_value());
  EXPECT_EQ(result.arms[2].steps[0].time, 20) << "censored at its last evaluation";
  EXPECT_FALSE(result.arms[2].steps[0].reached);
}

TEST(Arms, TheThresholdOfTheBaselineIsItsMedianEnd) {
  const Comparison result = compare(three_arms(7, {}), {.threshold_of_baseline = true});
  ASSERT_TRUE(result.threshold.has_value());
  EXPECT_NEAR(*result.threshold, 0.9, 1e-12);
  EXPECT_EQ(result.arms[0].steps_reach.reached, 4) << "those at or above the median";
  EXPECT_EQ(result.arms[1].steps_reach.reached, 0);
  Runs runs = three_arms(7, {});
  for (record::Run& one : runs)
    one.header.design = R"({"claims":[],"anchors":[],"planned_seeds":null,"threshold":"baseline"})";
  for (record::Run& one : runs) one.header.threshold = std::nan("");
  EXPECT_NEAR(compare(runs, {}).threshold.value(), 0.9, 1e-12);
}

TEST(Arms, TheirSpread) {
  const ArmSummary arm = compare(three_arms(8, {}), {}).arms[0];
  EXPECT_EQ(arm.spread.n, 8U);
  EXPECT_LE(arm.spread.min, arm.spread.median);
  EXPECT_LE(arm.spread.median, arm.spread.max);
  EXPECT_EQ(arm.best_of.size(), 8U);
  EXPECT_NEAR(arm.best_of[0], arm.mean, 1e-12);
  EXPECT_GT(arm.best_of[7], arm.best_of[0]);
  EXPECT_LT(arm.ci95->low, arm.mean);
  EXPECT_LT(arm.sign_flip_ci95->low, arm.sign_flip_ci95->high);
}

}  // namespace
}  // namespace initlab::compare
