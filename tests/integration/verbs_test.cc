// The command line and whole small experiments, through the built program.
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <set>
#include <thread>

#include "base/json.hpp"
#include "integration/small_experiment.hpp"
#include "paths.hpp"

namespace initlab::integration {
namespace {

using base::Json;

class Verbs : public SmallExperiment {
 protected:
  Said run(const std::string& results, std::vector<std::string> more = {}) {
    std::vector<std::string> words = {"run", spec_.string(), "--results", (folder_ / results).string()};
    words.insert(words.end(), more.begin(), more.end());
    return initlab(words);
  }
};

TEST_F(Verbs, HelpNamesEveryVerb) {
  const Said said = initlab({"help"});
  EXPECT_EQ(said.code, 0);
  for (const char* verb :
       {"run", "plan", "compare", "show", "audit", "inspect", "bench", "selftest", "plugins", "tokenize", "data"}) {
    EXPECT_NE(said.out.find(verb), std::string::npos) << verb;
    const Said one = initlab({"help", verb});
    EXPECT_EQ(one.code, 0);
    EXPECT_NE(one.out.find(std::string("usage: initlab ") + verb), std::string::npos) << one.out;
  }
}

// Each preset laid over the shipped experiment: which tensors come from the checkpoint is what its name says.
TEST_F(Verbs, PresetsPlanWhatTheirNamesSay) {
  const fs::path experiments = fs::path(initlab::paths::source_dir()) / "experiments";
  const auto is_pretrained = [](const std::string& preset, const std::string& tensor) {
    const auto has = [&](const char* text) { return tensor.find(text) != std::string::npos; };
    if (has("classifier.") || has("pooler.")) return false;  // the checkpoint is a masked language model
    if (preset == "reinit_top") return !has(".layer.1.");
    if (preset == "reinit_block") return !has(".layer.0.");
    return has(".embeddings.") == (preset == "embeddings_only");
  };
  std::size_t presets = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(experiments / "presets")) {
    const std::string preset = entry.path().stem();
    write(spec_, "extends: [" + (experiments / "why_not_reinitialize.yaml").string() + ", " + entry.path().string() +
                     "]\nexperiment: preset\n");
    const Said said = initlab({"plan", spec_.string(), "--results", (folder_ / "results").string(), "--json"});
    ASSERT_EQ(said.code, 0) << said.err;
    const Json arm = base::parse_json(said.out, "plan")["arms"].back();
    EXPECT_EQ(arm["arm"], preset);
    std::size_t taken = 0;
    for (const Json& tensor : arm["tensors"]) {
      const bool pretrained = tensor["strategy"] == "pretrained/1" && !tensor["missing"].get<bool>();
      EXPECT_EQ(pretrained, is_pretrained(preset, tensor["name"])) << preset << " " << tensor["name"];
      taken += pretrained ? 1 : 0;
    }
    EXPECT_GT(taken, 0u);
    ++presets;
  }
  EXPECT_EQ(presets, 4u);
}

TEST_F(Verbs, UnknownWordsGetSuggestions) {
  Said said = initlab({"compre"});
  EXPECT_EQ(said.code, 2);
  EXPECT_NE(said.err.find("did you mean \"compare\"?"), std::string::npos) << said.err;
  said = initlab({"run", spec_.string(), "--result", "x"});
  EXPECT_EQ(said.code, 2);
  EXPECT_NE(said.err.find("did you mean --results?"), std::string::npos) << said.err;
  EXPECT_EQ(initlab({"run"}).code, 2);
  EXPECT_EQ(initlab({}).code, 2);
}

TEST_F(Verbs, PlanShowsRulesAndWritesNothing) {
  const Said said = initlab({"plan", spec_.string(), "--results", (folder_ / "results").string()});
  EXPECT_EQ(said.code, 0) << said.err;
  EXPECT_NE(said.out.find("4 runs, 0 exist, 4 to run"), std::string::npos) << said.out;
  EXPECT_NE(said.out.find("bert.encoder.layer.0.attention.self.query.weight"), std::string::npos);
  EXPECT_NE(said.out.find("truncated_normal/1"), std::string::npos);
  EXPECT_FALSE(fs::exists(folder_ / "results"));
  const Said json = initlab({"plan", spec_.string(), "--results", (folder_ / "results").string(), "--json"});
  const Json plan = base::parse_json(json.out, "plan");
  EXPECT_EQ(plan["runs"].size(), 4u);
  EXPECT_EQ(plan["cost_per_run"]["steps"], 8);
  for (const Json& tensor : plan["arms"][0]["tensors"])
    if (tensor["role"] == "norm_scale") {
      EXPECT_EQ(tensor["rule"], "default") << tensor["name"];
    }
}

// A run that is bound names its cores; two at a time have different ones where there are two.
TEST_F(Verbs, BindsRunsToCores) {
  const Said said = initlab(
      {"run", spec_.string(), "--results", (folder_ / "bound").string(), "--threads", "1", "--jobs", "1", "--bind"});
  ASSERT_EQ(said.code, 0) << said.err;
  for (const fs::path& file : run_files(folder_ / "bound")) {
    const Json run = base::parse_json(initlab({"show", file.string(), "--json"}).out, "show");
    EXPECT_TRUE(run["cores"].is_string()) << run["cores"];
    EXPECT_EQ(run["cores"].get<std::string>().find(','), std::string::npos) << "one thread, one core";
  }
  cpu_set_t allowed;
  ASSERT_EQ(::sched_getaffinity(0, sizeof allowed, &allowed), 0);
  if (CPU_COUNT(&allowed) >= 2) {
    ASSERT_EQ(run("two", {"--threads", "1", "--jobs", "2", "--bind"}).code, 0);
    std::set<std::string> cores;
    for (const fs::path& file : run_files(folder_ / "two"))
      cores.insert(base::parse_json(initlab({"show", file.string(), "--json"}).out, "show")["cores"]);
    EXPECT_EQ(cores.size(), 2u) << "the first two runs begin at the same time";
  }
  const Said many = initlab(
      {"run", spec_.string(), "--results", (folder_ / "none").string(), "--threads", "1", "--jobs", "4096", "--bind"});
  EXPECT_EQ(many.code, 2);
  EXPECT_NE(many.err.find("--bind: expected 4096 x 1 cores"), std::string::npos) << many.err;
  EXPECT_FALSE(fs::exists(folder_ / "none"));
}

TEST_F(Verbs, RunsOnceAndCompares) {
  const Said first = run("results");
  ASSERT_EQ(first.code, 0) << first.err;
  EXPECT_NE(first.out.find("truncated"), std::string::npos) << first.out;
  const std::vector<fs::path> files = run_files(folder_ / "results");
  ASSERT_EQ(files.size(), 4u);
  const auto when = fs::last_write_time(files[0]);
  const Said second = run("results");
  EXPECT_EQ(second.code, 0);
  EXPECT_NE(second.err.find("all 4 runs exist"), std::string::npos) << second.err;
  EXPECT_EQ(fs::last_write_time(files[0]), when);

  const Said json = initlab({"compare", (folder_ / "results").string(), "--json"});
  ASSERT_EQ(json.code, 0) << json.err;
  const Json comparison = base::parse_json(json.out, "compare");
  EXPECT_EQ(comparison["metric"], "accuracy");
  EXPECT_EQ(comparison["baseline"], "truncated");
  EXPECT_TRUE(comparison["constant_class"].is_number());
  ASSERT_EQ(comparison["arms"].size(), 2u);
  for (const Json& arm : comparison["arms"]) {
    EXPECT_EQ(arm["n"], 2);
    EXPECT_EQ(arm["failed"], 0);
    EXPECT_EQ(arm["values"].size(), 2u);
    EXPECT_TRUE(arm["settings"].is_object());
  }
  ASSERT_EQ(comparison["pairs"].size(), 1u);
  EXPECT_EQ(comparison["pairs"][0]["arm"], "xavier");
  EXPECT_EQ(comparison["pairs"][0]["ci95"].size(), 2u);
  EXPECT_GE(comparison["pairs"][0]["p_sign_flip"].get<double>(), 0.5);  // two pairs cannot say more

  const fs::path csv = folder_ / "runs.csv";
  EXPECT_EQ(initlab({"compare", (folder_ / "results").string(), "--csv", csv.string()}).code, 0);
  const std::string rows = slurp(csv);
  EXPECT_EQ(rows.substr(0, rows.find_first_of("\r\n")), "run_id,experiment,arm,settings,replicate,step,metric,value");
  const Said show = initlab({"show", files[0].string()});
  EXPECT_EQ(show.code, 0);
  EXPECT_NE(show.out.find("truncated_normal/1"), std::string::npos) << show.out;
  const Json shown = base::parse_json(initlab({"show", files[0].string(), "--json"}).out, "show");
  EXPECT_EQ(shown["train"].size(), 8u);
  EXPECT_EQ(shown["eval"].size(), 3u);  // steps 3, 6, 8
  EXPECT_EQ(shown["state"], "finished");
  const Json audited = base::parse_json(initlab({"audit", files[0].string(), "--json"}).out, "audit")["arms"][0];
  EXPECT_EQ(shown["init"], audited["tensors"]) << "the two say the same of a tensor";
  EXPECT_EQ(shown["unused"], audited["unused"]);
  EXPECT_EQ(shown["init"][0]["sha256_first_step"], shown["init"][0]["sha256"]);
  EXPECT_NE(show.out.find("stream init/bert.pooler.dense.weight"), std::string::npos) << show.out;
  EXPECT_EQ(initlab({"compare", (folder_ / "results").string(), "--at", "step:3"}).code, 0);
  EXPECT_EQ(initlab({"compare", (folder_ / "results").string(), "--metric", "f2"}).code, 2);
}

TEST_F(Verbs, SameSpecSameBits) {
  ASSERT_EQ(run("a", {"--jobs", "1", "--threads", "2"}).code, 0);
  ASSERT_EQ(run("b", {"--jobs", "2", "--threads", "2"}).code, 0);
  const auto a = run_files(folder_ / "a"), b = run_files(folder_ / "b");
  ASSERT_EQ(a.size(), 4u);
  ASSERT_EQ(b.size(), 4u);
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].filename(), b[i].filename());
    const Said diff = h5diff(a[i], b[i]);
    if (diff.code == 127) GTEST_SKIP() << "skipped: no h5diff";
    EXPECT_EQ(diff.code, 0) << diff.out << diff.err;
  }
}

