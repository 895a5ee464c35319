// A model of another depth and width than its checkpoint: stated in the spec, filled by `transplant`, refused
// otherwise.
#include "integration/program.hpp"

namespace initlab::integration {
namespace {

const char* const kMakes = R"(experiment: makes
model: {layers: 1, hidden: 32, heads: 2, max_positions: 64, vocabulary: microworld}
task: {name: mlm, data: microworld, tokens: 4000}
training: {steps: 2, batch: 4, max_length: 64}
arms: {truncated: [{use: truncated_normal}]}
seeds: {replicates: 1}
keep: {weights: final}
)";

class OtherShape : public ProgramTest {
 protected:
  Said run(const std::string& verb, const std::string& shape, const std::string& rule) {
    write(folder_ / "makes.yaml", kMakes);
    write(folder_ / "takes.yaml", "experiment: takes\nmodel: {checkpoint: {experiment: makes.yaml}" + shape +
                                      "}\ntask: {name: sentiment, data: microworld, train_size: 32}\n"
                                      "training: {steps: 2, batch: 8, max_length: 64}\n"
                                      "arms: {one: [{use: " +
                                      rule + ", missing: bert_default}]}\nseeds: {replicates: 1}\n");
    return initlab({verb, (folder_ / "takes.yaml").string(), "--results", (folder_ / "results").string()});
  }
};

TEST_F(OtherShape, IsFilledByTransplant) {
  const Said said = run("run", ", layers: 3, hidden: 64, heads: 4", "transplant, map: stack, fit: tile");
  EXPECT_EQ(said.code, 0) << said.err;
}

TEST_F(OtherShape, IsRefusedToWhatReadsTheSameShape) {
  const Said said = run("plan", ", hidden: 64, heads: 4", "pretrained");
  EXPECT_EQ(said.code, 2);
  EXPECT_NE(said.err.find("tensor bert.embeddings.word_embeddings.weight: expected shape ("), std::string::npos)
      << said.err;
  const Said deeper = run("plan", ", layers: 2", "transplant, map: \"1:4\"");
  EXPECT_EQ(deeper.code, 2);
  EXPECT_NE(deeper.err.find("map names layer 4; the checkpoint has no "), std::string::npos) << deeper.err;
}

TEST_F(OtherShape, HeadsMustDivideIt) {
  const Said said = run("plan", ", hidden: 30, heads: 4", "transplant, fit: tile");
  EXPECT_EQ(said.code, 2);
  EXPECT_NE(said.err.find("model.hidden: expected a multiple of heads (4), got 30"), std::string::npos) << said.err;
}

}  // namespace
}  // namespace initlab::integration
