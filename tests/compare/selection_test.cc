// Which runs are compared, and what is refused: --where, --by, one run, one seed, nothing in common; and examples.
#include <gtest/gtest.h>

#include <cmath>

#include "compare/compare.hpp"
#include "compare/examples.hpp"
#include "compare/keys.hpp"
#include "compare/refusals.hpp"
#include "compare/runs.hpp"
#include "error_of.hpp"

namespace initlab::compare {
namespace {

using testing::run;
using Runs = std::vector<record::Run>;

Runs grid() {
  Runs runs;
  for (const char* size : {"100", "1000"})
    for (std::int64_t r = 0; r < 2; ++r)
      for (const char* arm : {"pretrained", "zero"}) {
        runs.push_back(run(arm, r, {{5, 0.5}}, "{\"task.train_size\":" + std::string(size) + "}"));
        runs.back().header.plan = R"({"training":{"batch":16,"optimizer":{"name":"adamw"}}})";
        runs.back().header.cpu = r == 0 ? "a" : "b";
      }
  return runs;
}

TEST(Keys, AxesHeaderAndPlan) {
  const record::Run one = grid()[0];
  EXPECT_EQ(value_of(one, "task.train_size"), base::Json(100));
  EXPECT_EQ(value_of(one, "train_size"), base::Json(100));
  EXPECT_EQ(value_of(one, "arm"), base::Json("pretrained"));
  EXPECT_EQ(value_of(one, "training.batch"), base::Json(16));
  EXPECT_EQ(value_of(one, "training.optimizer.name"), base::Json("adamw"));
  EXPECT_EQ(value_of(one, "training"), std::nullopt);
  EXPECT_EQ(value_of(one, "nothing"), std::nullopt);
}

TEST(Keys, WhereKeepsWhatHasTheValue) {
  const std::pair<std::string, std::string> small[] = {{"train_size", "1e2"}, {"arm", "zero"}};
  const Runs kept = where(grid(), small);
  ASSERT_EQ(kept.size(), 2U);
  for (const record::Run& one : kept) EXPECT_EQ(one.header.arm, "zero");
  const std::pair<std::string, std::string> none[] = {{"arm", "zerro"}}, unknown[] = {{"amr", "zero"}};
  EXPECT_EQ(error_of([&] { where(grid(), none); }),
            "command line: --where arm: expected one of pretrained, zero, got \"zerro\"");
  EXPECT_NE(error_of([&] { where(grid(), unknown); }).find("did you mean \"arm\"?"), std::string::npos);
}

TEST(Keys, ByMakesAKeyPartOfTheGridPoint) {
  Runs runs = grid();
  set_apart(runs, "cpu");
  const Comparison result = compare(runs, {});
  EXPECT_EQ(result.arms.size(), 8U) << "2 arms, 2 sizes, 2 CPUs";
  EXPECT_EQ(axis_of(runs, "train_size"), "task.train_size");
  EXPECT_EQ(axis_of(runs, "cpu"), "cpu");
  Runs same = grid();
  set_apart(same, "train_size");
  EXPECT_EQ(same[0].header.settings, grid()[0].header.settings) << "it is an axis already";
  EXPECT_NE(error_of([&] { set_apart(runs, "replicate"); }).find("a key that sets designs apart"), std::string::npos);
  EXPECT_NE(error_of([&] { set_apart(runs, "nothing"); }).find("--by"), std::string::npos);
}

TEST(Together, SeveralExperimentsAreOneDesign) {
  Runs runs = testing::eight_pairs();
  for (record::Run& one : runs)
    if (one.header.arm == "zero") one.header.experiment = "later";
  EXPECT_NE(error_of([&] { compare(runs, {}); }).find("--together"), std::string::npos);
  const Comparison result = compare(runs, {.together = true});
  EXPECT_EQ(result.experiment, "later + why");
  EXPECT_EQ(result.pairs.at(0).n, 8);
}

std::string refusal(const Runs& runs, bool one_seed = false) {
  return error_of([&] { require_answerable(compare(runs, {}), one_seed); });
}

TEST(Refusals, SayWhatIsMissingAndWhatWouldDo) {
  EXPECT_EQ(refusal(testing::eight_pairs()), "no error");
  EXPECT_EQ(
      refusal({run("pretrained", 0, {{5, 0.9}})}),
      "compare: experiment \"why\": expected two arms or more, of several seeds each, got one run\n  hint: `initlab "
      "show` shows a run; add arms to the spec, and seeds.replicates: 6 is the least that can give p < 0.05, 8 can "
      "give 0.0078125");
  const Runs one = {run("pretrained", 0, {{5, 0.9}}), run("zero", 0, {{5, 0.5}})};
  EXPECT_EQ(
      refusal(one),
      "compare: experiment \"why\": expected several seeds an arm, got one\n  hint: seeds.replicates: 6 is the least "
      "that can give p < 0.05, 8 can give 0.0078125; --one-seed shows the numbers all the same, without a verdict");
  EXPECT_EQ(refusal(one, true), "no error");
  EXPECT_EQ(
      refusal({run("pretrained", 0, {{5, 0.9}}), run("pretrained", 1, {{5, 0.9}}), run("zero", 2, {{5, 0.5}}),
               run("zero", 3, {{5, 0.5}})}),
      "compare: experiment \"why\": expected seeds that the baseline pretrained and another arm share, got none\n  "
      "hint: pairs are of one replicate: run the same seeds.base and seeds.replicates in both");
  Runs failed = testing::eight_pairs();
  for (record::Run& each : failed) each.state = record::State::failed;
  EXPECT_EQ(
      refusal(failed),
      "compare: experiment \"why\": expected a run with a value of accuracy, got none of 16: 16 failed or gave no "
      "finite number\n  hint: `initlab status` says what became of them; `initlab run SPEC` goes on");
  EXPECT_EQ(refusal({run("pretrained", 0, {{5, 0.9}}), run("pretrained", 1, {{5, 0.8}})}), "no error")
      << "an arm alone is described";
}

// --- over examples ---

// Two classes, 40 examples; the arm is right on the first `right` of them.
void predict(record::Run& one, std::size_t right) {
  one.header.labels.assign(40, 1.0F);
  one.evals.back().predictions.clear();
  for (std::size_t i = 0; i < 40; ++i) {
    one.evals.back().predictions.push_back(i < right ? 0.0F : 1.0F);
    one.evals.back().predictions.push_back(0.5F);
  }
}

double accuracy(std::span<const float> predictions, std::span<const float> labels) {
  double right = 0;
  for (std::size_t i = 0; i < labels.size(); ++i)
    right += (predictions[2 * i + 1] > predictions[2 * i] ? 1.0F : 0.0F) == labels[i] ? 1 : 0;
  return right / static_cast<double>(labels.size());
}

TEST(Examples, AreResampledBesideTheSeeds) {
  Runs runs;
  for (std::int64_t r = 0; r < 4; ++r) {
    runs.push_back(run("pretrained", r, {{5, 0.75}}));
    predict(runs.back(), 30);
    runs.push_back(run("zero", r, {{5, 0.5}}));
    predict(runs.back(), 20);
  }
  Comparison result = compare(runs, {});
  add_examples(result, runs, accuracy);
  ASSERT_TRUE(result.pairs.at(0).examples.has_value());
  const OverExamples& over = *result.pairs[0].examples;
  EXPECT_EQ(over.examples, 40U);
  ASSERT_TRUE(over.resampled.has_value());
  EXPECT_NEAR(over.resampled->difference, -0.25, 1e-12);
  EXPECT_NEAR(over.resampled->seeds_stddev, 0, 1e-12) << "all seeds are equal";
  EXPECT_NEAR(over.resampled->examples_stddev, std::sqrt(0.25 * 0.75 / 40), 0.01) << "a share of 40 examples";
  EXPECT_FALSE(over.mcnemar.has_value());
}

TEST(Examples, OnePairIsMcNemars) {
  Runs runs = {run("pretrained", 0, {{5, 0.75}}), run("zero", 0, {{5, 0.5}})};
  predict(runs[0], 30);
  predict(runs[1], 20);
  Comparison result = compare(runs, {});
  add_examples(result, runs, accuracy);
  const OverExamples& over = result.pairs.at(0).examples.value();
  EXPECT_EQ(over.only_arm, 0);
  EXPECT_EQ(over.only_baseline, 10);
  EXPECT_NEAR(over.mcnemar->exact_p, 2.0 / 1024, 1e-12);
  EXPECT_FALSE(over.resampled.has_value());
  runs[1].header.labels[3] = 0;
  add_examples(result, runs, accuracy);
  EXPECT_FALSE(result.pairs[0].examples.has_value()) << "evaluated on other labels";
}

}  // namespace
}  // namespace initlab::compare
