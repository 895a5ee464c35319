// training.tune: every arm chooses its learning rate on a part of the training set, then runs with it.
#include <csignal>
#include <set>

#include "base/json.hpp"
#include "integration/small_experiment.hpp"

namespace initlab::integration {
namespace {

using base::Json;

// 1e30 diverges at once; 1e-3 does not.
inline const char* const kTuned = R"(experiment: tuned
model: {layers: 1, hidden: 32, heads: 2, max_positions: 64, vocabulary: microworld}
task: {name: sentiment, data: microworld, train_size: 64}
training: {steps: 4, batch: 16, max_length: 64, tune: {learning_rate: [1e30, 1e-3], share: 0.25}}
arms:
  truncated: [{use: truncated_normal, stddev: 0.02}]
  xavier: [{use: xavier_uniform}]
seeds: {replicates: 2, base: 7}
compare: {baseline: truncated, metric: accuracy}
)";

class Tuning : public SmallExperiment {
 protected:
  void SetUp() override {
    SmallExperiment::SetUp();
    write(spec_, kTuned);
  }
  Said verb(const char* name, std::vector<std::string> more = {}, const char* results = "results") {
    std::vector<std::string> words = {name, spec_.string(), "--results", (folder_ / results).string()};
    words.insert(words.end(), more.begin(), more.end());
    return initlab(words);
  }
  // The files of tuning runs, or of the others.
  std::vector<fs::path> files(bool tuning, const char* results = "results") const {
    std::vector<fs::path> found;
    for (const fs::path& file : run_files(folder_ / results))
      if (file.filename().string().starts_with("tuning,") == tuning) found.push_back(file);
    return found;
  }
  Json show(const fs::path& file) const {
    return base::parse_json(initlab({"show", file.string(), "--json"}).out, "show");
  }
};

TEST_F(Tuning, EachArmChoosesItsRateAndRunsWithIt) {
  const Json before = base::parse_json(verb("plan", {"--json"}).out, "plan");
  EXPECT_EQ(before["tuning"].size(), 4U);
  EXPECT_EQ(before["tuning"][0]["settings"]["training.optimizer.learning_rate"], 1e30);
  EXPECT_EQ(before["runs"].size(), 4U);
  EXPECT_EQ(before["runs"][0]["state"], "awaits tuning");
  EXPECT_TRUE(before["runs"][0]["run_id"].is_null());
  EXPECT_NE(verb("plan").out.find("tuning of tuned: 4 runs, 0 exist, 4 to run"), std::string::npos);
  EXPECT_FALSE(fs::exists(folder_ / "results"));

  const Said said = verb("run");
  ASSERT_EQ(said.code, 0) << said.err;
  EXPECT_NE(said.err.find("4 tuning runs, 4 to do"), std::string::npos) << said.err;
  EXPECT_NE(said.err.find("truncated: learning rate 0.001, of 2 tried"), std::string::npos) << said.err;
  EXPECT_EQ(files(true).size(), 4U);
  EXPECT_EQ(files(false).size(), 4U);
  std::set<std::string> states;
  for (const fs::path& file : files(true)) {
    const Json run = show(file);
    EXPECT_EQ(run["role"], "tuning");
    EXPECT_TRUE(run["tuning"].is_null());
    EXPECT_EQ(run["replicate"], 0);
    states.insert(run["state"]);
  }
  EXPECT_EQ(states, (std::set<std::string>{"failed", "finished"})) << "one rate diverges";
  for (const fs::path& file : files(false)) {
    const Json run = show(file);
    EXPECT_EQ(run["role"], "run");
    EXPECT_EQ(run["settings"], Json::object());
    EXPECT_EQ(run["train"][0]["learning_rate"], 1e-3);
    const Json& tuning = run["tuning"];
    EXPECT_EQ(tuning["learning_rate"], 1e-3);
    EXPECT_EQ(tuning["share"], 0.25);
    ASSERT_EQ(tuning["trials"].size(), 2U);
    EXPECT_TRUE(tuning["trials"][0]["mean"].is_number()) << "1e-3";
    EXPECT_TRUE(tuning["trials"][1]["mean"].is_null()) << "1e30";
    EXPECT_NE(initlab({"show", file.string()})
                  .out.find("0.001, chosen on 25 % of the training set, held out, from "
                            "{0.001, 1e+30} by mean accuracy (1 run a rate)"),
              std::string::npos);
  }
  EXPECT_NE(said.out.find("* each arm's learning rate was chosen on 25 % of the training set, held out"),
            std::string::npos)
      << said.out;
  EXPECT_NE(said.out.find("xavier: the chosen learning rate 0.001 is the smallest tried"), std::string::npos)
      << said.out;

  const Said again = verb("run");
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_NE(again.err.find("all 4 tuning runs exist"), std::string::npos) << again.err;
  EXPECT_NE(again.err.find("all 4 runs exist"), std::string::npos) << again.err;
  const Json compared = base::parse_json(initlab({"compare", (folder_ / "results").string(), "--json"}).out, "compare");
  ASSERT_EQ(compared["arms"].size(), 2U);
  for (const Json& arm : compared["arms"]) {
    EXPECT_EQ(arm["n"], 2) << "tuning runs are no values of an arm";
    EXPECT_EQ(arm["failed"], 0);
    EXPECT_EQ(arm["tuning"]["learning_rate"], 1e-3);
  }
  const Json after = base::parse_json(verb("plan", {"--json"}).out, "plan");
  EXPECT_EQ(after["runs"][0]["state"], "finished");
  EXPECT_EQ(after["runs"][0]["tuned"]["learning_rate"], 1e-3);
  EXPECT_EQ(after["seconds_to_run"], 0.0);
}

// It has no rate to choose.
TEST_F(Tuning, AnArmThatIsNotTrainedRunsBesideThoseThatAreTuned) {
  const std::vector<std::string> still = {"--set",
                                          "arms.still={init: [{use: truncated_normal}], training: {steps: 0}}"};
  const Said said = verb("run", still);
  ASSERT_EQ(said.code, 0) << said.err;
  EXPECT_EQ(files(true).size(), 4U);
  EXPECT_EQ(files(false).size(), 6U);
  EXPECT_EQ(said.err.find("still: learning rate"), std::string::npos) << said.err;
  const Json compared = base::parse_json(initlab({"compare", (folder_ / "results").string(), "--json"}).out, "compare");
  for (const Json& arm : compared["arms"]) {
    EXPECT_EQ(arm["n"], 2) << arm["arm"];
    EXPECT_EQ(arm["tuning"].is_null(), arm["arm"] == "still");
  }
}

// The numbers are those of the same spec with the rate in it; the identity is not, since the claim is another one.
TEST_F(Tuning, AChosenRateIsTheRate) {
  ASSERT_EQ(verb("run").code, 0);
  std::string text = kTuned;
  const std::string tune = "tune: {learning_rate: [1e30, 1e-3], share: 0.25}";
  text.replace(text.find(tune), tune.size(), "optimizer: {learning_rate: 1e-3}");
  write(spec_, text);
  ASSERT_EQ(verb("run", {}, "stated").code, 0);
  const auto tuned = files(false), stated = files(false, "stated");
  ASSERT_EQ(stated.size(), 4U);
  for (std::size_t i = 0; i < stated.size(); ++i) {
    const Json a = show(tuned[i]), b = show(stated[i]);
    EXPECT_EQ(a["init"], b["init"]);
    for (std::size_t s = 0; s < 4; ++s) EXPECT_EQ(a["train"][s]["loss"], b["train"][s]["loss"]);
    EXPECT_EQ(a["eval"][0]["loss"], b["eval"][0]["loss"]);
    EXPECT_NE(a["run_id"], b["run_id"]);
    EXPECT_TRUE(b["tuning"].is_null());
  }
}

// What the development split says cannot matter: tuning runs are equal files, with equal identities, whatever it says.
TEST_F(Tuning, TheDevelopmentSetIsNotTouched) {
  ASSERT_EQ(initlab({"data", "microworld", "--out", (folder_ / "world").string(), "--tokens", "2000"}).code, 0);
  std::string text = kTuned;
  text.replace(text.find("data: microworld"), 16, "data: \"" + (folder_ / "world/sentiment").string() + "\"");
  write(spec_, text);
  ASSERT_EQ(verb("run", {}, "a").code, 0);
  const fs::path dev = folder_ / "world/sentiment/dev.tsv";
  std::string rows = slurp(dev);
  int flipped = 0;
  for (std::size_t i = 1; i + 1 < rows.size(); ++i)  // labels stand at the end of their line
    if (rows[i - 1] == '\t' && rows[i + 1] == '\n' && (rows[i] == '0' || rows[i] == '1')) {
      rows[i] = rows[i] == '0' ? '1' : '0';
      ++flipped;
    }
  ASSERT_GT(flipped, 10);
  write(dev, rows);
  ASSERT_EQ(verb("run", {}, "b").code, 0);
  const auto a = files(true, "a"), b = files(true, "b");
  ASSERT_EQ(a.size(), 4U);
  ASSERT_EQ(b.size(), 4U);
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].filename(), b[i].filename());
    EXPECT_EQ(show(a[i])["data_sha256"], show(b[i])["data_sha256"]);
    if (command({"h5diff", "--version"}).code != 127) {
      EXPECT_EQ(h5diff(a[i], b[i]).code, 0) << a[i];
    }
  }
  const auto finals_a = files(false, "a"), finals_b = files(false, "b");
  EXPECT_NE(finals_a[0].filename(), finals_b[0].filename()) << "the runs themselves are of other data";
  EXPECT_EQ(show(finals_a[0])["tuning"], show(finals_b[0])["tuning"]);
}

