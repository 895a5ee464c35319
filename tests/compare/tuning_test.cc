// Which learning rate an arm gets, from made-up tuning runs; and what a comparison says about it.
#include "compare/tuning.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.hpp"
#include "base/text.hpp"
#include "compare/compare.hpp"
#include "compare/runs.hpp"

namespace initlab::compare {
namespace {

using testing::run;
using Runs = std::vector<record::Run>;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

std::vector<Trial> trials(std::initializer_list<std::pair<double, double>> means) {
  std::vector<Trial> out;
  for (const auto& [rate, mean] : means) out.push_back({rate, {mean}, mean});
  return out;
}

TEST(ChooseRate, TheBestMeanWins) {
  EXPECT_EQ(choose_rate(trials({{1e-4, 0.6}, {1e-3, 0.9}, {1e-2, 0.8}}), true), 1e-3);
  EXPECT_EQ(choose_rate(trials({{1e-4, 0.6}, {1e-3, 0.9}, {1e-2, 0.8}}), false), 1e-4) << "a loss: lower is better";
}

TEST(ChooseRate, OfEqualsTheSmallest) {
  EXPECT_EQ(choose_rate(trials({{1e-4, 0.5}, {1e-3, 0.9}, {1e-2, 0.9}}), true), 1e-3);
  // Equal in theory, unequal in the last bit: (0.1 + 0.2) / 2 and 0.3 / 2.
  EXPECT_EQ(choose_rate(trials({{1e-4, 0.15}, {1e-3, (0.1 + 0.2) / 2}}), true), 1e-4);
}

// A model that predicts one class has the same score at every rate; its loss may still say which learned more.
TEST(ChooseRate, OfEqualsTheOneWithTheLowestLoss) {
  std::vector<Trial> equal = trials({{1e-4, 0.0}, {1e-3, 0.0}, {1e-2, 0.0}});
  equal[0].loss = 0.65, equal[1].loss = 0.61, equal[2].loss = 0.61;
  EXPECT_EQ(choose_rate(equal, true), 1e-3);
  EXPECT_EQ(choose_rate(equal, false), 1e-3);
  equal[1].loss = kNaN;
  EXPECT_EQ(choose_rate(equal, true), 1e-2);
  equal[0].mean = 0.1;
  EXPECT_EQ(choose_rate(equal, true), 1e-4) << "the metric comes first";
}

TEST(ChooseRate, DivergedIsWorst) {
  EXPECT_EQ(choose_rate(trials({{1e-4, kNaN}, {1e-3, 0.1}, {1e-2, kNaN}}), true), 1e-3);
  EXPECT_EQ(choose_rate(trials({{1e-4, kNaN}, {1e-3, 9.0}}), false), 1e-3);
  EXPECT_EQ(choose_rate(trials({{1e-4, kNaN}, {1e-3, kNaN}}), true), 1e-4) << "the smallest where all diverged";
}

record::Run tuning_run(double rate, std::int64_t replicate, double accuracy) {
  record::Run one = run("zero", replicate, {{0, 0.99}, {20, accuracy}},
                        R"({"task":"a","training.optimizer.learning_rate":)" + base::number_text(rate) + "}");
  one.header.role = record::kTuningRole;
  return one;
}

TEST(Choose, JudgesTheLastEvaluationAndAveragesReplicates) {
  Runs runs = {tuning_run(1e-2, 1, 0.7), tuning_run(1e-3, 0, 0.6), tuning_run(1e-2, 0, 0.9),
               tuning_run(1e-3, 1, 0.9), tuning_run(1, 0, 0.95),   tuning_run(1, 1, 0.95)};
  runs[5].state = record::State::failed;  // one of rate 1 diverged
  const Tuning tuning = choose(runs, "accuracy", "higher", 0.25);
  EXPECT_EQ(tuning.learning_rate, 1e-2);
  EXPECT_EQ(tuning.share, 0.25);
  ASSERT_EQ(tuning.trials.size(), 3U);
  EXPECT_EQ(tuning.trials[0].learning_rate, 1e-3);
  EXPECT_EQ(tuning.trials[1].values, (std::vector<double>{0.9, 0.7}));
  EXPECT_NEAR(tuning.trials[1].mean, 0.8, 1e-12);
  EXPECT_EQ(tuning.trials[2].values[0], 0.95);
  EXPECT_TRUE(std::isnan(tuning.trials[2].values[1]) && std::isnan(tuning.trials[2].mean));
  EXPECT_NEAR(tuning.trials[1].loss, 0.2, 1e-12);
  EXPECT_EQ(choose(runs, "loss", "lower", 0.25).learning_rate, 1e-2);
  runs = {tuning_run(1e-3, 0, 0.7), tuning_run(1e-2, 0, 0.7)};
  runs[1].evals.back().loss = 0.1;
  EXPECT_EQ(choose(runs, "accuracy", "higher", 0.25).learning_rate, 1e-2) << "equal accuracy, lower loss";
}

TEST(Choose, RefusesWhatIsNoTuningRun) {
  const Runs plain = {run("zero", 0, {{5, 0.5}}, R"({"training.optimizer.learning_rate":0.1})")};
  EXPECT_THROW(choose(plain, "accuracy", "higher", 0.2), base::Error);
  Runs without_rate = {run("zero", 0, {{5, 0.5}})};
  without_rate[0].header.role = record::kTuningRole;
  EXPECT_THROW(choose(without_rate, "accuracy", "higher", 0.2), base::Error);
  EXPECT_THROW(choose(Runs{tuning_run(1, 0, 0.5)}, "mcc", "higher", 0.2), base::Error);
}

TEST(Record, ComesBack) {
  record::Run one = run("zero", 0, {{5, 0.5}});
  EXPECT_FALSE(tuning_of(one).has_value());
  const Tuning tuning{"f1", "higher", 0.2, {{1e-3, {0.25, 0.75}, 0.5, 0.4}, {10, {kNaN, 0.5}, kNaN}}, 1e-3};
  one.header.tuning = base::json_text(to_json(tuning));
  const std::optional<Tuning> read = tuning_of(one);
  ASSERT_TRUE(read);
  EXPECT_EQ(base::json_text(to_json(*read)), one.header.tuning);
  EXPECT_EQ(read->learning_rate, 1e-3);
  EXPECT_EQ(read->trials[0].values, (std::vector<double>{0.25, 0.75}));
  EXPECT_EQ(read->trials[0].loss, 0.4);
  EXPECT_TRUE(std::isnan(read->trials[1].mean) && std::isnan(read->trials[1].loss));
  for (const char* wrong : {"[", "[]", "{}", R"({"metric":1})",
                            R"({"learning_rate":1,"metric":"f1","better":"higher","share":0.2,"trials":[]})"}) {
    one.header.tuning = wrong;
    EXPECT_THROW(tuning_of(one), base::Error) << wrong;
  }
}

// Two arms, three replicates; both were tuned over three rates.
Runs tuned_arms(double of_pretrained, double of_zero) {
  Runs runs;
  for (int r = 0; r < 3; ++r)
    for (const auto& [arm, rate] : {std::pair{"pretrained", of_pretrained}, std::pair{"zero", of_zero}}) {
      runs.push_back(run(arm, r, {{5, 0.5 + 0.1 * r}}));
      runs.back().header.tuning = base::json_text(
          to_json(Tuning{"accuracy", "higher", 0.2, trials({{1e-4, 0.6}, {1e-3, 0.7}, {1e-2, 0.5}}), rate}));
    }
  return runs;
}

bool has_note(const Comparison& comparison, const std::string& note) {
  return std::find(comparison.notes.begin(), comparison.notes.end(), note) != comparison.notes.end();
}

TEST(Notes, ARateAtTheEdgeOfTheListIsSaid) {
  const Comparison result = compare(tuned_arms(1e-4, 1e-2), {});
  EXPECT_EQ(result.arms[0].tuning->learning_rate, 1e-4);
  EXPECT_TRUE(has_note(
      result, "pretrained: the chosen learning rate 1e-04 is the smallest tried: a smaller one may be better"));
  EXPECT_TRUE(has_note(result, "zero: the chosen learning rate 0.01 is the largest tried: a larger one may be better"));
  for (const std::string& note : compare(tuned_arms(1e-3, 1e-3), {}).notes)
    EXPECT_EQ(note.find("learning rate"), std::string::npos) << note;
}

TEST(Notes, WhatTheRunsDoNotAgreeOnIsSaid) {
  Runs runs = tuned_arms(1e-3, 1e-3);
  runs[1].header.tuning = base::json_text(to_json(Tuning{"accuracy", "higher", 0.2, trials({{0.5, 0.6}}), 0.5}));
  const Comparison mixed = compare(runs, {});
  EXPECT_TRUE(has_note(mixed, "runs of zero have different chosen learning rates (0.001, 0.5): run the spec again"));
  EXPECT_EQ(mixed.arms[1].tuning->trials.size(), 3U) << "of the run that knows of the most rates";
  for (std::size_t i = 1; i < runs.size(); i += 2) runs[i].header.tuning.clear();
  EXPECT_TRUE(has_note(compare(runs, {}), "learning rate not tuned in zero, but in the others"));
  runs = tuned_arms(1e-4, 1e-3);
  runs[0].header.tuning = base::json_text(
      to_json(Tuning{"accuracy", "higher", 0.2, trials({{1e-5, kNaN}, {1e-4, kNaN}, {1, kNaN}, {2, kNaN}}), 1e-5}));
  EXPECT_TRUE(
      has_note(compare(runs, {}), "pretrained: tuning diverged at every learning rate; the smallest was taken"));
}

}  // namespace
}  // namespace initlab::compare
