// The default experiment keeps its promise, on both generated languages, with no setting changed.
#include "base/json.hpp"
#include "integration/program.hpp"

namespace initlab::integration {
namespace {

class DefaultExperiment : public ProgramTest {
 protected:
  void expect_pretrained_wins(const std::string& spec) {
    const std::string results = (folder_ / "results").string();
    const Said said = initlab({"run", (source() / "experiments" / spec).string(), "--results", results, "--json"});
    ASSERT_EQ(said.code, 0) << said.err;
    const base::Json comparison = base::parse_json(said.out, "comparison");
    EXPECT_EQ(comparison["baseline"], "pretrained");
    ASSERT_EQ(comparison["pairs"].size(), 3u) << said.out;
    for (const base::Json& pair : comparison["pairs"]) {
      EXPECT_EQ(pair["n"], 8);
      EXPECT_LT(pair["p_sign_flip"].get<double>(), 0.01) << pair;  // 8 pairs of one sign: 2 / 2^8 = 0.0078
      EXPECT_LT(pair["ci95"][1].get<double>(), 0) << pair;         // arm - baseline is below 0
    }
  }
};

TEST_F(DefaultExperiment, PretrainedBeatsEachOtherArm) { expect_pretrained_wins("why_not_reinitialize.yaml"); }
TEST_F(DefaultExperiment, SoItDoesInASecondWorld) { expect_pretrained_wins("why_not_reinitialize_world2.yaml"); }

}  // namespace
}  // namespace initlab::integration
