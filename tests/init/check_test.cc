// What a strategy says before a run starts: refusals with plugin, strategy, tensor and rule; what the checkpoint lacks
// goes to `missing`; tensors of other names and shapes may be read.
#include "fixture.hpp"
#include "init/host.hpp"
#include "paths.hpp"
#include "sdk/plugin.hpp"

namespace initlab::init {
namespace {

const std::string kPlugins = initlab::paths::binary_dir() + "/plugins/";

class Check : public InitTest {
 protected:
  void SetUp() override { write_checkpoint(folder_.path(), model_, table_); }
  std::string fault_of(const config::InitRule& r) {
    const auto source = checkpoint::Checkpoint::open(folder_.path());
    plan_.init = {r};
    return fault(&source);
  }
  static config::InitRule of_roles(config::InitRule r, std::vector<std::string> roles) {
    r.roles = std::move(roles);
    return r;
  }
  TemporaryFolder folder_;
};

TEST_F(Check, AShapeThatAStrategyCannotServeIsRefused) {
  EXPECT_EQ(fault_of(of_roles(rule("spectrum_match"), {"bias"})),
            "x.yaml:7:5: strategy spectrum_match/1 of " + kPlugins +
                "statistics.so: tensor bert.encoder.layer.0.attention.self.query.bias: expected a tensor of two "
                "dimensions, got shape (8): a vector has no spectrum");
  EXPECT_EQ(fault_of(rule("shuffle", {{"scope", "head"}})),
            "x.yaml:7:5: strategy shuffle/1 of " + kPlugins +
                "statistics.so: tensor bert.embeddings.word_embeddings.weight: scope head: it belongs to no attention "
                "head; query, key, value and attention.output.dense.weight do: add match: \"*.attention.self.*\"");
  config::InitRule heads = rule("shuffle", {{"scope", "head"}});
  heads.match = "*.attention.self.*";
  EXPECT_EQ(fault_of(heads), "accepted");
}

TEST_F(Check, AMapThatNamesMissingLayersIsRefused) {
  const std::string start = "x.yaml:7:5: strategy permute_layers/1 of " + kPlugins + "layers.so: ";
  EXPECT_EQ(
      fault_of(rule("permute_layers", {{"map", "0:2,2:0"}})),
      start + "tensor bert.embeddings.word_embeddings.weight: map names layer 2; the model has 2, counted from 0");
  EXPECT_EQ(fault_of(rule("permute_layers", {{"map", "0:1"}})),
            start +
                "option \"map\": expected a permutation: the same layers on both sides, got \"0:1\"; `transplant` "
                "takes any map");
  for (const char* text : {"", "0", "0:", ":1", "0:1,", "0:1 ,1:0", "a:b", "0:-1", "0:1,0:1", "0:99999999999"})
    EXPECT_NE(fault_of(rule("permute_layers", {{"map", text}})).find("option \"map\": expected pairs"),
              std::string::npos)
        << text;
  config::InitRule absent = rule("transplant", {{"map", "1:7"}});
  absent.missing = "bert_default";  // a slip in the map is not for `missing`
  EXPECT_NE(fault_of(absent).find("tensor bert.encoder.layer.1.attention.self.query.weight: map names layer 7; the "
                                  "checkpoint has no bert.encoder.layer.7.attention.self.query.weight"),
            std::string::npos);
  EXPECT_EQ(fault_of(rule("permute_layers", {{"map", "0:1,1:0"}})), "accepted");
}

TEST_F(Check, WordsOfOptionsAreChecked) {
  EXPECT_EQ(fault_of(rule("shuffle", {{"scope", "rows"}})),
            "x.yaml:7:5: strategy shuffle/1 of " + kPlugins +
                "statistics.so: option \"scope\": expected tensor, row, column or head, got \"rows\"");
  EXPECT_EQ(fault_of(rule("mask", {{"sparsity", "1.5"}})),
            "x.yaml:7:5: strategy mask/1 of " + kPlugins +
                "perturb.so: option \"sparsity\": expected a number from 0 to 1, got \"1.5\"");
  EXPECT_NE(fault_of(rule("quantize", {{"bits", "1"}})).find("expected an integer from 2 to 16"), std::string::npos);
}

TEST_F(Check, StrategiesFromACheckpointNeedOne) {
  for (const CatalogEntry& entry : built_catalog().entries()) {
    if (entry.strategy->extension == nullptr || entry.strategy->extension(IL_EXT_NEEDS_SOURCE) == nullptr) continue;
    plan_.init = {rule(entry.name, entry.name == "permute_layers"
                                       ? std::vector<std::pair<std::string, std::string>>{{"map", "0:1,1:0"}}
                                       : std::vector<std::pair<std::string, std::string>>{})};
    EXPECT_NE(fault().find("expected a checkpoint to take values from, got none"), std::string::npos) << entry.name;
  }
}

TEST_F(Check, WhatACheckingStrategyLacksGoesToMissing) {
  const std::string lacking = "bert.pooler.dense.weight";
  write_checkpoint(folder_.path(), model_, table_, lacking);
  config::InitRule r = rule("shuffle");
  EXPECT_NE(fault_of(r).find("tensor " + lacking + ": expected a tensor of that name in "), std::string::npos);
  r.missing = "bert_default";
  EXPECT_EQ(fault_of(r), "accepted");
}

TEST_F(Check, PermutedLayersAreTheOthersBitsAndSaySo) {
  const auto source = checkpoint::Checkpoint::open(folder_.path());
  plan_.init = {rule("permute_layers", {{"map", "0:1,1:0"}})};
  std::vector<float> values;
  const auto records = filled(values, &source);
  for (std::size_t t = 0; t < records.size(); ++t) {
    const params::Parameter& p = table_.all()[t];
    if (p.head) continue;
    std::string from = p.name;
    if (p.layer >= 0) from[std::string("bert.encoder.layer.").size()] = p.layer == 0 ? '1' : '0';
    EXPECT_EQ(records[t].source_key, from);
    std::size_t index = 0;
    while (table_.all()[index].name != from) ++index;
    EXPECT_EQ(slice(values, p.name)[2], source_value(index, 2)) << p.name;
  }
}

TEST_F(Check, ATransplantMayReadAnotherDepthAndWidth) {
  const auto source = checkpoint::Checkpoint::open(folder_.path());
  model_.layers = 5;
  model_.hidden = 16;
  model_.heads = 4;
  table_ = params::bert_parameters(model_, config::HeadKind::classifier, 2);
  plan_.init = {rule("pretrained")};
  EXPECT_NE(fault(&source).find("expected shape (20, 16), got (20, 8)"), std::string::npos);
  plan_.init = {rule("transplant", {{"map", "stack"}})};
  EXPECT_NE(fault(&source).find("expected shape (20, 16), got (20, 8) of bert.embeddings.word_embeddings.weight in the "
                                "checkpoint; `fit: tile` takes another width"),
            std::string::npos);
  plan_.init = {rule("transplant", {{"map", "stack"}, {"fit", "tile"}})};
  std::vector<float> values;
  const auto records = filled(values, &source);
  for (const auto& r : records)
    if (r.name == "bert.encoder.layer.3.output.dense.weight") {
      EXPECT_EQ(r.source_key, "bert.encoder.layer.1.output.dense.weight");
    }
  const auto word = slice(values, "bert.embeddings.word_embeddings.weight");
  for (std::size_t j = 0; j < 16; ++j) EXPECT_EQ(word[16 + j], source_value(0, 8 + j % 8));
}

// An extension of the boundary, not of one plugin: a strategy that reads no checkpoint may refuse too.
struct Picky {
  static constexpr sdk::Facts kFacts{.id = "picky/1", .summary = "s", .source = "s", .natural_roles = IL_ROLE_MATRIX};
  using Options = sdk::NoOptions;
  explicit Picky(const Options&) {}
  void check(const il_param& param, const sdk::Sources& sources) const {
    if (sources.shape(param.name)) throw sdk::Refusal("there is one");
    if (param.heads == 2 && param.num_layers == 2 && param.layer == 1) throw sdk::Refusal("not the last layer");
  }
  void fill(const il_param&, const sdk::Host&, std::span<float> values) const { std::ranges::fill(values, 1.0f); }
};

TEST_F(Check, AStrategyWithoutACheckpointMayRefuseToo) {
  Catalog catalog;
  catalog.load(kPlugins + "normal.so");
  catalog.add(sdk::plugin<Picky>("picky", "1"), "picky.so");
  plan_.init = {rule("picky")};
  try {
    assign(catalog, plan_, table_, nullptr, model_);
    ADD_FAILURE() << "accepted";
  } catch (const base::Error& error) {
    EXPECT_STREQ(error.what(),
                 "x.yaml:7:5: strategy picky/1 of picky.so: tensor bert.encoder.layer.1.attention.self.query.weight: "
                 "not the last layer");
  }
  plan_.init[0].layers = config::parse_layer_range("0");
  EXPECT_EQ(assign(catalog, plan_, table_, nullptr, model_).size(), table_.all().size());
}

// A plugin of minor 1 asks for parameters with the size that it knows: it gets those fields and nothing behind them.
TEST_F(Check, AnOlderPluginGetsTheFieldsThatItKnows) {
  const std::vector<const params::Parameter*> all = {&table_.all()[0], &table_.all()[1]};
  model_.residual_scale = 3;
  const Host host(plan_.seeds, all, model_, nullptr, table_.all()[0]);
  const il_host lent = host.lend();
  il_param param{};
  param.size = offsetof(il_param, residual_scale);
  param.residual_scale = -7;
  ASSERT_EQ(lent.parameter(lent.context, 1, &param), 0);
  EXPECT_EQ(param.size, offsetof(il_param, residual_scale));
  EXPECT_EQ(param.name, table_.all()[1].name);
  EXPECT_EQ(param.hidden, 8);
  EXPECT_EQ(param.residual_scale, -7) << "not the asker's memory";
  param.size = sizeof param;
  ASSERT_EQ(lent.parameter(lent.context, 1, &param), 0);
  EXPECT_EQ(param.residual_scale, 3);
  EXPECT_EQ(param.normed, 1u);
  param.size = 8;
  EXPECT_NE(lent.parameter(lent.context, 1, &param), 0);
  param.size = sizeof param;
  EXPECT_NE(lent.parameter(lent.context, 2, &param), 0);
}

}  // namespace
}  // namespace initlab::init
