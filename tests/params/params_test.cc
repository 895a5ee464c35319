// The parameter table: counts as published, contiguous, names, roles.
#include "params/params.hpp"

#include <gtest/gtest.h>

#include <map>

#include "checkpoint/names.hpp"

namespace initlab::params {
namespace {

config::ModelConfig shape(const char* name, std::int64_t vocabulary) {
  config::ModelConfig model = *config::named_shape(name);
  model.vocabulary = vocabulary;
  return model;
}

TEST(Table, BertBaseHasItsPublishedSize) {
  // 109,482,240 parameters of bert-base-uncased with pooler, and 768 * 2 + 2 of a classifier.
  const ParameterTable table = bert_parameters(shape("base", 30522), config::HeadKind::classifier, 2);
  EXPECT_EQ(table.size(), 109482240 + 768 * 2 + 2);
}

TEST(Table, FillsItsBlockWithoutHoles) {
  const ParameterTable table = bert_parameters(shape("tiny", 100), config::HeadKind::mlm, 0);
  std::int64_t next = 0;
  for (const Parameter& p : table.all()) {
    EXPECT_EQ(p.offset, next) << p.name;
    next += p.size;
  }
  EXPECT_EQ(next, table.size());
  EXPECT_EQ(table.find("cls.predictions.decoder.weight"), nullptr) << "the decoder is tied";
  EXPECT_EQ(table.find("bert.pooler.dense.weight"), nullptr);
}

TEST(Parts, EachParameterIsInOneAndTheSizesAreBertsOwn) {
  const ParameterTable table = bert_parameters(shape("base", 30522), config::HeadKind::classifier, 2);
  std::map<Part, std::int64_t> sizes;
  for (const Parameter& p : table.all()) sizes[part_of(p)] += p.size;
  const std::int64_t h = 768, i = 4 * h, layers = 12;
  EXPECT_EQ(sizes[Part::embeddings], (30522 + 512 + 2) * h + 2 * h);  // with its LayerNorm
  EXPECT_EQ(sizes[Part::attention], layers * 4 * (h * h + h));
  EXPECT_EQ(sizes[Part::ffn], layers * (2 * h * i + i + h));
  EXPECT_EQ(sizes[Part::norms], layers * 2 * 2 * h);
  EXPECT_EQ(sizes[Part::pooler], h * h + h);
  EXPECT_EQ(sizes[Part::head], 2 * h + 2);
  const ParameterTable mlm = bert_parameters(shape("tiny", 100), config::HeadKind::mlm, 0);
  for (const Parameter& p : mlm.all()) {
    EXPECT_NE(part_of(p), Part::pooler) << p.name;
    EXPECT_EQ(part_of(p) == Part::head, p.name.starts_with("cls.")) << p.name;  // its LayerNorm too
  }
}

TEST(Parts, HaveTheNamesThatSpecsUse) {
  const std::vector<std::string> names = config::part_names();
  ASSERT_EQ(names.size(), 6u);
  for (std::size_t i = 0; i < names.size(); ++i) EXPECT_EQ(to_text(static_cast<Part>(i)), names[i]);
}

TEST(Table, QueryKeyValueStandTogether) {
  const ParameterTable table = bert_parameters(shape("tiny", 100), config::HeadKind::classifier, 2);
  const std::string self = "bert.encoder.layer.1.attention.self.";
  const Parameter& q = table.at(self + "query.weight");
  EXPECT_EQ(table.at(self + "key.weight").offset, q.offset + q.size);
  EXPECT_EQ(table.at(self + "value.weight").offset, q.offset + 2 * q.size);
  EXPECT_EQ(table.at(self + "key.bias").offset, table.at(self + "query.bias").offset + 128);
  EXPECT_EQ(q.layer, 1);
  EXPECT_EQ(q.role, Role::matrix);
}

TEST(Table, DecayFallsOnMatricesAndEmbeddingsOnly) {
  const ParameterTable table = bert_parameters(shape("tiny", 100), config::HeadKind::classifier, 2);
  for (const Parameter& p : table.all()) {
    const bool exempt = p.name.ends_with("bias") || p.name.find("LayerNorm") != std::string::npos;
    EXPECT_EQ(p.decays(), !exempt) << p.name;
    EXPECT_EQ(p.head, p.name.starts_with("classifier")) << p.name;
  }
}

// torch.nn.init._calculate_fan_in_and_fan_out: dims[1] and dims[0]; a bias knows its weight's, as torch.nn.Linear does.
TEST(Table, FansAreTorchs) {
  const ParameterTable table = bert_parameters(shape("tiny", 100), config::HeadKind::classifier, 3);
  const auto fans = [&](const std::string& name) {
    const Parameter& p = table.at(name);
    return std::vector<std::int64_t>{p.fan_in, p.fan_out, p.weight_fan_in};
  };
  using Fans = std::vector<std::int64_t>;
  const std::string layer = "bert.encoder.layer.0.";
  EXPECT_EQ(fans("bert.embeddings.word_embeddings.weight"), (Fans{128, 100, 0}));
  EXPECT_EQ(fans(layer + "intermediate.dense.weight"), (Fans{128, 512, 0}));
  EXPECT_EQ(fans(layer + "output.dense.weight"), (Fans{512, 128, 0}));
  EXPECT_EQ(fans(layer + "output.dense.bias"), (Fans{1, 128, 512}));
  EXPECT_EQ(fans(layer + "attention.self.value.bias"), (Fans{1, 128, 128}));
  EXPECT_EQ(fans(layer + "output.LayerNorm.bias"), (Fans{1, 128, 0}));
  EXPECT_EQ(fans("classifier.bias"), (Fans{1, 3, 128}));
  const ParameterTable mlm = bert_parameters(shape("tiny", 100), config::HeadKind::mlm, 0);
  EXPECT_EQ(mlm.at("cls.predictions.bias").weight_fan_in, 0) << "its decoder is tied to an embedding";
}

config::ModelConfig with(const char* residual_scale, const char* norm) {
  config::ModelConfig model = shape("tiny", 100);
  model.norm = norm;
  EXPECT_TRUE(config::set_residual_scale(model, residual_scale));
  return model;
}

// Other residual sums: a tensor or a number beside or instead of each LayerNorm of the layers, in the part `norms`,
// without weight decay. A fixed factor is no parameter.
TEST(Table, HasWhatTheResidualSumsNeed) {
  const std::int64_t h = 128, sums = 2 * 2;
  const ParameterTable bert = bert_parameters(with("1", "post"), config::HeadKind::classifier, 2);
  EXPECT_EQ(bert_parameters(with("deepnorm", "post"), config::HeadKind::classifier, 2).size(), bert.size());
  const ParameterTable trained = bert_parameters(with("trained", "post"), config::HeadKind::classifier, 2);
  EXPECT_EQ(trained.size(), bert.size() + sums * h);
  EXPECT_EQ(trained.at("bert.encoder.layer.1.attention.output.residual_scale").shape, std::vector<std::int64_t>{h});
  const ParameterTable without = bert_parameters(with("1", "none"), config::HeadKind::classifier, 2);
  EXPECT_EQ(without.size(), bert.size() - (sums + 1) * 2 * h + sums);
  EXPECT_EQ(without.at("bert.encoder.layer.0.output.branch_scale").shape, std::vector<std::int64_t>{1});
  std::int64_t scales = 0;
  for (const ParameterTable* table : {&trained, &without})
    for (const Parameter& p : table->all()) {
      if (p.role != Role::residual_scale) continue;
      ++scales;
      EXPECT_EQ(part_of(p), Part::norms) << p.name;
      EXPECT_FALSE(p.decays()) << p.name;
      EXPECT_GE(p.layer, 0) << p.name;
    }
  EXPECT_EQ(scales, 2 * sums);
  const ParameterTable mlm = bert_parameters(with("1", "none"), config::HeadKind::mlm, 0);
  for (const Parameter& p : mlm.all())
    EXPECT_EQ(p.name.find("LayerNorm") != std::string::npos, p.name.starts_with("cls.predictions.transform.LayerNorm"))
        << p.name;
}

// checkpoint/ stands beside params/ and so keeps a list of its own: the two must be equal.
class TableAndCheckpoint : public testing::TestWithParam<config::ModelConfig> {};
INSTANTIATE_TEST_SUITE_P(ResidualSums, TableAndCheckpoint,
                         testing::Values(with("1", "post"), with("trained", "post"), with("1", "none")));
TEST_P(TableAndCheckpoint, AreOne) {
  const config::ModelConfig model = GetParam();
  std::map<std::string, std::vector<std::int64_t>> known;
  for (const checkpoint::KnownTensor& tensor : checkpoint::known_tensors(model)) known[tensor.name] = tensor.shape;
  for (const auto head : {config::HeadKind::classifier, config::HeadKind::regressor, config::HeadKind::mlm}) {
    const ParameterTable table = bert_parameters(model, head, 3);
    for (const Parameter& p : table.all()) {
      ASSERT_EQ(known.count(p.name), 1u) << p.name;
      const std::vector<std::int64_t>& expected = known[p.name];
      ASSERT_EQ(expected.size(), p.shape.size()) << p.name;
      for (std::size_t i = 0; i < expected.size(); ++i)
        EXPECT_TRUE(expected[i] == checkpoint::kAnySize || expected[i] == p.shape[i]) << p.name;
    }
  }
}

}  // namespace
}  // namespace initlab::params
