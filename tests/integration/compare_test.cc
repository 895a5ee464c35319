// `initlab compare` on real runs: claims of the spec, picking and setting apart runs, forms of the table, examples,
// looks, and what is refused.
#include "base/json.hpp"
#include "integration/small_experiment.hpp"

namespace initlab::integration {
namespace {

using base::Json;

class Compare : public SmallExperiment {
 protected:
  Said run(std::vector<std::string> more = {}) {
    std::vector<std::string> words = {"run", spec_.string(), "--results", results()};
    words.insert(words.end(), more.begin(), more.end());
    return initlab(words);
  }
  Said compare(std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"compare", results()});
    return initlab(more);
  }
  Json compared(std::vector<std::string> more = {}) {
    more.emplace_back("--json");
    const Said said = compare(std::move(more));
    EXPECT_EQ(said.code, 0) << said.err;
    return base::parse_json(said.out, "compare");
  }
  std::string results() const { return (folder_ / "results").string(); }
};

TEST_F(Compare, JudgesTheClaimsThatStoodInTheSpecWhenItRan) {
  write(spec_, std::string(kSmall) + "head: {use: zero}\n");
  const std::vector<std::string> zero = {"--set",
                                         "arms.zero=[{use: zero}]",
                                         "--set",
                                         "compare.claims=[{equal: zero, to: constant_class, margin: 0.02}, {better: "
                                         "truncated, than: zero}]",
                                         "--set",
                                         "compare.anchors=[{text: paper, value: 0.8, source: me, arm: zero}]"};
  const Said planned = initlab({"plan", spec_.string(), "--results", results(), "--set", zero[1], "--set", zero[3],
                                "--set", "seeds.replicates=6"});
  EXPECT_NE(planned.out.find("adjusted for 2 comparisons (Holm), is no less than 0.05; seeds.replicates: 7 can be"),
            std::string::npos)
      << planned.out;
  EXPECT_NE(planned.out.find("adjusted for 2 claims (Holm), is no less than 0.05; seeds.replicates: 7 can be"),
            std::string::npos)
      << planned.out << planned.err;
  ASSERT_EQ(run(zero).code, 0);
  const Json comparison = compared();
  ASSERT_EQ(comparison["claims"].size(), 2U);
  EXPECT_EQ(comparison["claims"][0]["statement"], "zero equals the constant class within 2.0 points of accuracy");
  EXPECT_EQ(comparison["claims"][0]["outcome"], "reproduced") << comparison["claims"][0];
  EXPECT_EQ(comparison["claims"][1]["outcome"], "cannot tell") << "two seeds";
  EXPECT_EQ(comparison["anchors"][0]["value"], 0.8);
  const Said text = compare();
  EXPECT_NE(text.out.find("claims, as the spec stated them before the runs\n* reproduced: zero equals"),
            std::string::npos)
      << text.out;
  EXPECT_NE(text.out.find("- [1] 0.8000: paper; me"), std::string::npos) << text.out;
  EXPECT_EQ(text.out.find('\x1b'), std::string::npos) << "no colour in a file";
  // A claim that is written afterwards is not what the runs were held to.
  std::vector<std::string> later = zero;
  later[3] = "compare.claims=[{better: zero, than: truncated}]";
  ASSERT_EQ(run(later).code, 0);
  EXPECT_EQ(compared()["claims"].size(), 2U);
  EXPECT_TRUE(compared({"--metric", "loss"})["claims"].empty());
}

TEST_F(Compare, PicksSetsApartAndWritesDown) {
  write(spec_, std::string(kSmall) + "grid: {task.train_size: [32, 64]}\n");
  ASSERT_EQ(run({"--set", "compare.threshold=baseline"}).code, 0);
  const Said by = compare({"--by", "train_size"});
  ASSERT_EQ(by.code, 0) << by.err;
  EXPECT_NE(by.out.find("accuracy over task.train_size: mean [95 % CI] (seeds)\narm "), std::string::npos) << by.out;
  const Json small = compared({"--where", "train_size=32"});
  EXPECT_EQ(small["arms"].size(), 2U);
  EXPECT_TRUE(small["threshold_of_baseline"].get<bool>());
  EXPECT_TRUE(small["arms"][0]["threshold"].is_number());
  EXPECT_EQ(compared({"--where", "replicate=0", "--one-seed"})["arms"][0]["n"], 1);
  EXPECT_EQ(compared({"--by", "training.batch"})["arms"][0]["settings"]["training.batch"], 16);
  const Said markdown = compare({"--markdown", "--details"}), latex = compare({"--latex"});
  EXPECT_NE(markdown.out.find("\n| arm | n |"), std::string::npos) << markdown.out;
  EXPECT_NE(markdown.out.find("\n**over seeds**\n"), std::string::npos) << markdown.out;
  EXPECT_NE(latex.out.find("\\begin{tabular}"), std::string::npos) << latex.out;
  const Json steps = compared()["arms"][0]["steps"];
  EXPECT_EQ(steps["runs"], 2);
  EXPECT_GE(steps["reached"], 1) << "of the baseline at least half reach its own median";
}

