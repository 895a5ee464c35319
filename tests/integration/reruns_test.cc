// The second time: a spec that now asks something else of the same runs, files that were damaged, workers that died.
// And what is refused before the first time.
#include <algorithm>
#include <chrono>
#include <thread>

#include "base/json.hpp"
#include "integration/small_experiment.hpp"

namespace initlab::integration {
namespace {

using base::Json;

class Reruns : public SmallExperiment {
 protected:
  Said verb(const char* name, std::vector<std::string> more = {}) {
    std::vector<std::string> words = {name, spec_.string(), "--results", (folder_ / "results").string()};
    words.insert(words.end(), more.begin(), more.end());
    return initlab(words);
  }
  void refused(const std::vector<std::string>& more, const std::string& why) {
    for (const char* name : {"plan", "run"}) {
      const Said said = verb(name, more);
      EXPECT_EQ(said.code, 2) << name << said.err;
      EXPECT_NE(said.err.find(why), std::string::npos) << name << said.err;
      EXPECT_FALSE(fs::exists(folder_ / "results")) << name;
    }
  }
};

TEST_F(Reruns, TheSpecSaysHowRunsThatExistAreCompared) {
  ASSERT_EQ(verb("run").code, 0);
  const Said said = verb("run", {"--json", "--set", "compare.metric=loss", "--set", "compare.baseline=xavier", "--set",
                                 "compare.threshold=~", "--set", "compare.at=step:3"});
  ASSERT_EQ(said.code, 0) << said.err;
  EXPECT_NE(said.err.find("all 4 runs exist"), std::string::npos) << said.err;
  const Json comparison = base::parse_json(said.out, "run");
  EXPECT_EQ(comparison["metric"], "loss");
  EXPECT_EQ(comparison["better"], "lower");
  EXPECT_EQ(comparison["baseline"], "xavier");
  EXPECT_EQ(comparison["at"], "step:3");
  EXPECT_TRUE(comparison["threshold"].is_null());
}

TEST_F(Reruns, AGainIsAQuestionToTheSameRuns) {
  write(spec_, std::string(kSmall) + "head: {use: zero}\n");
  const std::vector<std::string> third = {"--set", "arms.zero=[{use: zero}]", "--json"};
  ASSERT_EQ(verb("run", third).code, 0);
  std::vector<std::string> asked = third;
  asked.insert(asked.end(), {"--set", "compare.gain={from: zero, to: xavier}"});
  const Said said = verb("run", asked);
  ASSERT_EQ(said.code, 0) << said.err;
  EXPECT_NE(said.err.find("all 6 runs exist"), std::string::npos) << said.err;
  const Json comparison = base::parse_json(said.out, "run");
  EXPECT_EQ(comparison["gain"], (Json{{"from", "zero"}, {"to", "xavier"}}));
  ASSERT_EQ(comparison["shares"].size(), 1u);
  EXPECT_EQ(comparison["shares"][0]["arm"], "truncated");
  EXPECT_EQ(comparison["shares"][0]["n"], 2);
  const std::string results = (folder_ / "results").string();
  EXPECT_TRUE(base::parse_json(initlab({"compare", results, "--json"}).out, "compare")["gain"].is_null());
  const Said compared = initlab({"compare", results, "--gain", "zero:xavier"});
  EXPECT_NE(compared.out.find("gain kept: (arm - zero) / (xavier - zero)"), std::string::npos) << compared.out;
  for (const char* wrong : {"zero", "zero:", "a:b:c", "zero:xavir", "zero:zero"})
    EXPECT_EQ(initlab({"compare", results, "--gain", wrong}).code, 2) << wrong;
}

TEST_F(Reruns, WhatNoRunHasIsRefusedBeforeAnythingIsRun) {
  refused({"--set", "compare.metric=pearson"}, "compare.metric: expected one of accuracy, loss");
  refused({"--set", "compare.at=step:5"}, "compare.at: expected a step after which a run evaluates");
  refused({"--threads", "0"}, "--threads: expected an integer from 1 to 4096, got 0");
  EXPECT_EQ(verb("plan", {"--set", "compare.at=step:3"}).code, 0);
  EXPECT_EQ(verb("plan", {"--set", "compare.at=step:8"}).code, 0) << "the last of 8 steps is always evaluated";
  write(folder_ / "file", "");
  EXPECT_EQ(initlab({"plan", spec_.string(), "--results", (folder_ / "file").string()}).code, 2);
}

// Damage beyond the part that says "finished".
TEST_F(Reruns, ADamagedFileIsRunAgain) {
  ASSERT_EQ(verb("run").code, 0);
  const fs::path file = run_files(folder_ / "results")[1];
  const std::string whole = slurp(file);
  std::string bytes = whole;
  for (std::size_t i = 2000; i < bytes.size(); i += 97) bytes[i] = static_cast<char>(bytes[i] ^ 0xff);
  write(file, bytes);
  EXPECT_NE(verb("plan").out.find("4 runs, 3 exist, 1 to run"), std::string::npos);
  const Said said = verb("run", {"--json"});
  EXPECT_EQ(said.code, 0) << said.err;
  EXPECT_NE(said.err.find("4 runs, 1 to do"), std::string::npos) << said.err;
  EXPECT_EQ(base::parse_json(said.out, "run")["arms"][0]["n"], 2);
}

TEST_F(Reruns, WeightsToKeepAreMadeWhereTheyLack) {
  ASSERT_EQ(verb("run").code, 0);
  const std::vector<std::string> keep = {"--set", "keep.weights=final"};
  EXPECT_NE(verb("plan", keep).out.find("4 runs, 0 exist"), std::string::npos);
  ASSERT_EQ(verb("run", keep).code, 0);
  EXPECT_NE(verb("plan", keep).out.find("4 runs, 4 exist"), std::string::npos);
  for (fs::path file : run_files(folder_ / "results"))
    EXPECT_TRUE(fs::exists(file.replace_extension(".final") / "model.safetensors")) << file;
}

// The first arm trains nothing; the plan must not take it for all.
TEST_F(Reruns, ThePlanCountsEveryArm) {
  std::string text = kSmall;
  text.replace(text.find("[{use: truncated_normal, stddev: 0.02}]"), 39,
               "{init: {use: truncated_normal}, training: {epochs: 0}}");
  write(spec_, text);
  const Json plan = base::parse_json(verb("plan", {"--json"}).out, "plan");
  EXPECT_EQ(plan["cost_per_run"]["arm"], "xavier");
  EXPECT_EQ(plan["cost_per_run"]["steps"], 8);
  const double one = plan["cost_per_run"]["seconds"], all = plan["seconds_to_run"];
  EXPECT_GT(all, 2 * one) << "two with eight steps, and two that start and are evaluated";
  double parts = 0;
  for (const Json& part : plan["cost_per_run"]["seconds_parts"]) {
    EXPECT_GT(part.get<double>(), 0);
    parts += part.get<double>();
  }
  EXPECT_NEAR(parts, one, 1e-12);
  // A grid that changes rules gives an arm a table at each; one that changes none does not.
  write(spec_, std::string(kSmall) + "grid: {\"arms.truncated[0].stddev\": [0.01, 0.02], training.batch: [8, 16]}\n");
  const Json grid = base::parse_json(verb("plan", {"--json"}).out, "plan");
  std::vector<std::string> arms;
  for (const Json& arm : grid["arms"]) arms.push_back(arm["arm"]);
  EXPECT_EQ(arms, (std::vector<std::string>{"truncated", "xavier", "truncated"}));
}

// After the runs stands what they took, beside what the plan says of them.
TEST_F(Reruns, ThePlanIsSeenBesideWhatWasMeasured) {
  EXPECT_TRUE(base::parse_json(verb("plan", {"--json"}).out, "plan")["measured"].is_null());
  ASSERT_EQ(verb("run").code, 0);
  const Json plan = base::parse_json(verb("plan", {"--json"}).out, "plan");
  EXPECT_EQ(plan["seconds_to_run"], 0);
  EXPECT_EQ(plan["wall_seconds_to_run"], 0);
  EXPECT_EQ(plan["measured"]["runs"], 4);
  double worked = 0;
  std::ifstream attempts(folder_ / "results/small/attempts.jsonl");
  for (std::string line; std::getline(attempts, line);) {
    const Json attempt = base::parse_json(line, "attempts");
    EXPECT_EQ(attempt["seconds"].is_null(), attempt["event"] == "started");
    if (attempt["event"] == "finished") worked += attempt["seconds"].get<double>();
  }
  EXPECT_GT(worked, 0);
  EXPECT_NEAR(plan["measured"]["seconds"].get<double>(), worked, 1e-9);
  EXPECT_GT(plan["measured"]["estimated_seconds"].get<double>(), 0);
  EXPECT_NE(verb("plan").out.find("4 runs that exist took "), std::string::npos);
}

// Two at a time take half the wall time of one worker, and half of the longest run where they do not come out even.
TEST_F(Reruns, ThePlanKnowsHowManyRunAtATime) {
  const Json plan = base::parse_json(verb("plan", {"--json", "--jobs", "2", "--threads", "1"}).out, "plan");
  EXPECT_EQ(plan["jobs"], 2);
  const double all = plan["seconds_to_run"], wall = plan["wall_seconds_to_run"];
  EXPECT_GE(wall, all / 2 * 0.999);
  // Two replicates of two arms, one of which is the run that is told.
  const double one = plan["cost_per_run"]["seconds"], longest = std::max(one, all / 2 - one);
  EXPECT_LE(wall, (all + longest) / 2 * 1.001);
  EXPECT_EQ(verb("plan", {"--jobs", "0"}).code, 2);
}

// Before the runs: an assumed deviation. After them: theirs. And that two pairs can never give p < 0.05.
TEST_F(Reruns, ThePlanSaysWhatItsDesignCanFindOut) {
  const Json before = base::parse_json(verb("plan", {"--json", "--set", "compare.metric=loss"}).out, "plan")["design"];
  EXPECT_EQ(before["baseline"], "truncated");
  EXPECT_EQ(before["metric"], "loss");
  EXPECT_EQ(before["smallest_p"], 0.5);
  EXPECT_EQ(before["pairs_for_p05"], 6);
  EXPECT_EQ(before["comparisons"], 1);
  EXPECT_EQ(before["pairs_for_comparisons"], 6);
  EXPECT_EQ(before["claims"], 0);
  EXPECT_TRUE(before["pairs_for_claims"].is_null());
  ASSERT_EQ(before["arms"].size(), 1u);
  EXPECT_EQ(before["arms"][0]["arm"], "xavier");
  EXPECT_EQ(before["arms"][0]["pairs"], 2);
  EXPECT_EQ(before["arms"][0]["from_pairs"], 0);
  EXPECT_EQ(before["arms"][0]["deviation"], 0.05);
  const std::string text = verb("plan").out;
  EXPECT_NE(text.find("so few pairs can never give p < 0.05; seeds.replicates: 6 can"), std::string::npos) << text;
  const std::vector<std::string> six = {"--set", "seeds.replicates=6", "--set", "compare.metric=loss"};
  EXPECT_EQ(verb("plan", six).out.find("can never give"), std::string::npos);
  ASSERT_EQ(verb("run", six).code, 0);
  const Json compared = base::parse_json(
      verb("run", {"--set", "seeds.replicates=6", "--set", "compare.metric=loss", "--json"}).out, "run");
  const Json after = base::parse_json(
      verb("plan", {"--set", "seeds.replicates=6", "--set", "compare.metric=loss", "--json"}).out, "plan")["design"];
  const double deviation = compared["pairs"][0]["deviation"];
  ASSERT_GT(deviation, 0);
  EXPECT_EQ(after["arms"][0]["from_pairs"], 6);
  EXPECT_NEAR(after["arms"][0]["deviation"].get<double>(), deviation, 1e-12);
  // 1.43455 standard deviations: statsmodels' TTestPower().solve_power(nobs=6, alpha=0.05, power=0.8).
  EXPECT_NEAR(after["arms"][0]["detectable"].get<double>() / deviation, 1.43455, 1e-4);
}

TEST_F(Reruns, WhenTheParentDiesTheWorkerEndsItsFile) {
  // Steps long enough that a report to the dead parent falls between the signal and the stop.
  const pid_t pid = start({program(), "run", spec_.string(), "--results", (folder_ / "results").string(), "--set",
                           "model={shape: mini, max_positions: 64, vocabulary: microworld}", "--set",
                           "training.batch=64", "--set", "training.epochs=100000", "--jobs", "1", "--threads", "1"});
  for (int i = 0; i < 400 && run_files(folder_ / "results").empty(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  ::kill(pid, SIGKILL);
  finish(pid);
  const auto files = run_files(folder_ / "results");
  ASSERT_EQ(files.size(), 1u);
  std::string state = "running";
  Said said;
  for (int i = 0; i < 400 && state == "running"; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    said = initlab({"show", files[0].string(), "--json"});
    if (said.code == 0) state = base::parse_json(said.out, "show")["state"];
  }
  EXPECT_EQ(state, "interrupted") << said.err << slurp(folder_ / "results/small/attempts.jsonl")
                                  << initlab({"status", (folder_ / "results").string()}).out;
}

TEST_F(Reruns, WhatACheckpointHoldsInVainIsSaid) {
  ASSERT_EQ(verb("run", {"--set", "keep.weights=final", "--set", "seeds.replicates=1"}).code, 0);
  fs::path weights = run_files(folder_ / "results")[0];
  weights.replace_extension(".final");
  write(spec_, "experiment: mlm\nmodel: {checkpoint: \"" + weights.string() +
                   "\"}\ntask: {name: mlm, data: microworld, tokens: 2000}\n"
                   "training: {epochs: 0, max_length: 64}\narms: {p: {use: pretrained, missing: zero}}\n");
  const Said said = verb("run");
  EXPECT_EQ(said.code, 0) << said.err;
  const std::size_t at = said.err.find("tensors that the model has no place for: ");
  ASSERT_NE(at, std::string::npos) << said.err;
  for (const char* name : {"classifier.weight", "classifier.bias", "bert.pooler.dense.weight"})
    EXPECT_NE(said.err.find(name, at), std::string::npos) << name << said.err;
}

TEST_F(Reruns, HelpNeedsNothingElse) {
  for (const char* name : {"run", "plan", "compare", "show", "tokenize", "data"}) {
    const Said said = initlab({name, "--help"});
    EXPECT_EQ(said.code, 0) << said.err;
    EXPECT_EQ(said.out, initlab({"help", name}).out);
  }
  EXPECT_EQ(initlab({"help", "help"}).code, 0);
  const Said said = initlab({"show"});
  EXPECT_EQ(said.code, 2);
  EXPECT_NE(said.err.find("expected initlab show RUN.h5 [--json], got less"), std::string::npos) << said.err;
}

TEST_F(Reruns, OutputThatCannotBeWrittenIsAnError) {
  if (!fs::exists("/dev/full")) GTEST_SKIP() << "skipped: no /dev/full";
  const Said said = command({"sh", "-c", "'" + program() + "' plugins --json > /dev/full"});
  EXPECT_EQ(said.code, 2);
  EXPECT_NE(said.err.find("standard output: cannot be written"), std::string::npos) << said.err;
}

}  // namespace
}  // namespace initlab::integration
