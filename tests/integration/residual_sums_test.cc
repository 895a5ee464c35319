// Models with other residual sums than BERT's, end to end: planned, run, audited, kept, loaded again; refused where a
// strategy and its model do not fit.
#include <algorithm>
#include <cmath>

#include "base/json.hpp"
#include "integration/program.hpp"

namespace initlab::integration {
namespace {

using base::Json;

class ResidualSums : public ProgramTest {
 protected:
  fs::path spec(const std::string& options, const std::string& arms, const std::string& more = "") const {
    const fs::path file = folder_ / "spec.yaml";
    write(file,
          "experiment: sums\n"
          "model: {layers: 2, hidden: 32, heads: 2, max_positions: 64, vocabulary: microworld" +
              options +
              "}\n"
              "task: {name: sentiment, data: microworld, train_size: 64}\n"
              "training: {steps: 8, batch: 16, max_length: 64, optimizer: {learning_rate: 1e-3}}\n"
              "arms:\n" +
              arms + more);
    return file;
  }
  Json plan(const fs::path& file) const {
    const Said said = initlab({"plan", file.string(), "--results", (folder_ / "results").string(), "--json"});
    EXPECT_EQ(said.code, 0) << said.err;
    return base::parse_json(said.out, "plan");
  }
  // Runs it; every file is whole and its audit clean. Returns the files.
  std::vector<fs::path> run(const fs::path& file) const {
    const Said said = initlab({"run", file.string(), "--results", (folder_ / "results").string(), "--jobs", "1"});
    EXPECT_EQ(said.code, 0) << said.err;
    const std::vector<fs::path> files = run_files(folder_ / "results");
    for (const fs::path& h5 : files) {
      const Said audit = initlab({"audit", h5.string()});
      EXPECT_EQ(audit.code, 0) << audit.out;
      EXPECT_NE(audit.out.find("0 errors, 0 warnings"), std::string::npos) << audit.out;
    }
    return files;
  }
  static std::vector<std::string> ids(const Json& plan) {
    std::vector<std::string> all;
    for (const Json& run : plan["runs"]) all.push_back(run["run_id"]);
    return all;
  }
};

TEST_F(ResidualSums, DeepNormPlansRunsAndAudits) {
  const fs::path file = spec(", residual_scale: deepnorm",
                             "  deep: [{use: deepnorm}, {use: bert_default}]\n"
                             "  xavier: [{use: xavier_normal}]\n");
  const Json planned = plan(file);
  bool seen = false;
  for (const Json& tensor : planned["arms"][0]["tensors"])
    if (tensor["name"] == "bert.encoder.layer.1.output.dense.weight") {
      seen = true;
      EXPECT_EQ(tensor["strategy"], "deepnorm/1");
    }
  EXPECT_TRUE(seen) << planned.dump();
  EXPECT_EQ(run(file).size(), 2u);
}

TEST_F(ResidualSums, ModelsWithoutNormAreTrained) {
  const fs::path file =
      spec(", norm: none",
           "  t_fixup: {init: [{use: t_fixup, gain: 5.6569}], training: {freeze: [\"*.branch_scale\"]}}\n"
           "  fixup: [{use: fixup}, {use: bert_default}]\n"
           "  rezero: [{use: rezero}, {use: xavier_uniform}]\n",
           "keep: {weights: final}\n");
  EXPECT_EQ(run(file).size(), 3u);
  // What was kept opens as a model of the same kind, and `pretrained` finds all of it.
  fs::path kept;
  for (const auto& entry : fs::recursive_directory_iterator(folder_ / "results"))
    if (entry.path().extension() == ".final" && entry.path().filename().string().starts_with("rezero"))
      kept = entry.path();
  ASSERT_FALSE(kept.empty());
  write(folder_ / "load.yaml", "experiment: load\nmodel: {checkpoint: \"" + kept.string() +
                                   "\"}\n"
                                   "task: {name: sentiment, data: microworld, train_size: 64}\n"
                                   "training: {steps: 1, batch: 16, max_length: 64}\n"
                                   "arms: {pretrained: [{use: pretrained}]}\nhead: {use: pretrained}\n");
  const Said audit = initlab({"audit", (folder_ / "load.yaml").string(), "--json"});
  EXPECT_EQ(audit.code, 0) << audit.out << audit.err;
  const Json arm = base::parse_json(audit.out, "audit")["arms"][0];
  EXPECT_TRUE(arm["findings"].empty()) << arm["findings"].dump();
  int moved = 0;
  for (const Json& t : arm["tensors"]) {
    EXPECT_EQ(t["source_sha256"], t["sha256"]) << t["name"];
    if (t["role"] == "residual_scale") moved += t["max"] != 0.0 ? 1 : 0;
  }
  EXPECT_EQ(moved, 4) << "all branches of the kept model have opened";
}

// A checkpoint of plain BERT lacks the scales: `missing` says what fills them, and 1 is BERT again.
TEST_F(ResidualSums, TrainedScalesLieOverAPlainCheckpoint) {
  const fs::path plain = spec("", "  plain: [{use: xavier_normal}]\n", "keep: {weights: final}\n");
  ASSERT_EQ(run(plain).size(), 1u);
  fs::path kept;
  for (const auto& entry : fs::recursive_directory_iterator(folder_ / "results"))
    if (entry.path().extension() == ".final") kept = entry.path();
  ASSERT_FALSE(kept.empty());
  const auto loading = [&](const std::string& rule) {
    write(folder_ / "load.yaml", "experiment: load\nmodel: {checkpoint: \"" + kept.string() +
                                     "\", residual_scale: trained}\n"
                                     "task: {name: sentiment, data: microworld, train_size: 64}\n"
                                     "training: {steps: 1, batch: 16, max_length: 64}\narms: {pretrained: [" +
                                     rule + "]}\n");
    return initlab({"plan", (folder_ / "load.yaml").string(), "--results", (folder_ / "loaded").string()});
  };
  const Said refused = loading("{use: pretrained}");
  EXPECT_EQ(refused.code, 2);
  EXPECT_NE(refused.err.find("bert.encoder.layer.0.attention.output.residual_scale: expected a tensor of that name"),
            std::string::npos)
      << refused.err;
  EXPECT_NE(refused.err.find("hint: say what fills it: missing: bert_default"), std::string::npos) << refused.err;
  EXPECT_EQ(loading("{use: pretrained, missing: bert_default}").code, 0);
}

TEST_F(ResidualSums, AStrategyForAnotherModelIsRefusedBeforeAnythingIsWritten) {
  const fs::path file = spec("", "  deep: [{use: deepnorm}]\n");
  for (const char* verb : {"plan", "run"}) {
    const Said said = initlab({verb, file.string(), "--results", (folder_ / "results").string()});
    EXPECT_EQ(said.code, 2) << verb;
    EXPECT_NE(said.err.find("spec.yaml:6:10: strategy deepnorm/1 of "), std::string::npos) << said.err;
    EXPECT_NE(said.err.find("this one's is 1; set model: {residual_scale: deepnorm}"), std::string::npos) << said.err;
  }
  EXPECT_FALSE(fs::exists(folder_ / "results"));
  const Said both = initlab({"plan", spec(", norm: none, residual_scale: 2", "  zero: [{use: zero}]\n").string()});
  EXPECT_EQ(both.code, 2);
  EXPECT_NE(both.err.find("model.residual_scale: expected none beside norm: none, got 2"), std::string::npos)
      << both.err;
}

// The options count in a run's identity where they are used, and nowhere else.
TEST_F(ResidualSums, OnlySpecsThatUseThemHaveOtherIdentities) {
  const std::string arm = "  xavier: [{use: xavier_normal, role: matrix}]\n";
  const auto bert = ids(plan(spec("", arm)));
  ASSERT_EQ(bert.size(), 1u);
  EXPECT_EQ(ids(plan(spec(", residual_scale: 1, norm: post", arm))), bert);
  const auto deepnorm = ids(plan(spec(", residual_scale: deepnorm", arm)));
  EXPECT_NE(deepnorm, bert);
  EXPECT_EQ(ids(plan(spec(", residual_scale: " + Json(std::sqrt(2.0)).dump(), arm))), deepnorm)
      << "of two layers: 4^(1/4)";
  EXPECT_NE(ids(plan(spec(", residual_scale: trained", arm))), bert);
  EXPECT_NE(ids(plan(spec(", norm: none", arm))), bert);
}

}  // namespace
}  // namespace initlab::integration
