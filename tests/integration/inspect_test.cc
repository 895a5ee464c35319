// `initlab inspect` and a run's diagnostics, end to end.
#include <cmath>

#include "base/json.hpp"
#include "integration/program.hpp"
#include "log/run_file.hpp"

namespace initlab::integration {
namespace {

using base::Json;

const char* const kSpec = R"(experiment: small
model: {layers: 2, hidden: 32, heads: 2, max_positions: 64, vocabulary: microworld}
task: {name: sentiment, data: microworld, train_size: 64}
training: {steps: 5, batch: 16, accumulate: 2, max_length: 64}
arms:
  zero: [{use: zero}]
  drawn: [{use: truncated_normal, stddev: 0.02}]
seeds: {replicates: 2, base: 7}
)";

class InspectVerb : public ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    spec_ = folder_ / "small.yaml";
    write(spec_, kSpec);
  }
  Said inspect(std::vector<std::string> more = {}) const {
    std::vector<std::string> words = {"inspect", spec_.string(), "--results", (folder_ / "results").string()};
    words.insert(words.end(), more.begin(), more.end());
    return initlab(words);
  }
  // The only run of an experiment with that override.
  record::Run run(const std::string& results, const std::string& more) const {
    const Said said = initlab({"run", spec_.string(), "--results", (folder_ / results).string(), "--set", more, "--set",
                               "seeds.replicates=1", "--set", "arms={drawn: {use: truncated_normal}}"});
    EXPECT_EQ(said.code, 0) << said.err;
    const auto files = run_files(folder_ / results);
    EXPECT_EQ(files.size(), 1u);
    return log::read_run(files.at(0), log::Detail::predictions);
  }
  fs::path spec_;
};

TEST_F(InspectVerb, TheoryHoldsForZerosAndArmsStandSideBySide) {
  const Json json = base::parse_json(inspect({"--json"}).out, "inspect");
  ASSERT_EQ(json["arms"].size(), 2u) << "one replicate of each arm";
  for (const Json& arm : json["arms"]) {
    EXPECT_EQ(arm["sequences"], 16) << "the whole batch, though it is trained in two pieces";
    EXPECT_NEAR(arm["uniform_loss"].get<double>(), std::log(2.0), 1e-12);
    EXPECT_LE(arm["constant_loss"].get<double>(), std::log(2.0));
    EXPECT_GE(arm["constant_accuracy"].get<double>(), 0.5);
    ASSERT_EQ(arm["layers"].size(), 3u);
    double squares = 0;
    for (const Json& part : arm["gradients"]) squares += std::pow(part["norm"].get<double>(), 2);
    EXPECT_NEAR(std::sqrt(squares), arm["grad_norm"].get<double>(), 1e-12);
  }
  const Json &zero = json["arms"][0], &drawn = json["arms"][1];
  EXPECT_EQ(zero["arm"], "zero");
  EXPECT_NEAR(zero["loss"].get<double>(), std::log(2.0), 1e-6) << "hidden states of zeros";
  for (const Json& layer : zero["layers"]) {
    EXPECT_EQ(layer["std"], 0);
    EXPECT_TRUE(layer["cosine"].is_null()) << "zeros have no direction";
    if (layer["layer"] != -1) {
      EXPECT_NEAR(layer["entropy_share"].get<double>(), 1, 1e-6);
    }
  }
  // Behind LayerNorm all is of size 1, and weights of 0.02 make small branches and nearly uniform attention.
  for (const Json& layer : drawn["layers"]) {
    EXPECT_NEAR(layer["std"].get<double>(), 1, 1e-3);
    if (layer["layer"] == -1) continue;
    EXPECT_LT(layer["attention_branch"].get<double>(), 0.1);
    EXPECT_GT(layer["entropy_share"].get<double>(), 0.99);
    EXPECT_LT(layer["entropy_share"].get<double>(), 1);
  }
}

TEST_F(InspectVerb, PrintsTheSameNumbersAndWritesNothing) {
  const Json json = base::parse_json(inspect({"--json"}).out, "inspect");
  const Said said = inspect();
  EXPECT_EQ(said.code, 0) << said.err;
  EXPECT_FALSE(fs::exists(folder_ / "results"));
  char loss[32];
  std::snprintf(loss, sizeof loss, "%.4f", json["arms"][1]["loss"].get<double>());
  EXPECT_NE(said.out.find(loss), std::string::npos) << said.out;
  char norm[32];
  std::snprintf(norm, sizeof norm, "%.4g", json["arms"][1]["gradients"][0]["norm"].get<double>());
  EXPECT_NE(said.out.find(norm), std::string::npos) << said.out;
  EXPECT_NE(said.out.find("attention entropy / ln S  zero"), std::string::npos) << said.out;
}

TEST_F(InspectVerb, AnArmThatCannotBeMadeIsRefused) {
  const Said said = inspect({"--set", "arms.zero=[{use: pretrained}]"});
  EXPECT_EQ(said.code, 2);
  EXPECT_NE(said.err.find("checkpoint"), std::string::npos) << said.err;
  EXPECT_EQ(said.out, "");
}

TEST_F(InspectVerb, DiagnosticsChangeNeitherARunNorItsIdentity) {
  const record::Run with = run("with", "log.diagnostics=log2"), without = run("without", "log.diagnostics=off");
  EXPECT_EQ(with.header.run_id, without.header.run_id);
  ASSERT_EQ(with.steps.size(), without.steps.size());
  for (std::size_t i = 0; i < with.steps.size(); ++i) EXPECT_EQ(with.steps[i].loss, without.steps[i].loss);
  EXPECT_EQ(with.evals.back().predictions, without.evals.back().predictions);
  EXPECT_TRUE(without.diagnostics.parts.empty() && without.diagnostics.layers.empty());
  // Steps 0, 1, 2, 4, 5; embeddings, pooler, head, and three parts in each of two layers.
  EXPECT_EQ(with.diagnostics.parts.size(), 5u * 9);
  EXPECT_EQ(with.diagnostics.layers.size(), 5u * 3);
  // What inspect says of the arm is what the run's first step finds, but for dropout and the number of sequences.
  EXPECT_NEAR(with.diagnostics.layers[1].stddev, 1, 1e-3);
}

}  // namespace
}  // namespace initlab::integration
