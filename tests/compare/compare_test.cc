// compare(): what is counted, paired, noted and refused, on made-up runs.
#include "compare/compare.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "compare/runs.hpp"
#include "error_of.hpp"

namespace initlab::compare {
namespace {

using testing::eight_pairs;
using testing::run;
using Runs = std::vector<record::Run>;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

bool has_note(const Comparison& comparison, const std::string& note) {
  return std::find(comparison.notes.begin(), comparison.notes.end(), note) != comparison.notes.end();
}

std::string all_notes(const Comparison& comparison) {
  std::string out;
  for (const std::string& note : comparison.notes) out += "\n- " + note;
  return out;
}

#define EXPECT_NOTE(comparison, note) EXPECT_TRUE(has_note(comparison, note)) << "notes:" << all_notes(comparison)

std::string error_of(const Runs& runs, const Options& options = {}) {
  return initlab::error_of([&] { compare(runs, options); });
}

const ArmSummary& arm(const Comparison& comparison, const std::string& name) {
  return *std::find_if(comparison.arms.begin(), comparison.arms.end(),
                       [&](const auto& arm) { return arm.arm == name; });
}

TEST(Compare, PairsByReplicate) {
  const Comparison result = compare(eight_pairs(), {});
  EXPECT_EQ(result.experiment, "why");
  EXPECT_EQ(result.metric, "accuracy");
  EXPECT_EQ(result.baseline, "pretrained");
  EXPECT_EQ(result.better, "higher");
  EXPECT_EQ(result.threshold, 0.8);
  EXPECT_EQ(result.constant_class, 0.5);
  ASSERT_EQ(result.arms.size(), 2u);
  EXPECT_EQ(result.arms[0].arm, "pretrained");
  EXPECT_EQ(result.arms[0].n, 8);
  EXPECT_NEAR(result.arms[0].mean, 0.935, 1e-12);
  EXPECT_NEAR(result.arms[0].stddev, 0.01 * std::sqrt(6.0), 1e-12);
  EXPECT_EQ(result.arms[0].steps_to_threshold[4], 10);
  EXPECT_EQ(result.arms[0].steps_to_threshold[5], 20);
  EXPECT_EQ(result.arms[1].steps_to_threshold[0], std::nullopt);
  ASSERT_EQ(result.pairs.size(), 1u);
  EXPECT_EQ(result.pairs[0].n, 8);
  EXPECT_NEAR(result.pairs[0].difference, -0.435, 1e-12);
  EXPECT_EQ(result.pairs[0].p_sign_flip, 2.0 / 256);
  EXPECT_LT(result.pairs[0].ci95->high, -0.4);
  EXPECT_NOTE(result, "8 of 8 runs of zero predict one class");
  EXPECT_NOTE(result, "no run of zero beats the constant-class baseline (0.5000)");
}

TEST(Compare, OrderOfRunsChangesNothing) {
  Runs runs = eight_pairs();
  const Comparison forward = compare(runs, {});
  std::reverse(runs.begin(), runs.end());
  const Comparison backward = compare(runs, {});
  EXPECT_EQ(forward.arms[0].values, backward.arms[0].values);
  EXPECT_EQ(forward.arms[0].replicates, (std::vector<std::int64_t>{0, 1, 2, 3, 4, 5, 6, 7}));
  EXPECT_EQ(forward.pairs[0].difference, backward.pairs[0].difference);
  EXPECT_EQ(forward.notes, backward.notes);
}

TEST(Compare, OnlyCommonReplicatesMakePairs) {
  const Runs runs = {run("pretrained", 0, {{5, 0.9}}), run("pretrained", 1, {{5, 0.8}}),
                     run("pretrained", 3, {{5, 0.1}}), run("zero", 1, {{5, 0.5}}),
                     run("zero", 0, {{5, 0.7}}),       run("zero", 2, {{5, 0.0}})};
  const Comparison result = compare(runs, {});
  EXPECT_EQ(result.pairs[0].n, 2);
  EXPECT_NEAR(result.pairs[0].difference, -0.25, 1e-12);
  EXPECT_EQ(arm(result, "zero").n, 3);
  EXPECT_NOTE(result, "zero: 2 of 3 replicates have a partner in pretrained; the difference is theirs alone");
  EXPECT_NOTE(result, "2 pairs: p cannot fall below 0.5");
}

TEST(Compare, NoCommonReplicateIsNoDifference) {
  const Comparison result = compare(Runs{run("pretrained", 0, {{5, 0.9}}), run("zero", 1, {{5, 0.5}})}, {});
  EXPECT_EQ(result.pairs[0].n, 0);
  EXPECT_TRUE(std::isnan(result.pairs[0].difference));
  EXPECT_EQ(result.pairs[0].p_sign_flip, 1);
  EXPECT_FALSE(result.pairs[0].ci95.has_value());
}

TEST(Compare, FiveWinsAreNotProof) {
  Runs runs;
  for (int r = 0; r < 5; ++r) {
    runs.push_back(run("pretrained", r, {{5, 0.9 + 0.001 * r}}));
    runs.push_back(run("zero", r, {{5, 0.5}}));
  }
  const Comparison result = compare(runs, {});
  EXPECT_EQ(result.pairs[0].p_sign_flip, 0.0625);
  EXPECT_NOTE(result, "5 pairs: p cannot fall below 0.0625");
}

TEST(Compare, NothingIsDroppedInSilence) {
  Runs runs = eight_pairs();
  runs[1].state = record::State::failed;       // zero, replicate 0
  runs[3].evals.back().metrics[0] = kNaN;      // zero, 1: the compared number is not a number
  runs[5].state = record::State::interrupted;  // zero, 2
  runs[7].state = record::State::running;      // zero, 3
  runs[9].evals.clear();                       // zero, 4
  const Comparison result = compare(runs, {});
  const ArmSummary& zero = arm(result, "zero");
  EXPECT_EQ(zero.n, 3);
  EXPECT_EQ(zero.failed, 2);
  EXPECT_EQ(zero.unfinished, 2);
  EXPECT_EQ(zero.missing, 1);
  EXPECT_EQ(zero.replicates, (std::vector<std::int64_t>{5, 6, 7}));
  EXPECT_EQ(result.pairs[0].n, 3);
  EXPECT_NOTE(result, "zero, replicate 1: accuracy is nan at step 20; counted as failed");
  EXPECT_NOTE(result, "2 of 8 runs of zero failed: its mean speaks of the others only");
  EXPECT_NOTE(result, "2 of 8 runs of zero unfinished (running or interrupted): not counted");
  EXPECT_NOTE(result, "1 of 8 runs of zero has no evaluation at all: not counted");
}

TEST(Compare, AllFailedIsStillATable) {
  Runs runs = eight_pairs();
  for (record::Run& run : runs) run.state = record::State::failed;
  const Comparison result = compare(runs, {});
  EXPECT_EQ(arm(result, "pretrained").failed, 8);
  EXPECT_TRUE(std::isnan(arm(result, "pretrained").mean));
  EXPECT_NOTE(result, "8 of 8 runs of pretrained failed: it has no value to compare");
}

TEST(Compare, At) {
  const Runs runs = {run("pretrained", 0, {{0, 0.5}, {10, 0.95}, {20, 0.9}}), run("zero", 0, {{0, 0.6}, {20, 0.4}})};
  EXPECT_EQ(arm(compare(runs, {}), "pretrained").mean, 0.9);
  const Comparison best = compare(runs, {.at = "best"});
  EXPECT_EQ(arm(best, "pretrained").mean, 0.95);
  EXPECT_EQ(arm(best, "zero").mean, 0.6);
  EXPECT_NOTE(
      best,
      "each run's best evaluation is chosen on the data it is measured on: the values flatter, most where runs are "
      "noisy");
  const Comparison step = compare(runs, {.at = "step:10"});
  EXPECT_EQ(arm(step, "pretrained").mean, 0.95);
  EXPECT_EQ(arm(step, "zero").missing, 1);
  EXPECT_NOTE(step, "1 of 1 run of zero has no evaluation at step 10: not counted");
}

TEST(Compare, LossIsAMetricAndLowerIsBetter) {
  const Comparison result = compare(eight_pairs(), {.metric = "loss", .at = "best"});
  EXPECT_EQ(result.better, "lower");
  EXPECT_EQ(result.threshold, std::nullopt) << "the runs' threshold is of another metric";
  EXPECT_EQ(result.constant_class, std::nullopt);
  EXPECT_NEAR(result.pairs[0].difference, 0.435, 1e-12);
  const Comparison reached = compare(eight_pairs(), {.metric = "loss", .threshold = 0.2});
  EXPECT_EQ(arm(reached, "pretrained").steps_to_threshold[0], 10);
  EXPECT_EQ(arm(reached, "zero").steps_to_threshold[0], std::nullopt);
}

TEST(Compare, BestSkipsWhatIsNotANumber) {
  Runs runs = {run("pretrained", 0, {{0, kNaN}, {10, 0.6}, {20, kNaN}}), run("zero", 0, {{0, kNaN}})};
  const Comparison result = compare(runs, {.at = "best"});
  EXPECT_EQ(arm(result, "pretrained").mean, 0.6);
  EXPECT_EQ(arm(result, "zero").failed, 1);
}

TEST(Compare, GridPointsStandApart) {
  Runs runs;
  for (const char* rate : {"0.001", "2e-05", "0.0005"})
    for (int r = 0; r < 2; ++r)
      for (const char* name : {"pretrained", "zero"})
        runs.push_back(
            run(name, r, {{5, std::string(name) == "zero" ? 0.5 : 0.9}}, "{\"lr\":" + std::string(rate) + "}"));
  std::erase_if(runs, [](const record::Run& run) {
    return run.header.arm == "pretrained" && run.header.settings == "{\"lr\":0.001}";
  });
  const Comparison result = compare(runs, {});
  ASSERT_EQ(result.arms.size(), 5u);
  EXPECT_EQ(label(result.arms[0].arm, result.arms[0].settings), "pretrained (lr = 2e-05)");
  EXPECT_EQ(label(result.arms[1].arm, result.arms[1].settings), "zero (lr = 2e-05)");
  EXPECT_EQ(label(result.arms[3].arm, result.arms[3].settings), "zero (lr = 0.0005)");
  EXPECT_EQ(label(result.arms[4].arm, result.arms[4].settings), "zero (lr = 0.001)");
  EXPECT_EQ(result.pairs.size(), 2u);
  EXPECT_NOTE(result, "no run of the baseline pretrained at lr = 0.001: no differences there");
  EXPECT_NOTE(result, "2 comparisons: verdicts ask for p adjusted for their number (Holm); intervals are not adjusted");
}

TEST(Compare, SettingsInAnotherOrderAreTheSamePoint) {
  const Runs runs = {run("pretrained", 0, {{5, 0.9}}, "{\"a\":1,\"b\":\"x\"}"),
                     run("zero", 0, {{5, 0.5}}, "{\"b\":\"x\",\"a\":1}")};
  EXPECT_EQ(compare(runs, {}).pairs.size(), 1u);
}

TEST(Compare, ArmsStandAsTheyWereStarted) {
  Runs runs = {run("alpha", 0, {{5, 0.5}}), run("beta", 0, {{5, 0.5}}), run("pretrained", 0, {{5, 0.9}})};
  runs[0].header.started = "2025-01-01T00:00:09Z";
  const Comparison result = compare(runs, {});
  EXPECT_EQ(result.arms[0].arm, "pretrained");
  EXPECT_EQ(result.arms[1].arm, "beta");
  EXPECT_EQ(result.arms[2].arm, "alpha");
}

TEST(Compare, TheNewestRunDecidesAndTheReaderIsTold) {
  Runs runs = eight_pairs();
  runs[3].header.metric = "f1";
  runs[3].header.started = "2025-02-01T00:00:00Z";
  const Comparison result = compare(runs, {});
  EXPECT_EQ(result.metric, "f1");
  EXPECT_NOTE(result, "the runs ask for different metrics (accuracy, f1); taken: f1");
}

TEST(Compare, OptionsDecideFirst) {
  const Comparison result =
      compare(eight_pairs(), {.metric = "f1", .baseline = "zero", .better = "lower", .threshold = 0.3});
  EXPECT_EQ(result.baseline, "zero");
  EXPECT_EQ(result.better, "lower");
  EXPECT_EQ(result.pairs[0].arm, "pretrained");
  EXPECT_GT(result.pairs[0].difference, 0);
  EXPECT_EQ(arm(result, "zero").steps_to_threshold[0], 0) << "lower is better: reached at once";
}

// 6 replicates of three arms: "pretrained" is 0.4 above "zero", "half" 0.2.
Runs three_arms() {
  Runs runs;
  for (int r = 0; r < 6; ++r) {
    const double up = 0.01 * r;
    runs.push_back(run("zero", r, {{5, 0.5 + up}}));
    runs.push_back(run("pretrained", r, {{5, 0.9 + up + (r % 2 == 0 ? 0.01 : -0.01)}}));
    runs.push_back(run("half", r, {{5, 0.7 + up}}));
  }
  for (record::Run& one : runs) {
    one.header.gain_from = "zero";
    one.header.gain_to = "pretrained";
  }
  return runs;
}

TEST(Share, IsPairedByReplicate) {
  const Comparison result = compare(three_arms(), {});
  ASSERT_TRUE(result.gain);
  EXPECT_EQ(result.gain->from, "zero");
  ASSERT_EQ(result.shares.size(), 1u) << "the gain's own arms have none";
  const Share& share = result.shares[0];
  EXPECT_EQ(share.arm, "half");
  EXPECT_EQ(share.n, 6);
  EXPECT_NEAR(share.gain, 0.4, 1e-12);
  EXPECT_NEAR(share.share, 0.5, 1e-12);
  // The kept 0.2 has no spread, the gain has 0.01 sqrt(6/5) / sqrt(6): ends where 0.2 - r 0.4 = -+ t r 0.01 / sqrt(5).
  const double half_width = 2.570581835636314 * 0.01 / std::sqrt(5.0);
  EXPECT_EQ(share.ci95->kind, RatioSet::Kind::interval);
  EXPECT_NEAR(share.ci95->low, 0.2 / (0.4 + half_width), 1e-9);
  EXPECT_NEAR(share.ci95->high, 0.2 / (0.4 - half_width), 1e-9);
  EXPECT_NEAR(share.gain_ci95->low, 0.4 - half_width, 1e-9);
  const Comparison loss = compare(three_arms(), {.metric = "loss"});
  EXPECT_NEAR(loss.shares[0].share, 0.5, 1e-12) << "a ratio has no direction";
  EXPECT_NEAR(loss.shares[0].gain, -0.4, 1e-12);
  EXPECT_EQ(all_notes(loss).find("worse"), std::string::npos) << "a lower loss is a gain";
}

TEST(Share, OnlyReplicatesOfAllThree) {
  Runs runs = three_arms();
  runs[0].state = record::State::failed;    // zero 0
  runs[4].state = record::State::failed;    // pretrained 1
  runs[16].evals.back().metrics[0] = kNaN;  // pretrained 5
  const Comparison result = compare(runs, {});
  EXPECT_EQ(result.shares[0].n, 3);
  EXPECT_NOTE(result,
              "half: 3 replicates have a value in zero and pretrained too; its share of the gain is theirs alone");
  for (std::size_t i = 0; i < runs.size(); i += 3) runs[i].state = record::State::failed;
  const Comparison none = compare(runs, {});
  EXPECT_EQ(none.shares[0].n, 0);
  EXPECT_TRUE(std::isnan(none.shares[0].share));
  EXPECT_FALSE(none.shares[0].ci95.has_value());
}

TEST(Share, OfNoGainIsNotBounded) {
  Runs runs = three_arms();
  for (record::Run& one : runs)
    if (one.header.arm == "pretrained")
      one.evals.back().metrics[0] = 0.5 + 0.02 * static_cast<double>(one.header.replicate % 3);
  const Comparison result = compare(runs, {});
  EXPECT_NE(result.shares[0].ci95->kind, RatioSet::Kind::interval);
  EXPECT_LE(result.shares[0].gain_ci95->low, 0);
  EXPECT_GE(result.shares[0].gain_ci95->high, 0);
}

TEST(Share, OptionsDecideFirstAndNamesMustBeThere) {
  const Comparison result = compare(three_arms(), {.gain = Gain{"half", "pretrained"}});
  EXPECT_EQ(result.shares[0].arm, "zero");
  EXPECT_NEAR(result.shares[0].share, -1, 1e-12);
  EXPECT_EQ(error_of(three_arms(), {.gain = Gain{"zero", "pretraind"}}),
            "compare: gain: expected two of half, pretrained, zero, got \"pretraind\"\n  hint: did you mean "
            "\"pretrained\"?");
  EXPECT_EQ(error_of(three_arms(), {.gain = Gain{"zero", "zero"}}),
            "compare: gain: expected two different arms, got \"zero\" twice");
}

TEST(Share, WhatIsMissingOrNoGainIsSaid) {
  Runs runs = three_arms();
  std::erase_if(runs, [](const record::Run& run) { return run.header.arm == "pretrained"; });
  for (record::Run& one : runs) one.header.baseline = "zero";
  const Comparison without = compare(runs, {});
  EXPECT_TRUE(without.shares.empty());
  EXPECT_NOTE(without, "no run of pretrained: no share of the gain there");
  EXPECT_NOTE(compare(three_arms(), {.gain = Gain{"pretrained", "zero"}}),
              "zero is worse than pretrained: its gain is a loss, and a share of it is one too");
  EXPECT_FALSE(compare(eight_pairs(), {}).gain.has_value()) << "older runs name none";
}

// Half of "zero" is stopped at step 10 of 20: as hopeless, not as unlucky in being watched too briefly.
TEST(Stopped, CountsAsNeverReachingItWhereTheOthersEnd) {
  Runs runs = eight_pairs();
  const Comparison before = compare(runs, {});
  for (record::Run& run : runs)
    if (run.header.arm == "zero" && run.header.replicate < 4) {
      run.evals.pop_back();
      run.reason = "hopeless";
    }
  const Comparison after = compare(runs, {});
  const ArmSummary &then = arm(before, "zero"), &now = arm(after, "zero");
  EXPECT_EQ(now.stopped, 4);
  ASSERT_EQ(now.steps.size(), 8u);
  for (const Observation& way : now.steps) {
    EXPECT_FALSE(way.reached);
    EXPECT_EQ(way.time, 20);
  }
  EXPECT_EQ(now.steps_reach.restricted, then.steps_reach.restricted);
  EXPECT_EQ(now.heights, then.heights) << "its last value stands to the end";
  EXPECT_EQ(arm(after, "pretrained").heights, arm(before, "pretrained").heights) << "nobody else's watch is cut";
}

TEST(Notes, MixedMachinesDataAndCheckpoints) {
  Runs runs = eight_pairs();
  runs[0].header.cpu = "other";
  runs[2].header.threads = 4;
  runs[1].header.data_sha256 = "d2";
  for (record::Run& run : runs) run.header.checkpoint_sha256 = "abcdef0123456789";
  runs[0].reads_checkpoint = true;
  const Comparison one = compare(runs, {});
  EXPECT_NOTE(one, "mixed CPUs (cpu; other): replicates differ by rounding too");
  EXPECT_NOTE(one, "mixed threads (1; 4): replicates differ by rounding too");
  EXPECT_NOTE(one, "mixed data (d1; d2): a difference is not of the initialization alone");
  EXPECT_NOTE(one, "one pre-trained checkpoint: the numbers speak of it, not of pre-training at large");
  runs[0].header.checkpoint_sha256 = "0123456789abcdef";
  EXPECT_NOTE(compare(runs, {}),
              "mixed checkpoints (0123456789ab; abcdef012345): a difference is not of the initialization alone");
}

TEST(Notes, UnequalTrainingIsSaid) {
  Runs runs = eight_pairs();
  for (record::Run& one : runs) {
    const bool zero = one.header.arm == "zero";
    one.header.plan = std::string(R"({"training":{"epochs":)") + (zero ? "0" : "3") + R"(,"evaluate":{"every":)" +
                      (zero ? "1" : "2") + R"(},"optimizer":{"learning_rate":1}}})";
  }
  EXPECT_NOTE(
      compare(runs, {}),
      "zero trains otherwise than pretrained: epochs (0, 3); the difference is not of the initialization alone");
  for (record::Run& one : runs)
    one.header.plan =
        R"({"training":{"optimizer":{"learning_rate":)" + std::string(one.header.arm == "zero" ? "1" : "2") + "}}}";
  EXPECT_NOTE(compare(runs, {}),
              "zero trains otherwise than pretrained: optimizer.learning_rate (1, 2); the difference is not of the "
              "initialization alone");
}

TEST(Notes, ManyPairsAreDrawn) {
  Runs runs;
  for (int r = 0; r < 21; ++r) {
    runs.push_back(run("pretrained", r, {{5, 0.9}}));
    runs.push_back(run("zero", r, {{5, 0.5}}));
  }
  EXPECT_NOTE(compare(runs, {}), "21 pairs: p from 1000000 random sign patterns, seeded");
}

TEST(Notes, NoConstantClassIsNoNote) {
  Runs runs = eight_pairs();
  for (record::Run& one : runs) one.header.constant_class = {kNaN, kNaN};
  const Comparison result = compare(runs, {});
  EXPECT_EQ(result.constant_class, std::nullopt);
  EXPECT_EQ(all_notes(result).find("constant"), std::string::npos) << all_notes(result);
}

TEST(Notes, ConstantClassThatDiffersIsNotShown) {
  Runs runs = eight_pairs();
  runs[0].header.constant_class = {0.6, 0.0};
  const Comparison result = compare(runs, {});
  EXPECT_EQ(result.constant_class, std::nullopt);
  EXPECT_NOTE(result, "the constant-class baseline differs between runs (0.5000 to 0.6000): none is shown");
}

TEST(Errors, SayWhatWouldSuffice) {
  EXPECT_EQ(error_of({}), "compare: runs: expected at least one, got none\n  hint: make them with `initlab run SPEC`");
  Runs running = {run("pretrained", 0, {})};
  running[0].state = record::State::running;
  EXPECT_EQ(error_of(running),
            "compare: experiment \"why\": expected at least one finished run, got 1, all running or interrupted\n"
            "  hint: wait for them, or finish them with `initlab run SPEC`");
  EXPECT_EQ(error_of(eight_pairs(), {.metric = "accurac"}),
            "compare: metric: expected one of accuracy, f1, loss, got \"accurac\"\n  hint: did you mean \"accuracy\"?");
  EXPECT_EQ(
      error_of(eight_pairs(), {.baseline = "pretraind"}),
      "compare: baseline: expected one of pretrained, zero, got \"pretraind\"\n  hint: did you mean \"pretrained\"?");
  EXPECT_EQ(error_of(eight_pairs(), {.better = "up"}), "compare: better: expected higher or lower, got \"up\"");
  EXPECT_EQ(error_of(eight_pairs(), {.at = "step:7"}),
            "compare: at: expected a step with an evaluation, got \"step:7\"\n  hint: evaluations stand at 0, 10, 20");
  EXPECT_EQ(error_of(eight_pairs(), {.at = "first"}),
            "at: expected last, best, or step:N with N = 0 or more, got \"first\"");
}

TEST(Errors, RunsThatDoNotCompare) {
  Runs runs = eight_pairs();
  runs[3].header.experiment = "other";
  EXPECT_EQ(error_of(runs),
            "results/zero-1.h5: experiment: expected \"why\" as in results/pretrained-0.h5, got \"other\"\n"
            "  hint: compare one experiment at a time, or --together as one design");
  runs = eight_pairs();
  runs[3].header.task = "mrpc";
  EXPECT_EQ(error_of(runs),
            "results/zero-1.h5: task: expected \"sentiment\" as in results/pretrained-0.h5, got \"mrpc\"\n"
            "  hint: metrics of two tasks do not compare");
  runs = eight_pairs();
  runs[3].header.settings = "[1]";
  EXPECT_EQ(error_of(runs), "results/zero-1.h5: settings: expected an object of grid paths, got \"[1]\"");
}

TEST(Errors, TwoRunsOfOneReplicateNameBothFiles) {
  Runs runs = {run("zero", 3, {{5, 0.5}}), run("zero", 3, {{5, 0.5}})};
  runs[1].file = "elsewhere/zero-3.h5";
  EXPECT_EQ(error_of(runs),
            "elsewhere/zero-3.h5: zero, replicate 3: expected one run, got a second one in results/zero-3.h5\n"
            "  hint: it is the same run: name each results folder once");
  runs[0].header.plan = R"({"training":{"batch":16,"steps":60}})";
  runs[1].header.plan = R"({"training":{"batch":16,"steps":120}})";
  runs[1].header.run_id = "another";
  EXPECT_EQ(error_of(runs),
            "elsewhere/zero-3.h5: zero, replicate 3: expected one run, got a second one in results/zero-3.h5\n"
            "  hint: they differ in training.steps (60, 120); another design needs another experiment name or another "
            "results folder");
}

TEST(Curve, IsExactlyTheEvaluations) {
  using Curve = std::vector<std::pair<std::int64_t, double>>;
  record::Run one = run("zero", 0, {{0, 0.5}, {7, 0.75}});
  EXPECT_EQ(curve(one, "accuracy"), (Curve{{0, 0.5}, {7, 0.75}}));
  EXPECT_EQ(curve(one, "loss"), (Curve{{0, 0.5}, {7, 0.25}}));
  EXPECT_THROW(curve(one, "mcc"), base::Error);
  one.evals[1].metrics.clear();  // a damaged file
  EXPECT_TRUE(std::isnan(curve(one, "f1")[1].second));
}

TEST(ParseAt, Texts) {
  EXPECT_EQ(parse_at("best").kind, At::Kind::best);
  EXPECT_EQ(parse_at("step:120").step, 120);
  for (const char* wrong : {"", "step:", "step:-1", "step:1.5", "step: 3", "Last"})
    EXPECT_THROW(parse_at(wrong), base::Error) << wrong;
}

}  // namespace
}  // namespace initlab::compare