// A run of one step: memory is booked for that batch, and more steps than it has are timed.
TEST_F(Verbs, JobsAutoMeasuresARunOfOneStep) {
  const Said said = run("results", {"--jobs", "auto", "--set", "training.epochs=0.1", "--set", "training.batch=64",
                                    "--set", "task.train_size=512"});
  EXPECT_EQ(said.code, 0) << said.err;
  EXPECT_NE(said.err.find("tokens/s"), std::string::npos) << said.err;
}

// oneDNN is told to be a CPU without bf16, so this is tested everywhere.
TEST_F(Verbs, Bf16IsRefusedWhereTheCpuLacksIt) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"run", spec_.string(), "--results", (folder_ / "results").string()},
        std::vector<std::string>{"bench", "tiny_128", "--steps", "1"}}) {
    std::vector<std::string> command_line = {"env", "ONEDNN_MAX_CPU_ISA=AVX2", program()};
    command_line.insert(command_line.end(), words.begin(), words.end());
    command_line.insert(command_line.end(), {"--set", "training.precision=bf16"});
    const Said said = command(command_line);
    EXPECT_EQ(said.code, 2) << said.err;
    EXPECT_NE(said.err.find("training.precision: expected f32: this CPU has no instructions for bf16"),
              std::string::npos)
        << said.err;
  }
  EXPECT_FALSE(fs::exists(folder_ / "results")) << "something was written";
}