TEST_F(Tuning, WhatIsMissingIsRunAndNothingElse) {
  ASSERT_EQ(verb("run").code, 0);
  const auto tuning = files(true), finals = files(false);
  fs::remove(tuning[1]);
  fs::remove(finals[2]);
  EXPECT_NE(verb("plan").out.find("to run, when its learning rate is chosen"), std::string::npos);
  Said said = verb("run");
  ASSERT_EQ(said.code, 0) << said.err;
  EXPECT_NE(said.err.find("4 tuning runs, 1 to do"), std::string::npos) << said.err;
  EXPECT_NE(said.err.find("4 runs, 1 to do"), std::string::npos) << said.err;
  // A worse rate more: its runs, and no other.
  const std::vector<std::string> more = {"--set", "training.tune.learning_rate=[1e30, 1e-3, 1e29]"};
  said = verb("run", more);
  ASSERT_EQ(said.code, 0) << said.err;
  EXPECT_NE(said.err.find("6 tuning runs, 2 to do"), std::string::npos) << said.err;
  EXPECT_NE(said.err.find("all 4 runs exist"), std::string::npos) << said.err;
  EXPECT_NE(said.out.find("from {0.001, 1e+29, 1e+30}"), std::string::npos) << said.out;
  EXPECT_EQ(files(false).size(), 4U);
  // A better one: the choice is another, and so are the runs; `compare` takes the later ones.
  const std::vector<std::string> only_bad = {"--set", "training.tune.learning_rate=[1e30, 1e29]"};
  ASSERT_EQ(verb("run", only_bad, "bad").code, 1) << "every run diverges, the final ones too";
  said = verb("run", more, "bad");
  ASSERT_EQ(said.code, 0) << said.err;
  EXPECT_NE(said.err.find("6 tuning runs, 2 to do"), std::string::npos) << said.err;
  const Said compared = initlab({"compare", (folder_ / "bad").string(), "--json"});
  ASSERT_EQ(compared.code, 0) << compared.err;
  EXPECT_NE(compared.err.find("left out: 4 runs whose learning rate was chosen from fewer rates"), std::string::npos)
      << compared.err;
  EXPECT_EQ(base::parse_json(compared.out, "compare")["arms"][0]["n"], 2);
}

