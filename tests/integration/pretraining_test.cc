// model.checkpoint.replicates: fine-tuning replicates start from models that were pre-trained with seeds of their own.
#include <map>
#include <set>

#include "base/json.hpp"
#include "integration/program.hpp"

namespace initlab::integration {
namespace {

using base::Json;

constexpr const char* kMakes = R"(experiment: makes
model: {layers: 1, hidden: 32, heads: 2, max_positions: 64, vocabulary: microworld}
task: {name: mlm, data: microworld, tokens: 4000}
training: {steps: 2, batch: 4, max_length: 64}
arms: {truncated: [{use: truncated_normal}]}
seeds: {base: 3}
)";

constexpr const char* kTakes = R"(experiment: takes
model: {checkpoint: {experiment: makes.yaml, replicates: 2}}
task: {name: sentiment, data: microworld, train_size: 32}
training: {steps: 3, batch: 8, max_length: 64, optimizer: {learning_rate: 1e-2}}
arms:
  pretrained: [{use: pretrained, missing: bert_default}]
  truncated: [{use: truncated_normal}]
  xavier: [{use: xavier_uniform}]
seeds: {replicates: 4, base: 7}
compare: {metric: loss}
)";

class Pretraining : public ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    write(folder_ / "makes.yaml", kMakes);
    write(spec(), kTakes);
  }
  fs::path spec() const { return folder_ / "takes.yaml"; }
  std::string results() const { return (folder_ / "results").string(); }
  Said verb(const char* name, std::vector<std::string> more = {}) const {
    std::vector<std::string> words = {name, spec().string(), "--results", results()};
    words.insert(words.end(), more.begin(), more.end());
    return initlab(words);
  }
  Json json(std::vector<std::string> words) const {
    words.emplace_back("--json");
    const Said said = initlab(words);
    EXPECT_EQ(said.code, 0) << said.err;
    return base::parse_json(said.out, words.front());
  }
  Json show(const fs::path& file) const { return json({"show", file.string()}); }
  Json plan(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> words = {"plan", spec().string(), "--results", results()};
    words.insert(words.end(), more.begin(), more.end());
    return json(words);
  }
  void expect_refused(const std::string& setting, const std::string& why) const {
    for (const char* name : {"plan", "run"}) {
      const Said said = verb(name, {"--set", setting});
      EXPECT_EQ(said.code, 2) << said.err;
      EXPECT_NE(said.err.find(why), std::string::npos) << said.err;
      EXPECT_FALSE(fs::exists(results()));
    }
  }
};

// The hash of the initial word embeddings: the checkpoint's, where the arm reads it.
std::string embeddings_of(const Json& run) {
  for (const Json& tensor : run["init"])
    if (tensor["name"] == "bert.embeddings.word_embeddings.weight") return tensor["sha256"];
  return {};
}

TEST_F(Pretraining, EachReplicateStartsFromItsModel) {
  const Json before = plan();
  ASSERT_EQ(before["pretraining"].size(), 2u);
  EXPECT_EQ(before["pretraining"][1]["experiment"], "makes");
  EXPECT_EQ(before["pretraining"][1]["replicate"], 1);
  EXPECT_EQ(before["pretraining"][1]["state"], "planned");
  for (const Json& arm : before["design"]["arms"]) {
    EXPECT_EQ(arm["replicates"], 4);
    EXPECT_EQ(arm["pairs"], 2) << "the baseline reads two models";
  }
  const std::string text = verb("plan").out;
  EXPECT_NE(text.find("pre-training makes: 2 runs, 0 exist, 2 to run"), std::string::npos) << text;
  EXPECT_NE(text.find("in 2 pre-training replicates"), std::string::npos) << text;
  EXPECT_NE(text.find("model.checkpoint.replicates: 6 can"), std::string::npos) << text;
  const std::string claims =
      verb("plan", {"--set", "model.checkpoint.replicates=6", "--set", "seeds.replicates=8", "--set",
                    "compare.claims=[{better: pretrained, than: truncated}, {better: pretrained, than: xavier}]"})
          .out;
  EXPECT_NE(claims.find("claims (Holm), is no less than 0.05; model.checkpoint.replicates: 7 can be"),
            std::string::npos)
      << claims;
  EXPECT_FALSE(fs::exists(results()));

  const Said said = verb("run");
  ASSERT_EQ(said.code, 0) << said.err;
  EXPECT_NE(said.err.find("2 pre-training runs, 2 to do"), std::string::npos) << said.err;
  std::map<std::int64_t, std::string> makers;  // replicate -> run
  for (const fs::path& file : run_files(folder_ / "results/makes")) {
    const Json run = show(file);
    makers[run["replicate"]] = run["run_id"];
    EXPECT_TRUE(run["checkpoint_replicate"].is_null());
  }
  ASSERT_EQ(makers.size(), 2u);
  std::map<std::string, std::set<std::string>> starts;  // pre-training run -> initial bits that came from it
  for (const fs::path& file : run_files(folder_ / "results/takes")) {
    const Json run = show(file);
    const std::int64_t model = run["replicate"].get<std::int64_t>() % 2;
    EXPECT_EQ(run["checkpoint_replicate"], model) << file;
    EXPECT_EQ(run["checkpoint_run"], makers[model]) << file;
    if (run["arm"] == "pretrained") starts[makers[model]].insert(embeddings_of(run));
  }
  ASSERT_EQ(starts.size(), 2u);
  for (const auto& [maker, bits] : starts) EXPECT_EQ(bits.size(), 1u) << "one model, one start";
  EXPECT_NE(starts[makers[0]], starts[makers[1]]);
  EXPECT_EQ(plan()["pretraining"][0]["state"], "finished");
}