TEST_F(Compare, SeesExamplesAndSeveralExperiments) {
  ASSERT_EQ(run().code, 0);
  const Json pair = compared({"--examples"})["pairs"][0];
  const Json& over = pair["examples"];
  ASSERT_TRUE(over.is_object()) << pair;
  EXPECT_NEAR(over["multi_bootstrap"]["difference"].get<double>(), pair["difference"].get<double>(), 1e-6)
      << "the metric of the stored predictions is the one that was logged";
  EXPECT_TRUE(over["multi_bootstrap"]["std_examples"].is_number()) << over;
  EXPECT_GT(over["examples"], 0);
  ASSERT_EQ(initlab({"run", spec_.string(), "--results", results(), "--set", "experiment=more", "--set",
                     "arms={zero: [{use: zero}]}", "--set", "compare.baseline=zero"})
                .code,
            0);
  EXPECT_EQ(compare().code, 0);
  const Json together = compared({"--together", "--baseline", "truncated"});
  EXPECT_EQ(together["experiment"], "more + small");
  EXPECT_EQ(together["arms"].size(), 3U);
  EXPECT_EQ(together["pairs"][1]["n"], 2);
  const Json one =
      compared({"--examples", "--where", "replicate=0", "--one-seed", "--experiment", "small"})["pairs"][0];
  EXPECT_TRUE(one["examples"]["mcnemar"].is_object()) << one;
}

TEST_F(Compare, LooksSpendAlpha) {
  write(spec_, std::string(kSmall) + "head: {use: zero}\n");
  ASSERT_EQ(run({"--set", "compare.planned_seeds=4"}).code, 0);
  const Json first = compared({"--look"});
  EXPECT_LT(first["alpha"], 0.01) << "half of the seeds: O'Brien and Fleming's first bound";
  EXPECT_EQ(compared({"--look"})["alpha"], first["alpha"]) << "no new seed is no new look";
  EXPECT_EQ(compared()["alpha"], 0.05);
  ASSERT_EQ(run({"--set", "compare.planned_seeds=4", "--set", "seeds.replicates=4"}).code, 0);
  const Json last = compared({"--look"});
  EXPECT_GT(last["alpha"], 0.04);
  EXPECT_LT(last["alpha"], 0.05);
  const Json looks = base::parse_json(slurp(folder_ / "results" / "looks.json"), "looks");
  const std::string question = "small: accuracy at last against truncated";
  EXPECT_EQ(looks[question], (Json{{"planned", 4}, {"seen", {2, 4}}}));
  const auto refused = [&](const std::string& file, const std::string& why) {
    write(folder_ / "results" / "looks.json", file);
    const Said said = compare({"--look"});
    EXPECT_EQ(said.code, 2);
    EXPECT_NE(said.err.find(why), std::string::npos) << said.err;
  };
  refused("{\"" + question + "\": {\"planned\": 8, \"seen\": [4]}}", "alpha that was spent over other seeds");
  refused("{\"" + question + "\": {\"planned\": 4, \"seen\": [4, 2]}}", "each with its looks as --look writes them");
  refused("{\"" + question + "\": [2]}", "each with its looks as --look writes them");
}

TEST_F(Compare, RefusesWhatDecidesNothing) {
  ASSERT_EQ(run({"--set", "seeds.replicates=1"}).code, 0) << "a run of one seed is no error of `run`";
  const auto refused = [&](const std::vector<std::string>& more, const std::string& why) {
    const Said said = compare(more);
    EXPECT_EQ(said.code, 2) << why;
    EXPECT_TRUE(said.out.empty()) << said.out;
    EXPECT_NE(said.err.find(why), std::string::npos) << said.err;
  };
  refused({}, "expected several seeds an arm, got one");
  refused({"--where", "arm=xavier"}, "got one run");
  refused({"--where", "arm=zero"}, "--where arm: expected one of truncated, xavier, got \"zero\"");
  refused({"--where", "arm"}, "--where: expected KEY=VALUE");
  refused({"--by", "nothing"}, "--by: expected one of");
  refused({"--threshold", "high"}, "--threshold: expected a number, or baseline, got \"high\"");
  refused({"--json", "--latex"}, "expected one form, got --json and --latex");
  refused({"--look", "--one-seed"}, "state it before the runs: compare: {planned_seeds: 16}");
  refused({"--examples", "--one-seed", "--metric", "loss"}, "--examples: expected a metric of stored predictions");
  EXPECT_EQ(compare({"--one-seed"}).code, 0);
  fs::create_directories(folder_ / "empty");
  EXPECT_EQ(initlab({"compare", (folder_ / "empty").string()}).code, 2);
}

}  // namespace
}  // namespace initlab::integration
