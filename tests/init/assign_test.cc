// Rules to tensors: natural roles, the first that covers decides, the rest is BERT's default, and a rule without effect
// is an error.
#include "fixture.hpp"
#include "paths.hpp"

namespace initlab::init {
namespace {

const std::string kQuery = "bert.encoder.layer.1.attention.self.query.weight";

class Assign : public InitTest {
 protected:
  void SetUp() override { write_checkpoint(folder_.path(), model_, table_); }
  checkpoint::Checkpoint checkpoint() const { return checkpoint::Checkpoint::open(folder_.path()); }
  static const Assignment& of(const std::vector<Assignment>& all, const std::string& name) {
    for (const Assignment& a : all)
      if (a.parameter->name == name) return a;
    throw std::out_of_range(name);
  }
  TemporaryFolder folder_;
};

TEST_F(Assign, WithoutRulesEverythingIsBertsDefault) {
  const auto all = assigned();
  ASSERT_EQ(all.size(), table_.all().size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(all[i].parameter, &table_.all()[i]);
    EXPECT_EQ(all[i].rule, nullptr);
    EXPECT_EQ(all[i].use, "bert_default");
  }
}

TEST_F(Assign, ARuleCoversItsStrategysNaturalRoles) {
  plan_.init = {rule("truncated_normal")};
  for (const Assignment& a : assigned()) {
    const bool weight = a.parameter->role == params::Role::matrix || a.parameter->role == params::Role::embedding;
    EXPECT_EQ(a.use, weight && !a.parameter->head ? "truncated_normal" : "bert_default") << a.parameter->name;
  }
}

TEST_F(Assign, RolesMatchAndLayersNarrowAndTheFirstRuleDecides) {
  config::InitRule top = rule("zero"), biases = rule("one"), query = rule("constant", {{"value", "0.5"}});
  top.layers = config::parse_layer_range("top(1)");
  query.match = "*.query.weight";
  biases.roles = {"bias"};
  plan_.init = {query, top, biases, rule("normal")};
  const auto all = assigned();
  EXPECT_EQ(of(all, kQuery).use, "constant");
  EXPECT_EQ(of(all, kQuery).rule, &plan_.init[0]);
  EXPECT_EQ(of(all, "bert.encoder.layer.1.output.dense.weight").use, "zero");
  EXPECT_EQ(of(all, "bert.encoder.layer.1.output.dense.bias").use, "one");
  EXPECT_EQ(of(all, "bert.encoder.layer.0.output.dense.weight").use, "normal");
  EXPECT_EQ(of(all, "bert.embeddings.word_embeddings.weight").use, "normal");
  EXPECT_EQ(of(all, "bert.encoder.layer.0.output.LayerNorm.bias").use, "bert_default");
}

TEST_F(Assign, PartsCombineWithRolesMatchAndLayers) {
  config::InitRule embeddings = rule("zero"), ffn = rule("one"), attention = rule("constant", {{"value", "0.5"}});
  embeddings.parts = {"embeddings"};
  ffn.parts = {"ffn", "pooler"};
  ffn.roles = {"bias"};
  attention.parts = {"attention"};
  attention.layers = config::parse_layer_range("0");
  attention.match = "*.query.*";
  plan_.init = {embeddings, ffn, attention, rule("normal")};
  const auto all = assigned();
  EXPECT_EQ(of(all, "bert.embeddings.word_embeddings.weight").use, "zero");
  EXPECT_EQ(of(all, "bert.embeddings.LayerNorm.weight").use, "bert_default");  // beyond zero's natural roles
  EXPECT_EQ(of(all, "bert.encoder.layer.1.intermediate.dense.bias").use, "one");
  EXPECT_EQ(of(all, "bert.encoder.layer.1.intermediate.dense.weight").use, "normal");
  EXPECT_EQ(of(all, "bert.encoder.layer.0.attention.output.dense.bias").use, "bert_default");
  EXPECT_EQ(of(all, "bert.pooler.dense.bias").use, "one");
  EXPECT_EQ(of(all, "bert.encoder.layer.0.attention.self.query.weight").use, "constant");
  EXPECT_EQ(of(all, "bert.encoder.layer.0.attention.self.key.weight").use, "normal");
  EXPECT_EQ(of(all, kQuery).use, "normal");
}

TEST_F(Assign, APartThatIsNotThereSaysSo) {
  const std::string start =
      "x.yaml:7:5: rule \"{use: zero}\": expected a rule that decides at least one tensor of the ";
  plan_.init = {rule("zero")};
  plan_.init[0].parts = {"head"};
  EXPECT_EQ(fault(), start + "encoder, got none\n  hint: part head belongs to the task head: use `head:`");
  plan_.init[0].parts = {"norms"};
  EXPECT_EQ(fault(),
            start + "encoder, got none\n  hint: it speaks of matrix, embedding only, unless `role:` names others");
  plan_.init[0].parts = {"poler"};
  EXPECT_EQ(fault(), "x.yaml:7:5: part: expected a part of the model, got \"poler\"\n  hint: did you mean \"pooler\"?");
  plan_.init.clear();
  plan_.head = {rule("zero")};
  plan_.head[0].parts = {"ffn", "norms"};
  EXPECT_EQ(fault(), start + "head, got none\n  hint: part ffn, norms belongs to the encoder: use the arm's rules");
  table_ = params::bert_parameters(model_, config::HeadKind::mlm, 0);
  plan_.head.clear();
  plan_.init = {rule("zero")};
  plan_.init[0].parts = {"pooler"};
  EXPECT_EQ(fault(), start + "encoder, got none\n  hint: this model has no part pooler");
}

TEST_F(Assign, TheHeadHasItsOwnRules) {
  plan_.init = {rule("zero")};
  plan_.head = {rule("xavier_uniform")};
  const auto all = assigned();
  EXPECT_EQ(of(all, "classifier.weight").use, "xavier_uniform");
  EXPECT_EQ(of(all, "classifier.bias").use, "bert_default");
  EXPECT_EQ(of(all, "bert.pooler.dense.weight").use, "zero");
}

TEST_F(Assign, PretrainedTakesEverythingFromTheCheckpoint) {
  const auto source = checkpoint();
  plan_.init = {rule("pretrained")};
  plan_.head = {rule("pretrained")};
  for (const Assignment& a : assigned(&source)) EXPECT_EQ(a.use, "pretrained") << a.parameter->name;
}

TEST_F(Assign, PretrainedWithoutACheckpointIsAnError) {
  plan_.init = {rule("pretrained")};
  EXPECT_EQ(fault(),
            "x.yaml:7:5: rule \"{use: pretrained}\": expected a checkpoint to take values from, got none\n"
            "  hint: name one: model: {checkpoint: FOLDER}");
}

TEST_F(Assign, WhatTheCheckpointLacksNeedsAWord) {
  for (const std::string lacking : {"bert.pooler.dense.weight", "bert.pooler.dense.bias"}) {
    write_checkpoint(folder_.path(), model_, table_, lacking);
    const auto source = checkpoint();
    plan_.init = {rule("pretrained")};
    EXPECT_EQ(fault(&source), "x.yaml:7:5: rule \"{use: pretrained}\": tensor " + lacking +
                                  ": expected a tensor of that name in " + source.weights_file().string() +
                                  ", got none\n  hint: say what fills it: missing: bert_default");
    plan_.init[0].missing = "xavier_normal";
    const auto all = assigned(&source);
    EXPECT_TRUE(of(all, lacking).missing);
    // A bias is outside xavier's natural roles.
    EXPECT_EQ(of(all, lacking).use, lacking.ends_with("bias") ? "bert_default" : "xavier_normal");
    EXPECT_FALSE(of(all, kQuery).missing);
  }
}

TEST_F(Assign, AnotherShapeInTheCheckpointIsAnErrorEvenWithMissing) {
  const auto source = checkpoint();
  table_ = params::bert_parameters(model_, config::HeadKind::classifier, 3);
  plan_.head = {rule("pretrained")};
  plan_.head[0].missing = "bert_default";
  EXPECT_EQ(fault(&source),
            "x.yaml:7:5: rule \"{use: pretrained}\": tensor classifier.weight: expected shape (3, 8), got (2, 8) in " +
                source.weights_file().string() +
                "\n  hint: the checkpoint is of another shape or task; give this tensor another rule");
}

TEST_F(Assign, MissingIsForStrategiesThatReadTheCheckpoint) {
  const auto source = checkpoint();
  plan_.init = {rule("zero")};
  plan_.init[0].missing = "one";
  EXPECT_EQ(fault(&source),
            "x.yaml:7:5: rule \"{use: zero}\", missing: expected a strategy that reads the checkpoint, got use: "
            "\"zero\"\n  hint: leave `missing` away");
  plan_.init = {rule("pretrained")};
  plan_.init[0].missing = "pretrained";
  EXPECT_NE(fault(&source).find("missing: expected a strategy that needs no checkpoint, got \"pretrained\""),
            std::string::npos);
}

TEST_F(Assign, OptionsAreCheckedWhilePlanning) {
  plan_.init = {rule("truncated_normal", {{"sttdev", "1"}})};
  EXPECT_EQ(fault(),
            "x.yaml:7:5: option \"sttdev\": expected an option of truncated_normal/1, got \"sttdev\"\n  hint: did you "
            "mean \"stddev\"?");
  plan_.init = {rule("zero", {{"value", "1"}})};
  EXPECT_EQ(fault(), "x.yaml:7:5: option \"value\": expected no option: zero/1 has none, got \"value\"");
  plan_.init = {rule("constant")};
  EXPECT_EQ(fault(),
            "x.yaml:7:5: strategy constant/1: expected option \"value\", got none\n  hint: value: the value of every "
            "element");
  plan_.init = {rule("normal", {{"stddev", "-1"}})};
  EXPECT_EQ(fault(), "x.yaml:7:5: strategy normal/1 of " + initlab::paths::binary_dir() +
                         "/plugins/normal.so: option \"stddev\": expected a number of at least 0, got \"-1\"");
  plan_.init = {rule("normall")};
  EXPECT_EQ(fault(), "x.yaml:7:5: use: expected a strategy, got \"normall\"\n  hint: did you mean \"normal\"?");
  plan_.init = {rule("normal")};
  plan_.init[0].roles = {"biass"};
  EXPECT_EQ(fault(), "x.yaml:7:5: role: expected a role, got \"biass\"\n  hint: did you mean \"bias\"?");
}

TEST_F(Assign, ARuleThatCoversNothingSaysWhy) {
  const std::string start =
      "x.yaml:7:5: rule \"{use: zero}\": expected a rule that decides at least one tensor of the encoder, got none";
  plan_.init = {rule("zero")};
  config::InitRule& r = plan_.init[0];
  r.match = "bert.encoder.layer.1.attention.self.qurey.weight";
  EXPECT_EQ(fault(),
            start + "\n  hint: no name matches \"bert.encoder.layer.1.attention.self.qurey.weight\", did you mean \"" +
                kQuery + "\"?");
  r.match = "*zzz*";
  EXPECT_EQ(fault(), start +
                         "\n  hint: no name matches \"*zzz*\", names look like bert.embeddings.word_embeddings.weight; "
                         "* is any run of characters");
  r.match = "classifier.*";
  EXPECT_EQ(fault(), start + "\n  hint: classifier.weight belongs to the task head: use `head:`");
  r.match = "*.bias";
  EXPECT_EQ(fault(), start + "\n  hint: it speaks of matrix, embedding only, unless `role:` names others");
  r.match.reset();
  r.layers = config::parse_layer_range("5..7");
  EXPECT_EQ(fault(), start + "\n  hint: layers \"5..7\" holds none of the 2 encoder layers, 0 to 1");
}

TEST_F(Assign, ARuleInTheShadowOfEarlierOnesIsAnError) {
  config::InitRule narrow = rule("one");
  narrow.layers = config::parse_layer_range("0");
  plan_.init = {rule("zero"), narrow};
  EXPECT_EQ(
      fault(),
      "x.yaml:7:5: rule \"{use: one}\": expected a rule that decides at least one tensor of the encoder, got none: "
      "earlier rules decide all 6 that it covers\n  hint: the first rule that covers a tensor decides; put the "
      "narrower rule first");
  std::swap(plan_.init[0], plan_.init[1]);
  EXPECT_EQ(fault(), "accepted");
}

TEST_F(Assign, AHeadRuleHasItsSide) {
  plan_.head = {rule("zero")};
  plan_.head[0].layers = config::parse_layer_range("top(1)");
  EXPECT_NE(fault().find("at least one tensor of the head, got none\n  hint: no layer of the stack is in the head"),
            std::string::npos);
}

}  // namespace
}  // namespace initlab::init