TEST_F(Verbs, JobsAutoMeasuresOnceAndSaysSo) {
  const Said first = run("results", {"--jobs", "auto"});
  ASSERT_EQ(first.code, 0) << first.err;
  EXPECT_NE(first.err.find("--jobs auto: "), std::string::npos) << first.err;
  const fs::path folder = run_files(folder_ / "results").front().parent_path();
  const auto threads = base::parse_json(slurp(folder / "folder.json"), "folder.json")["threads"].get<int>();
  EXPECT_TRUE(threads == 1 || threads == static_cast<int>(std::thread::hardware_concurrency())) << threads;
  fs::remove(run_files(folder_ / "results").front());
  const Said again = run("results", {"--jobs", "auto"});
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_NE(again.err.find("threads are fixed at " + std::to_string(threads)), std::string::npos) << again.err;
  const Said wrong = run("results", {"--jobs", "many"});
  EXPECT_EQ(wrong.code, 0) << "nothing is left to do";
  const Said refused = run("other", {"--jobs", "many"});
  EXPECT_EQ(refused.code, 2);
  EXPECT_NE(refused.err.find("--jobs: expected an integer from 1 to 4096, or auto, got \"many\""), std::string::npos)
      << refused.err;
}

TEST_F(Verbs, ThreadsAreFixedByTheFolder) {
  ASSERT_EQ(run("results", {"--threads", "1"}).code, 0);
  const Said said = run("results", {"--threads", "2"});
  EXPECT_EQ(said.code, 2);
  EXPECT_NE(said.err.find("fixed when this folder was made"), std::string::npos) << said.err;
}