TEST_F(Tuning, BadInputIsRefusedAndNothingWritten) {
  const auto refused = [&](const std::vector<std::string>& more, const std::string& why) {
    for (const char* name : {"plan", "run"}) {
      const Said said = verb(name, more);
      EXPECT_EQ(said.code, 2) << name << said.err;
      EXPECT_NE(said.err.find(why), std::string::npos) << name << said.err;
    }
    EXPECT_FALSE(fs::exists(folder_ / "results"));
  };
  refused({"--set", "task.train_size=16"},
          "training.tune.share: expected 10 held-out examples or more, got 5 of the 16 training examples");
  refused({"--set", "training.tune.learning_rate=[]"}, "training.tune.learning_rate: expected at least two rates");
  refused({"--set", "grid.training.optimizer.learning_rate=[1e-3]"}, "expected no learning rate beside training.tune");
  std::string maker = kTuned;
  const std::string second = "  xavier: [{use: xavier_uniform}]\n", two = "replicates: 2";
  maker.replace(maker.find(second), second.size(), "");
  maker.replace(maker.find(two), two.size(), "replicates: 1");
  write(folder_ / "maker.yaml", maker);
  write(spec_,
        "experiment: reader\nmodel: {checkpoint: {experiment: maker.yaml}}\ntask: {name: sentiment, data: "
        "microworld}\narms: {a: {use: pretrained}}\n");
  refused({}, "model.checkpoint.experiment: expected an experiment that states its learning rate, got training.tune");
}

}  // namespace
}  // namespace initlab::integration
