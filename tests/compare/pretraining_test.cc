// Replicates that share a pre-trained model are no independent draws of pre-training: what compare() counts then.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "compare/compare.hpp"
#include "compare/runs.hpp"
#include "compare/units.hpp"

namespace initlab::compare {
namespace {

using testing::run;
using Runs = std::vector<record::Run>;
using Values = std::vector<double>;

TEST(Units, AreMeansOfModelsWhereThereAreSeveral) {
  const Values values = {1, 2, 3, 5, 7};
  EXPECT_EQ(independent_units(values, std::vector<std::int64_t>{1, 0, 1, 0, 1}), (Values{3.5, 11.0 / 3}));
  EXPECT_EQ(independent_units(values, std::vector<std::int64_t>{4, 3, 2, 1, 0}), (Values{7, 5, 3, 2, 1}));
  EXPECT_EQ(independent_units(values, std::vector<std::int64_t>{0, 0, 0, 0, 0}), values) << "given that model";
  EXPECT_EQ(independent_units(values, std::vector<std::int64_t>{-1, -1, -1, -1, -1}), values);
  EXPECT_EQ(independent_units(values, std::vector<std::int64_t>{0, 1, 0, 1, -1}), (Values{7, 2, 3.5}));
  EXPECT_TRUE(independent_units({}, {}).empty());
}

// Eight replicates of an arm that reads one of `models` checkpoints and of one that reads none. The luck of a model is
// the whole difference between replicates.
Runs pretrained_runs(std::int64_t models) {
  Runs runs;
  for (std::int64_t r = 0; r < 8; ++r) {
    const std::int64_t model = r % models;
    for (const char* arm : {"pretrained", "zero", "xavier"}) {
      const bool reads = std::string(arm) == "pretrained";
      record::Run& one = runs.emplace_back(
          run(arm, r, {{20, (reads ? 0.8 + 0.01 * static_cast<double>(model) : 0.5) + 1e-4 * static_cast<double>(r)}}));
      one.header.checkpoint_replicate = model;
      one.header.checkpoint_sha256 = "hash of model " + std::to_string(model);
      one.reads_checkpoint = reads;
    }
  }
  return runs;
}

const Pair& pair(const Comparison& comparison, const std::string& arm) {
  return *std::ranges::find(comparison.pairs, arm, &Pair::arm);
}

bool has_note(const Comparison& comparison, const std::string& part) {
  return std::ranges::any_of(comparison.notes,
                             [&](const std::string& note) { return note.find(part) != std::string::npos; });
}

TEST(Pretraining, SeveralReplicatesOfAModelAreOneDifference) {
  const Comparison result = compare(pretrained_runs(2), {});
  EXPECT_EQ(pair(result, "zero").n, 2);
  EXPECT_EQ(pair(result, "zero").replicates, 8);
  EXPECT_NEAR(pair(result, "zero").difference, -0.305, 1e-12);
  EXPECT_NEAR(pair(result, "zero").deviation, 0.01 / std::sqrt(2.0), 1e-12);
  EXPECT_EQ(pair(result, "zero").p_sign_flip, 0.5) << "eight replicates would have given 0.0078";
  EXPECT_TRUE(has_note(result, "2 pre-training replicates: runs that start from one are no independent draws"));
  EXPECT_FALSE(has_note(result, "mixed checkpoints"));
  EXPECT_FALSE(has_note(result, "one pre-trained checkpoint"));
  EXPECT_FALSE(has_note(result, "have a partner"));
}

TEST(Pretraining, IntervalsOfAnArmCountModels) {
  const Comparison result = compare(pretrained_runs(2), {});
  const ArmSummary& reads = *std::ranges::find(result.arms, "pretrained", &ArmSummary::arm);
  EXPECT_EQ(reads.n, 8);
  ASSERT_TRUE(reads.ci95.has_value());
  // Two models, 0.01 apart in their means but for 1e-4: t(0.975, 1) = 12.706.
  EXPECT_NEAR(reads.ci95->high - reads.ci95->low, 2 * 12.7062 * 0.0101 / 2, 1e-5);
  const ArmSummary& none = *std::ranges::find(result.arms, "zero", &ArmSummary::arm);
  EXPECT_LT(none.ci95->high - none.ci95->low, 0.001) << "eight independent values";
}

TEST(Pretraining, ArmsThatReadNoneKeepTheirReplicates) {
  const Comparison result = compare(pretrained_runs(2), {.baseline = "zero"});
  EXPECT_EQ(pair(result, "xavier").n, 8);
  EXPECT_EQ(pair(result, "pretrained").n, 2);
}

TEST(Pretraining, OneModelAReplicateIsAsWithoutAny) {
  const Comparison result = compare(pretrained_runs(8), {});
  EXPECT_EQ(pair(result, "zero").n, 8);
  EXPECT_TRUE(has_note(result, "8 pre-training replicates, one a pair"));
  const Comparison one = compare(pretrained_runs(1), {});
  EXPECT_EQ(pair(one, "zero").n, 8);
  EXPECT_TRUE(has_note(one, "one pre-trained checkpoint"));
}

TEST(Pretraining, SharesCountModelsToo) {
  Runs runs = pretrained_runs(4);
  const Comparison result = compare(runs, {.gain = Gain{"zero", "pretrained"}});
  ASSERT_EQ(result.shares.size(), 1u);
  EXPECT_EQ(result.shares[0].n, 4);
  EXPECT_EQ(result.shares[0].replicates, 8);
  EXPECT_NEAR(result.shares[0].gain, 0.315, 1e-12);
}

TEST(Pretraining, AModelOfOtherWeightsIsMixed) {
  Runs runs = pretrained_runs(2);
  runs[0].header.checkpoint_sha256 = "other";
  EXPECT_TRUE(has_note(compare(runs, {}), "mixed checkpoints (hash of mode; other)"));
}

}  // namespace
}  // namespace initlab::compare