TEST_F(Verbs, OverridesAndGridsReachTheRuns) {
  write(spec_,
        std::string(kSmall) + "grid: {training.optimizer.learning_rate: [1e-4, 1e-3], task.train_size: [32, 64]}\n");
  ASSERT_EQ(run("results", {"--set", "seeds.replicates=1", "--set", "training.epochs=1"}).code, 0);
  const Said one_seed = initlab({"compare", (folder_ / "results").string(), "--json", "--one-seed"});
  const Json comparison = base::parse_json(one_seed.out, "compare");
  EXPECT_EQ(comparison["arms"].size(), 8u);
  for (const Json& arm : comparison["arms"]) {
    EXPECT_TRUE(arm["settings"]["training.optimizer.learning_rate"].is_number());
    EXPECT_TRUE(arm["settings"]["task.train_size"].is_number());
  }
}

TEST_F(Verbs, AFailedRunDoesNotStopTheOthers) {
  write(spec_, std::string(kSmall) + "extra: 1\n");
  EXPECT_EQ(run("results").code, 2);
  std::string text = kSmall;
  const std::string arm = "  xavier: [{use: xavier_uniform}]\n";
  text.replace(text.find(arm), arm.size(),
               "  hot: {init: [{use: constant, value: 3e38}], training: {optimizer: {learning_rate: 1e30}}}\n" + arm);
  write(spec_, text);
  const Said said = run("results");
  EXPECT_EQ(said.code, 1) << said.err;
  EXPECT_NE(said.err.find("failed:"), std::string::npos) << said.err;
  const Json comparison =
      base::parse_json(initlab({"compare", (folder_ / "results").string(), "--json"}).out, "compare");
  for (const Json& a : comparison["arms"]) {
    EXPECT_EQ(a["failed"], a["arm"] == "hot" ? 2 : 0) << a;
    EXPECT_EQ(a["n"], a["arm"] == "hot" ? 0 : 2) << a;
  }
  EXPECT_EQ(run_files(folder_ / "results").size(), 6u) << "failed runs keep their file";
}

