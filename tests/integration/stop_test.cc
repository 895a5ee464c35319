// training.stop with the real program: what becomes of a run that is ended by its own rule, and how it is counted.
#include <algorithm>
#include <csignal>

#include "base/json.hpp"
#include "integration/small_experiment.hpp"

namespace initlab::integration {
namespace {

using base::Json;

class Stop : public SmallExperiment {
 protected:
  Said verb(const char* name, std::vector<std::string> more = {}, const char* results = "results") const {
    std::vector<std::string> words = {name, spec_.string(), "--results", (folder_ / results).string()};
    words.insert(words.end(), more.begin(), more.end());
    return initlab(words);
  }
  Json show(const fs::path& file) const {
    return base::parse_json(initlab({"show", file.string(), "--json"}).out, "show");
  }
};

TEST_F(Stop, AHopelessRunIsFinishedAndSaysSo) {
  // No accuracy is above 1.5, so all runs end at the first evaluation that may.
  const std::vector<std::string> rule = {"--set", "training.stop.hopeless={after: 4, margin: 1}", "--set",
                                         "compare.threshold=0.4"};
  const Said said = verb("run", rule);
  ASSERT_EQ(said.code, 0) << said.err;
  EXPECT_NE(said.err.find("; hopeless: no evaluation up to step 6 has accuracy above 1.5"), std::string::npos)
      << said.err;
  const auto files = run_files(folder_ / "results");
  ASSERT_EQ(files.size(), 4u);
  for (const fs::path& file : files) {
    const Json run = show(file);
    EXPECT_EQ(run["state"], "finished");
    EXPECT_EQ(run["reason"].get<std::string>().substr(0, 8), "hopeless");
    EXPECT_EQ(run["train"].size(), 6u) << "of 8";
    EXPECT_EQ(run["eval"].back()["step"], 6);
    EXPECT_EQ(initlab({"verify", file.string()}).code, 0);
  }
  const Json compared = base::parse_json(initlab({"compare", (folder_ / "results").string(), "--json"}).out, "compare");
  for (const Json& arm : compared["arms"]) {
    EXPECT_EQ(arm["n"], 2) << "counted, not dropped";
    EXPECT_EQ(arm["stopped"], 2);
    EXPECT_EQ(arm["failed"], 0);
  }
  EXPECT_NE(base::json_text(compared["notes"]).find("2 of 2 runs of xavier were stopped early by training.stop"),
            std::string::npos)
      << compared["notes"];
  EXPECT_NE(verb("run", rule).err.find("all 4 runs exist"), std::string::npos);
  // Without the rule they are other runs.
  EXPECT_NE(verb("plan").out.find("4 runs, 0 exist, 4 to run"), std::string::npos);
}

// An arm that makes no steps shows its initial weights; the rule is for the others.
TEST_F(Stop, AnArmWithoutStepsHasNothingToStop) {
  for (const char* none : {"epochs: 0", "steps: 0"}) {
    const std::vector<std::string> rule = {
        "--set", "training.stop.hopeless={after: 4, margin: 1}",
        "--set", "seeds.replicates=1",
        "--set", std::string("arms.truncated={init: [{use: truncated_normal}], training: {") + none + "}}"};
    fs::remove_all(folder_ / "results");
    const Said said = verb("run", rule);
    ASSERT_EQ(said.code, 0) << said.err;
    const auto files = run_files(folder_ / "results");
    ASSERT_EQ(files.size(), 2u);
    for (const fs::path& file : files) {
      const Json run = show(file);
      const bool trains = run["arm"] == "xavier";
      EXPECT_EQ(run["state"], "finished");
      EXPECT_EQ(run["train"].size(), trains ? 6u : 0u);
      EXPECT_EQ(run["reason"].get<std::string>().empty(), !trains) << run["reason"];
    }
  }
}

TEST_F(Stop, ARunThatLearnsGoesOn) {
  // Accuracy is above 0 in any run; the constant class of this data is 0.5.
  const std::vector<std::string> rule = {
      "--set", "training.epochs=~",          "--set", "training.steps=200",
      "--set", "training.evaluate.every=40", "--set", "training.stop={hopeless: {after: 150}, diverged: 5}",
      "--set", "task.train_size=16"};
  const Said said = verb("run", rule);
  ASSERT_EQ(said.code, 0) << said.err;
  for (const fs::path& file : run_files(folder_ / "results")) {
    const Json run = show(file);
    double best = 0;
    for (const Json& eval : run["eval"])
      if (eval["step"] <= 160) best = std::max(best, eval["accuracy"].get<double>());
    EXPECT_EQ(run["train"].size(), best > 0.5 ? 200u : 160u) << "the best of the first 160 steps is " << best;
  }
}

TEST_F(Stop, ADivergedRunHasFailed) {
  const Said said =
      verb("run", {"--set", "training.epochs=~", "--set", "training.steps=300", "--set", "training.clip=0", "--set",
                   "training.optimizer.learning_rate=30", "--set", "training.schedule.warmup=0.9", "--set",
                   "training.stop.diverged=1.5", "--set", "seeds.replicates=1"});
  EXPECT_EQ(said.code, 1) << said.err;
  EXPECT_NE(said.err.find("failed: diverged: the mean loss of the 20 steps up to"), std::string::npos) << said.err;
  for (const fs::path& file : run_files(folder_ / "results")) {
    const Json run = show(file);
    EXPECT_EQ(run["state"], "failed");
    EXPECT_LT(run["train"].size(), 300u);
  }
}

// SIGTERM in the midst, and on again: the same file as without.
TEST_F(Stop, AnInterruptedRunEndsWhereItWouldHave) {
  const std::vector<std::string> rule = {
      "--set", "training.epochs=~",           "--set", "training.steps=100000",
      "--set", "training.evaluate.every=400", "--set", "training.stop.hopeless={after: 4000, margin: 1}",
      "--set", "seeds.replicates=1",          "--set", "arms={xavier: [{use: xavier_uniform}]}",
      "--set", "compare.baseline=xavier",     "--set", "resume.every_steps=50"};
  std::vector<std::string> words = {program(), "run", spec_.string(), "--results", (folder_ / "results").string()};
  words.insert(words.end(), rule.begin(), rule.end());
  const pid_t pid = start(words);
  for (int i = 0; i < 6000 && states(folder_ / "results").empty(); ++i) ::usleep(10'000);
  ::kill(pid, SIGTERM);
  ASSERT_EQ(finish(pid).code, 130);
  ASSERT_EQ(verb("run", rule).code, 0);
  ASSERT_EQ(verb("run", rule, "whole").code, 0);
  const fs::path resumed = run_files(folder_ / "results")[0], whole = run_files(folder_ / "whole")[0];
  EXPECT_FALSE(show(resumed)["resumed"].empty());
  EXPECT_EQ(show(resumed)["reason"], show(whole)["reason"]);
  EXPECT_EQ(show(resumed)["train"].size(), 4000u);
  EXPECT_EQ(h5diff(resumed, whole).code, 0);
}

TEST_F(Stop, BadInputIsRefused) {
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {"training.stop.diverged=1", "training.stop.diverged: expected a number above 1"},
      {"training.stop.hopeless={margin: 0.1}", "training.stop.hopeless.after: expected a step, got nothing"},
      {"training.stop.hopeless={after: 0}", "training.stop.hopeless.after: expected an integer of at least 1"},
      {"training.stop.hopeless={after: 2, margin: -1}",
       "training.stop.hopeless.margin: expected a number of at least 0"},
      {"training.stop.hopeless={after: 2, metric: mcc}",
       "training.stop.hopeless.metric: expected one of accuracy, which sentiment has, got \"mcc\""},
      {"training.stop.hopeless={after: 7}",
       "training.stop.hopeless.after: expected a step with an evaluation at or after"},
      {"training.stop.hopless={after: 2}", "did you mean \"hopeless\"?"},
  };
  for (const auto& [setting, why] : wrong)
    for (const char* name : {"plan", "run"}) {
      const Said said = verb(name, {"--set", setting});
      EXPECT_EQ(said.code, 2) << setting;
      EXPECT_NE(said.err.find(why), std::string::npos) << setting << "\n" << said.err;
      EXPECT_FALSE(fs::exists(folder_ / "results"));
    }
}

}  // namespace
}  // namespace initlab::integration
