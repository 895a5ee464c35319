// Grids with more than a product: values that vary together, conditions, exclusions, samples, names.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/error.hpp"
#include "spec/support.hpp"

namespace initlab::spec {
namespace {

const std::string kBase =
    "experiment: e\nmodel: {shape: tiny, vocabulary: microworld}\ntask: {name: sentiment, data: microworld}\n"
    "arms: {a: [{use: zero}], b: [{use: one}]}\n";

using Settings = std::vector<std::pair<std::string, base::Json>>;

// The settings of arm `a`'s runs, in order, as "batch=8 dropout=0.1".
std::vector<std::string> points(const ExperimentSpec& spec, const std::string& arm = "a") {
  std::vector<std::string> all;
  for (const config::RunPlan& plan : spec.plans) {
    if (plan.arm != arm) continue;
    std::string text;
    for (const auto& [path, value] : plan.settings)
      text += (text.empty() ? "" : " ") + path.substr(path.rfind('.') + 1) + "=" + base::json_text(value);
    all.push_back(text);
  }
  return all;
}

using Texts = std::vector<std::string>;

TEST(Zip, VariesTogether) {
  const auto spec = from(kBase + "zip: {training.batch: [8, 16], training.optimizer.learning_rate: [1e-4, 2e-4]}\n");
  EXPECT_EQ(points(spec), (Texts{"batch=8 learning_rate=0.0001", "batch=16 learning_rate=0.0002"}));
  EXPECT_EQ(spec.plans[2].training.batch, 16);
  EXPECT_EQ(spec.plans[2].training.optimizer.learning_rate, 2e-4);
}

TEST(Zip, MultipliesWithTheGridAndOtherZips) {
  const auto spec = from(kBase +
                         "grid: {training.dropout: [0, 0.1]}\nzip:\n  - {training.batch: [8, 16], training.accumulate: "
                         "[1, 1]}\n  - {training.clip: [1, 2], training.layer_decay: [0.9, 0.8]}\n");
  EXPECT_EQ(points(spec).size(), 8u);
  EXPECT_EQ(points(spec)[0], "dropout=0 batch=8 accumulate=1 clip=1 layer_decay=0.9");
  EXPECT_EQ(points(spec)[1], "dropout=0 batch=8 accumulate=1 clip=2 layer_decay=0.8") << "the last varies fastest";
}

TEST(Exclude, LeavesPointsOut) {
  const auto spec = from(kBase +
                         "grid: {training.batch: [8, 16], training.dropout: [0, 0.1]}\nexclude: [{training.batch: 16, "
                         "training.dropout: 0.10}]\n");
  EXPECT_EQ(points(spec), (Texts{"batch=8 dropout=0", "batch=8 dropout=0.1", "batch=16 dropout=0"}));
}

TEST(Exclude, LeavesAnArmOutAtAPoint) {
  const auto spec = from(kBase + "grid: {training.batch: [8, 16]}\nexclude: [{training.batch: 16, arm: b}]\n");
  EXPECT_EQ(points(spec, "a").size(), 2u);
  EXPECT_EQ(points(spec, "b"), Texts{"batch=8"});
}

TEST(When, AnAxisAppliesWhereItsConditionHolds) {
  const auto spec = from(kBase +
                         "grid: {training.mixout: [0, 0.5, 0.9], training.mixout_unit: [weight, neuron]}\n"
                         "when: {training.mixout_unit: {training.mixout: [0.5, 0.9]}}\n");
  EXPECT_EQ(points(spec), (Texts{"mixout=0", "mixout=0.5 mixout_unit=\"weight\"", "mixout=0.5 mixout_unit=\"neuron\"",
                                 "mixout=0.9 mixout_unit=\"weight\"", "mixout=0.9 mixout_unit=\"neuron\""}));
  EXPECT_EQ(spec.plans[0].training.mixout_unit, "weight") << "elsewhere the spec's own value stands";
}

TEST(Sample, DrawsPointsByItsSeed) {
  const std::string grid = kBase + "grid: {training.batch: [1, 2, 3, 4, 5], training.clip: [1, 2, 3, 4]}\n";
  const Texts all = points(from(grid));
  const Texts drawn = points(from(grid + "sample: {n: 6, seed: 1}\n"));
  EXPECT_EQ(drawn.size(), 6u);
  EXPECT_EQ(points(from(grid + "sample: {n: 6, seed: 1}\n"), "b"), drawn) << "all arms at the same points";
  EXPECT_EQ(points(from(grid + "sample: {n: 6, seed: 1}\n")), drawn);
  EXPECT_NE(points(from(grid + "sample: {n: 6, seed: 2}\n")), drawn);
  // Different ones, in the grid's order.
  std::size_t at = 0;
  for (const std::string& point : drawn) {
    const auto found = std::find(all.begin() + static_cast<std::ptrdiff_t>(at), all.end(), point);
    ASSERT_NE(found, all.end()) << point;
    at = static_cast<std::size_t>(found - all.begin()) + 1;
  }
  EXPECT_EQ(points(from(grid + "sample: {n: 100, seed: 1}\n")), all);
}

// Each point is drawn equally often: of 2,000 seeds about 600 draw it, within 5 standard errors.
TEST(Sample, IsFair) {
  std::map<std::string, int> counts;
  for (int seed = 0; seed < 2000; ++seed)
    for (const std::string& point :
         points(from(kBase + "grid: {training.batch: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]}\nsample: {n: 3, seed: " +
                     std::to_string(seed) + "}\n")))
      ++counts[point];
  ASSERT_EQ(counts.size(), 10u);
  for (const auto& [point, count] : counts) EXPECT_NEAR(count, 600, 5 * std::sqrt(2000 * 0.3 * 0.7)) << point;
}

TEST(Names, StandForPaths) {
  const auto spec = from(kBase +
                         "grid: {training.optimizer.learning_rate: [1e-4, 2e-4]}\nnames: "
                         "{training.optimizer.learning_rate: lr}\nexclude: [{lr: 2e-4, arm: b}]\n");
  EXPECT_EQ(spec.plans[0].settings, (Settings{{"lr", 1e-4}}));
  EXPECT_EQ(points(spec, "b").size(), 1u);
  EXPECT_EQ(spec.plans[0].training.optimizer.learning_rate, 1e-4);
}

TEST(Grid, WhatCannotBeIsRefused) {
  const std::pair<const char*, const char*> cases[] = {
      {"zip: {training.batch: [8, 16]}", "zip: expected at least two keys that vary together, got 1"},
      {"zip: {training.batch: [8, 16], training.clip: [1]}", "zip.training.clip: expected 2 values"},
      {"zip: {training.batch: [8, 8], training.clip: [1, 1.0]}",
       "zip: expected different points, got number 2 a second"},
      {"grid: {training.batch: [8]}\nzip: {training.batch: [8, 9], training.clip: [1, 2]}",
       "expected axes that change different values"},
      {"grid: {training.batch: [8, 16]}\nexclude: [{training.batch: 9}]",
       "exclude[0].training.batch: expected one of 8, 16"},
      {"grid: {training.batch: [8, 16]}\nexclude: [{training.clip: 1}]", "exclude[0]: expected a key of grid or zip"},
      {"grid: {training.batch: [8, 16]}\nexclude: [{arm: c}]", "exclude[0].arm: expected the name of an arm"},
      {"grid: {training.batch: [8, 16]}\nexclude: [{}]", "exclude[0]: expected at least one condition"},
      {"grid: {training.batch: [8]}\nexclude: [{training.batch: 8}]", "all points excluded"},
      {"grid: {training.batch: [8, 16]}\nwhen: {training.batch: {training.batch: 8}}",
       "when.training.batch: expected another axis"},
      {"grid: {training.batch: [8, 16]}\nsample: {seed: 1}", "sample.n: expected a number of points"},
      {"grid: {training.batch: [8, 16]}\nsample: {n: 0}", "sample.n"},
      {"grid: {training.batch: [8, 16], training.clip: [1]}\nnames: {training.batch: x, training.clip: x}",
       "names.training.clip: expected names that differ"},
      {"names: {training.batch: x}", "names: expected a key of grid or zip"},
  };
  for (const auto& [text, expected] : cases) {
    SCOPED_TRACE(text);
    try {
      from(kBase + text + "\n");
      ADD_FAILURE() << "was taken";
    } catch (const base::Error& error) {
      EXPECT_NE(std::string(error.what()).find(expected), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace initlab::spec