TEST_F(Verbs, InterruptLeavesWholeFilesAndRunsTheRestLater) {
  const std::vector<std::string> words = {
      program(), "run", spec_.string(), "--results", (folder_ / "results").string(), "--set", "training.epochs=4000",
      "--jobs",  "1",   "--threads",    "1"};
  const pid_t pid = start(words);
  for (int i = 0; i < 300 && run_files(folder_ / "results").empty(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  ::kill(pid, SIGINT);
  const Said said = finish(pid);
  EXPECT_EQ(said.code, 130) << said.err;
  const auto files = run_files(folder_ / "results");
  ASSERT_EQ(files.size(), 1u);
  const Json shown = base::parse_json(initlab({"show", files[0].string(), "--json"}).out, "show");
  EXPECT_EQ(shown["state"], "interrupted");
  EXPECT_GT(shown["train"].size(), 0u);
  for (const auto& entry : fs::recursive_directory_iterator(folder_ / "results"))
    EXPECT_EQ(entry.path().string().find(".tmp"), std::string::npos) << entry.path();
}

TEST_F(Verbs, ACheckpointIsMadeOnceAndUsed) {
  write(folder_ / "pre.yaml", R"(experiment: pre
model: {layers: 1, hidden: 32, heads: 2, max_positions: 64, vocabulary: microworld}
task: {name: mlm, data: microworld, tokens: 5000}
training: {steps: 5, batch: 16, max_length: 64, dropout: 0}
arms: {truncated: [{use: truncated_normal}]}
keep: {weights: final}
)");
  std::string text = kSmall;
  const std::string model = "model: {layers: 1, hidden: 32, heads: 2, max_positions: 64, vocabulary: microworld}\n";
  text.replace(text.find(model), model.size(), "model: {checkpoint: {experiment: pre.yaml}}\n");
  const std::string arm = "  xavier: [{use: xavier_uniform}]\n";
  text.replace(text.find(arm), arm.size(), "  pretrained: [{use: pretrained, missing: bert_default}]\n");
  write(spec_, text);
  const Said first = run("results");
  ASSERT_EQ(first.code, 0) << first.err;
  ASSERT_EQ(run_files(folder_ / "results" / "pre").size(), 1u);
  ASSERT_EQ(run_files(folder_ / "results" / "small").size(), 4u);
  for (const fs::path& file : run_files(folder_ / "results" / "small")) {
    const Json shown = base::parse_json(initlab({"show", file.string(), "--json"}).out, "show");
    if (shown["arm"] != "pretrained") continue;
    for (const Json& tensor : shown["init"]) {
      const std::string name = tensor["name"];
      const bool loaded = name.starts_with("bert.") && !name.starts_with("bert.pooler");
      EXPECT_EQ(tensor["strategy"] == "pretrained/1", loaded) << tensor;
      EXPECT_EQ(tensor["source_key"], loaded ? name : "") << tensor;
    }
  }
  const Said again = run("results");
  EXPECT_EQ(again.err.find("pre:"), std::string::npos) << again.err;
  // The comparison of the whole folder speaks of the fine-tuning alone.
  const Json comparison =
      base::parse_json(initlab({"compare", (folder_ / "results").string(), "--json"}).out, "compare");
  EXPECT_EQ(comparison["arms"].size(), 2u);
}

TEST_F(Verbs, BadInputExitsTwoAndWritesNothing) {
  const std::vector<std::pair<std::string, std::string>> bad = {
      {"arms:\n", "arms: {}\n#"},
      {"batch: 16", "batch: fast"},
      {"use: xavier_uniform", "use: xavier_unform"},
      {"use: xavier_uniform", "use: xavier_uniform, gian: 2"},
      {"use: xavier_uniform", "use: pretrained"},
      {"use: xavier_uniform", "use: xavier_uniform, match: bert.nothing.*"},
      {"name: sentiment", "name: sentimental"},
      {"train_size: 64", "train_size: 99999999"},
      {"max_length: 64", "max_length: 65"},
      {"hidden: 32", "hidden: 33"},
      {"baseline: truncated", "baseline: trunk"},
      {"data: microworld, train", "data: /no/such/folder, train"},
      {"base: 7", "base: 7, base: 8"},
  };
  for (const auto& [from, to] : bad) {
    std::string text = kSmall;
    text.replace(text.find(from), from.size(), to);
    write(spec_, text);
    for (const char* verb : {"plan", "run"}) {
      const Said said = initlab({verb, spec_.string(), "--results", (folder_ / "results").string()});
      EXPECT_EQ(said.code, 2) << verb << " " << to << "\n" << said.err;
      EXPECT_TRUE(said.err.starts_with("initlab: ")) << said.err;
      EXPECT_FALSE(fs::exists(folder_ / "results")) << verb << " " << to;
    }
  }
  EXPECT_EQ(initlab({"run", (folder_ / "none.yaml").string()}).code, 2);
  write(folder_ / "file", "");
  write(spec_, kSmall);
  const Said said = initlab({"run", spec_.string(), "--results", (folder_ / "file").string()});
  EXPECT_EQ(said.code, 2) << said.err;
  EXPECT_EQ(initlab({"compare", (folder_ / "none").string()}).code, 2);
  EXPECT_EQ(initlab({"show", spec_.string()}).code, 2);
}

TEST_F(Verbs, PluginsListsEveryStrategy) {
  const Json list = base::parse_json(initlab({"plugins", "--json"}).out, "plugins");
  std::vector<std::string> ids;
  for (const Json& strategy : list) {
    ids.push_back(strategy["id"]);
    EXPECT_FALSE(strategy["summary"].get<std::string>().empty());
    EXPECT_FALSE(strategy["source"].get<std::string>().empty());
  }
  for (const char* id : {"pretrained/1", "truncated_normal/1", "normal/1", "bert_default/1", "xavier_uniform/1",
                         "xavier_normal/1", "zero/1", "constant/1", "one/1"})
    EXPECT_NE(std::find(ids.begin(), ids.end(), id), ids.end()) << id;
}

TEST_F(Verbs, TokenizeSpeaksJson) {
  write(folder_ / "vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nhello\nwor\n##ld\n");
  const std::string vocab = (folder_ / "vocab.txt").string();
  EXPECT_EQ(initlab({"tokenize", "--vocab", vocab}, "Hello world\n\nxyz").out, "[2, 5, 6, 7, 3]\n[2, 3]\n[2, 1, 3]\n");
  EXPECT_EQ(initlab({"tokenize", "--vocab", vocab, "--cased", "--no-special"}, "Hello hello\n").out, "[1, 5]\n");
  EXPECT_EQ(initlab({"tokenize"}).code, 2);
}

TEST_F(Verbs, MicroworldFilesAreATask) {
  const std::string out = (folder_ / "world").string();
  ASSERT_EQ(initlab({"data", "microworld", "--out", out, "--seed", "3", "--tokens", "5000"}).code, 0);
  EXPECT_GT(fs::file_size(fs::path(out) / "stories.txt"), 10000u);
  for (const char* task : {"sentiment", "acceptability", "paraphrase", "entailment"})
    EXPECT_TRUE(fs::exists(fs::path(out) / task / "dev.tsv")) << task;
  // The same task from files and from memory has the same content, so the same identities.
  const auto ids = [&](const std::string& where) {
    const Said said = initlab({"plan", spec_.string(), "--results", (folder_ / "r").string(), "--json", "--set",
                               "task.world=3", "--set", "task.data=" + where});
    EXPECT_EQ(said.code, 0) << said.err;
    return base::parse_json(said.out, "plan")["runs"][0]["run_id"].get<std::string>();
  };
  EXPECT_EQ(ids("microworld"), ids(out + "/sentiment"));
}

TEST_F(Verbs, H5pyReadsARunInThreeLines) {
  ASSERT_EQ(run("results", {"--set", "seeds.replicates=1"}).code, 0);
  const std::string script =
      "import h5py, sys\n"
      "run = h5py.File(sys.argv[1])\n"
      "print(run.attrs['arm'].decode(), len(run['train/loss']), run['eval/accuracy'].shape[0], "
      "run['eval/predictions'].shape)\n";
  const Said said = command({"/usr/bin/python3", "-c", script, run_files(folder_ / "results")[0].string()});
  if (said.err.find("No module named 'h5py'") != std::string::npos || said.code == 127)
    GTEST_SKIP() << "skipped: no h5py";
  EXPECT_EQ(said.code, 0) << said.err;
  EXPECT_EQ(said.out, "truncated 8 3 (3, 500, 2)\n");
}

}  // namespace
}  // namespace initlab::integration
