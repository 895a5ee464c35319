// Statistics of activations: values worked out by hand, and what theory knows of a model of zeros.
#include "model/layer_statistics.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <vector>

#include "model/moments.hpp"
#include "model/small.hpp"

namespace initlab::model {
namespace {

constexpr double kExact = 1e-15;  // a handful of roundings in double

TEST(Moments, ByHand) {
  const std::vector<float> x = {1, 2, 3, 6};
  EXPECT_DOUBLE_EQ(Moments(x).mean(), 3);
  EXPECT_DOUBLE_EQ(Moments(x).stddev(), std::sqrt((4 + 1 + 0 + 9) / 4.0));
  EXPECT_TRUE(std::isnan(Moments().mean()));
  EXPECT_TRUE(std::isnan(Moments().stddev()));
  Moments pieces;
  for (const auto& piece : {std::vector<float>{1}, {}, {2, 3}, {6}}) pieces.add(Moments(piece));
  EXPECT_EQ(pieces.count(), 4);
  EXPECT_DOUBLE_EQ(pieces.mean(), Moments(x).mean());
  EXPECT_DOUBLE_EQ(pieces.stddev(), Moments(x).stddev());
}

TEST(MeanCosine, ByHand) {
  // Pairs: (1,0) (0,2): 0; (1,0) (-3,0): -1; (0,2) (-3,0): 0.
  EXPECT_NEAR(mean_cosine(2, std::vector<float>{1, 0, 0, 2, -3, 0}), -1.0 / 3, kExact);
  EXPECT_NEAR(mean_cosine(2, std::vector<float>{3, 4, 3, 4, 6, 8}), 1, kExact) << "all point the same way";
  EXPECT_NEAR(mean_cosine(2, std::vector<float>{1, 0, 0, 0, 1, 1}), std::sqrt(0.5), kExact) << "0 has no direction";
  EXPECT_TRUE(std::isnan(mean_cosine(2, std::vector<float>{1, 0, 0, 0})));
}

TEST(MeanEntropy, ByHand) {
  EXPECT_NEAR(mean_entropy(2, std::vector<float>{0.5f, 0.5f, 1, 0}), std::log(2.0) / 2, kExact);
  EXPECT_NEAR(mean_entropy(4, std::vector<float>{0.25f, 0.25f, 0.25f, 0.25f}), std::log(4.0), kExact);
}

// Two sequences, of two tokens and of one; H = 2, one head.
TEST(LayerStatistics, OneLayerByHand) {
  batch::Batch batch;
  batch.offsets = {0, 2, 3};
  LayerStatistics statistics(batch);
  const auto see = [&](std::string_view site, std::int32_t layer, std::int64_t columns, const std::vector<float>& x) {
    statistics({site, {}, layer, std::ssize(x) / columns, columns, x});
  };
  see("embeddings", -1, 2, {1, 0, 0, 1, -1, -1});          // moments 0, sqrt(4/6)
  see("attention.query", 0, 2, {9, 9, 9, 9, 9, 9});        // none of the statistics
  see("attention.probabilities", 0, 2, {0.5, 0.5, 1, 0});  // entropy ln(2) / 2
  see("attention.probabilities", 0, 1, {1});               // 0, and no share
  see("attention.branch", 0, 2, {1, -1, 1, -1, 1, -1});    // std 1
  see("attention.output", 0, 2, {2, -2, 2, -2, 2, -2});    // std 2
  see("ffn.branch", 0, 2, {3, -3, 3, -3, 3, -3});          // std 3
  see("ffn.output", 0, 2, {1, 1, 1, 3, 5, 7});             // cosine 4 / sqrt(20); the second sequence has none
  ASSERT_EQ(statistics.layers().size(), 2u);
  const record::LayerDiagnosis &embeddings = statistics.layers()[0], &layer = statistics.layers()[1];
  EXPECT_EQ(embeddings.layer, -1);
  EXPECT_NEAR(embeddings.mean, 0, kExact);
  EXPECT_NEAR(embeddings.stddev, std::sqrt(4.0 / 6), kExact);
  EXPECT_NEAR(embeddings.cosine, 0, kExact);
  EXPECT_TRUE(std::isnan(embeddings.attention_branch) && std::isnan(embeddings.entropy));
  EXPECT_EQ(layer.layer, 0);
  EXPECT_DOUBLE_EQ(layer.mean, 3);
  EXPECT_DOUBLE_EQ(layer.stddev, std::sqrt((4 + 4 + 4 + 0 + 4 + 16) / 6.0));
  EXPECT_NEAR(layer.attention_branch, 1 / std::sqrt(4.0 / 6), kExact);
  EXPECT_DOUBLE_EQ(layer.ffn_branch, 1.5);
  EXPECT_NEAR(layer.cosine, 4 / std::sqrt(20.0), kExact);
  EXPECT_NEAR(layer.entropy, std::log(2.0) / 4, kExact);
  EXPECT_NEAR(layer.entropy_share, 0.5, kExact);
}

std::vector<record::LayerDiagnosis> look(const Bert& bert, const batch::Batch& batch) {
  LayerStatistics statistics(batch);
  observe(small_model(), HeadKind::classifier, 2, bert.parameters(), bert.values(), batch, std::ref(statistics));
  return statistics.layers();
}

// Matrices, embeddings and biases 0: all scores are equal, so attention is uniform, and branches are 0.
TEST(LayerStatistics, AModelOfZerosAttendsUniformly) {
  Bert bert(small_model(), HeadKind::classifier, 2, kCapacity);
  for (const params::Parameter& p : bert.parameters().all())
    if (p.role == params::Role::norm_scale) std::fill_n(bert.values().begin() + p.offset, p.size, 1.0f);
  const batch::Batch batch = batch_of(HeadKind::classifier, {0, 1, 2});  // of 5, 8 and 11 tokens
  const auto layers = look(bert, batch);
  ASSERT_EQ(layers.size(), 3u);
  for (const record::LayerDiagnosis& layer : layers) {
    EXPECT_EQ(layer.stddev, 0);
    EXPECT_TRUE(std::isnan(layer.cosine)) << "rows of zeros have no direction";
    if (layer.layer < 0) continue;
    EXPECT_NEAR(layer.entropy, (std::log(5.0) + std::log(8.0) + std::log(11.0)) / 3, 1e-6) << "1/S is rounded to float";
    EXPECT_NEAR(layer.entropy_share, 1, 1e-6);
    EXPECT_TRUE(std::isnan(layer.attention_branch)) << "the input does not vary";
  }
}

// One word everywhere and no position or segment embedding: tokens stay equal in every layer.
TEST(LayerStatistics, EqualTokensHaveCosineOne) {
  Bert bert(small_model(), HeadKind::classifier, 2, kCapacity);
  randomize(bert);
  for (const char* name :
       {"bert.embeddings.position_embeddings.weight", "bert.embeddings.token_type_embeddings.weight"}) {
    const params::Parameter& p = bert.parameters().at(name);
    std::fill_n(bert.values().begin() + p.offset, p.size, 0.0f);
  }
  batch::Batch batch = batch_of(HeadKind::classifier, {0, 1});
  std::ranges::fill(batch.ids, 7);
  for (const record::LayerDiagnosis& layer : look(bert, batch)) EXPECT_NEAR(layer.cosine, 1, 1e-6) << layer.layer;
  const auto varied = look(bert, batch_of(HeadKind::classifier, {0, 1}));
  EXPECT_LT(varied[0].cosine, 0.9) << "else this test says nothing";
}

}  // namespace
}  // namespace initlab::model
