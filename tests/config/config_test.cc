// Field lists, layer ranges, named shapes.
#include "config/config.hpp"

#include <gtest/gtest.h>

namespace initlab::config {
namespace {

TEST(Fields, JsonHasEveryFieldInOrder) {
  OptimizerConfig optimizer;
  EXPECT_EQ(base::json_text(to_json(optimizer)),
            R"({"name":"adamw","learning_rate":5e-05,"beta1":0.9,"beta2":0.999,"epsilon":1e-08,"weight_decay":0.01,)"
            R"("weight_decay_to":"zero"})");
  TrainingConfig training;
  const base::Json json = to_json(training);
  EXPECT_TRUE(json["epochs"].is_null());
  EXPECT_EQ(json["optimizer"]["name"], "adamw");
}

// Identities of runs are hashes of this JSON: a field that came later must not show where it is not used.
TEST(Fields, JsonLeavesOutLaterFieldsAtTheirDefault) {
  ModelConfig model = *named_shape("tiny");
  model.vocabulary = 100;
  const std::string before =
      R"({"layers":2,"hidden":128,"heads":2,"intermediate":512,"vocabulary":100,"max_positions":512,)"
      R"("type_vocabulary":2,"activation":"gelu","layer_norm_epsilon":1e-12,"pooling":"cls"})";
  EXPECT_EQ(base::json_text(to_json(model)), before);
  model.residual_scale = 2;
  EXPECT_EQ(base::json_text(to_json(model)), before.substr(0, before.size() - 1) + R"(,"residual_scale":2.0})");
  model.residual_scale = 1;
  model.norm = "none";
  EXPECT_EQ(base::json_text(to_json(model)), before.substr(0, before.size() - 1) + R"(,"norm":"none"})");
}

TEST(ResidualScale, IsANumberDeepNormsOrTrained) {
  ModelConfig model;
  model.layers = 8;
  ASSERT_TRUE(set_residual_scale(model, "deepnorm"));
  EXPECT_DOUBLE_EQ(model.residual_scale, 2) << "(2 * 8)^(1/4)";
  EXPECT_FALSE(model.trained_residual_scale);
  ASSERT_TRUE(set_residual_scale(model, "trained"));
  EXPECT_TRUE(model.trained_residual_scale);
  EXPECT_EQ(model.residual_scale, 1);
  ASSERT_TRUE(set_residual_scale(model, "0.5"));
  EXPECT_EQ(model.residual_scale, 0.5);
  EXPECT_FALSE(model.trained_residual_scale);
  for (const char* bad : {"", "0", "-1", "deep", "1x", "nan", "inf"})
    EXPECT_FALSE(set_residual_scale(model, bad)) << bad;
}

TEST(Check, SaysWhatWasExpected) {
  EXPECT_EQ(violation(positive(), 0, "a number"), "a number above 0");
  EXPECT_EQ(violation(fraction(), 1, "a number"), "a number from 0 to below 1");
  EXPECT_EQ(violation(at_least(1), 1, "an integer"), "");
  EXPECT_EQ(violation(one_of({"a", "b"}), "c"), "one of a, b");
}

TEST(LayerRange, FormsAndCover) {
  const auto covered = [](const char* text, std::int64_t layers) {
    std::string marks;
    const auto range = parse_layer_range(text);
    if (!range) return std::string("none");
    for (std::int64_t l = -1; l < layers; ++l) marks += range->covers(l, layers) ? '1' : '0';
    return marks;
  };
  EXPECT_EQ(covered("top(2)", 4), "00011");
  EXPECT_EQ(covered("bottom(1)", 4), "01000");
  EXPECT_EQ(covered("1..2", 4), "00110");
  EXPECT_EQ(covered("3", 4), "00001");
  EXPECT_EQ(covered("top(0)", 4), "00000");
  for (const char* bad : {"", "top", "top()", "top(x)", "top(-1)", "2..1", "..", "a..b", "-1", "top(2) "})
    EXPECT_FALSE(parse_layer_range(bad)) << bad;
}

TEST(NamedShape, IsTheFieldsOwn) {
  const auto tiny = named_shape("tiny");
  ASSERT_TRUE(tiny);
  EXPECT_EQ(tiny->layers, 2);
  EXPECT_EQ(tiny->hidden, 128);
  EXPECT_EQ(tiny->intermediate, 512);
  EXPECT_FALSE(named_shape("huge"));
}

}  // namespace
}  // namespace initlab::config