// Two replicates of one model are no two draws of pre-training; arms that read none of it have all four.
TEST_F(Pretraining, TheComparisonCountsModels) {
  ASSERT_EQ(verb("run").code, 0);
  const Json against_pretrained = json({"compare", results()});
  ASSERT_EQ(against_pretrained["pairs"].size(), 2u);
  std::map<std::string, std::vector<double>> values;
  for (const Json& arm : against_pretrained["arms"]) values[arm["arm"]] = arm["values"].get<std::vector<double>>();
  for (const Json& pair : against_pretrained["pairs"]) {
    EXPECT_EQ(pair["n"], 2);
    EXPECT_EQ(pair["replicates"], 4);
    EXPECT_GE(pair["p_sign_flip"], 0.5) << "two values have four sign patterns";
    const auto& a = values[pair["arm"]];
    const auto& b = values["pretrained"];
    ASSERT_EQ(a.size(), 4u);
    const double first = (a[0] - b[0] + a[2] - b[2]) / 2, second = (a[1] - b[1] + a[3] - b[3]) / 2;
    EXPECT_NEAR(pair["difference"].get<double>(), (first + second) / 2, 1e-12);
    EXPECT_NEAR(pair["deviation"].get<double>(), std::abs(first - second) / std::sqrt(2.0), 1e-12);
  }
  const std::string notes = base::json_text(against_pretrained["notes"]);
  EXPECT_NE(notes.find("2 pre-training replicates: "), std::string::npos) << notes;
  EXPECT_EQ(notes.find("one pre-trained checkpoint"), std::string::npos) << notes;
  EXPECT_EQ(notes.find("mixed"), std::string::npos) << notes;
  const Json against_random = json({"compare", results(), "--baseline", "truncated"});
  for (const Json& pair : against_random["pairs"]) EXPECT_EQ(pair["n"], pair["arm"] == "xavier" ? 4 : 2) << pair;
}

// Seeds that are added later leave the pairs as they are, and the first model is the one that a spec without
// replicates starts from.
TEST_F(Pretraining, WhatExistsIsNotMadeAgain) {
  ASSERT_EQ(verb("run", {"--set", "model.checkpoint.replicates=~", "--set", "seeds.replicates=1"}).code, 0);
  const Said more = verb("run");
  ASSERT_EQ(more.code, 0) << more.err;
  EXPECT_NE(more.err.find("2 pre-training runs, 1 to do"), std::string::npos) << more.err;
  EXPECT_NE(more.err.find("12 runs, 9 to do"), std::string::npos) << more.err;
  const Said again = verb("run", {"--set", "seeds.replicates=5"});
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(again.err.find("pre-training runs"), std::string::npos) << again.err;
  EXPECT_NE(again.err.find("15 runs, 3 to do"), std::string::npos) << again.err;
}

TEST_F(Pretraining, BadInputIsRefused) {
  expect_refused("model.checkpoint.replicates=5",
                 "model.checkpoint.replicates: expected at most the 4 of seeds.replicates, got 5");
  expect_refused("model.checkpoint.replicates=0", "model.checkpoint.replicates: expected an integer from 1 to 10000");
  expect_refused("model.checkpoint.set={seeds.replicates: 2}",
                 "model.checkpoint.set.seeds.replicates: expected no replicates beside model.checkpoint.replicates");
  expect_refused("model.checkpoint.set={seeds: {init: 1, head: 1, order: 1, mask: 1, dropout: 1}}",
                 "no replicates beside model.checkpoint.replicates");
  expect_refused("model.checkpoint.set={seeds.init: 1, seeds.head: 1, seeds.order: 1, seeds.mask: 1, seeds.dropout: 1}",
                 "model.checkpoint.replicates: expected replicates that differ, got all seeds are fixed");
  expect_refused("model.checkpoint.set={arms.second: [{use: zero}]}",
                 "expected an experiment of one arm, without a grid, got 4 runs");
  write(folder_ / "makes.yaml", std::string(kMakes) + "# several\n");
  const Said several = verb("plan", {"--set", "model.checkpoint={experiment: \"" + (folder_ / "makes.yaml").string() +
                                                  "\", set: {seeds.replicates: 2}}"});
  EXPECT_EQ(several.code, 2);
  EXPECT_NE(several.err.find("{experiment: FILE, replicates: N}"), std::string::npos) << several.err;
}

}  // namespace
}  // namespace initlab::integration
