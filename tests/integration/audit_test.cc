// The audit end to end: a run that something disturbs between initialization and its first step, specs and checkpoints
// with faults, `selftest` and `plugins --check` against what is broken.
#include <algorithm>
#include <chrono>

#include "base/file.hpp"
#include "base/json.hpp"
#include "compute/threads.hpp"
#include "init/init.hpp"
#include "integration/program.hpp"
#include "log/run_file.hpp"
#include "paths.hpp"
#include "spec/spec.hpp"
#include "sweep/execute.hpp"
#include "sweep/prepare.hpp"

namespace initlab::integration {
namespace {

using base::Json;

const char* const kSpec = R"(experiment: small
model: {layers: 1, hidden: 32, heads: 2, max_positions: 64, vocabulary: microworld}
task: {name: sentiment, data: microworld, train_size: 64}
training: {steps: 2, batch: 16, max_length: 64}
arms:
  truncated: [{use: truncated_normal, stddev: 0.02}]
seeds: {replicates: 1, base: 7}
)";

class AuditVerb : public ProgramTest {
 protected:
  Said audit(const fs::path& what, std::vector<std::string> more = {}) const {
    std::vector<std::string> words = {"audit", what.string()};
    words.insert(words.end(), more.begin(), more.end());
    return initlab(words);
  }
  // A checkpoint of one small model with a classifier, and a spec that loads it.
  fs::path make_checkpoint() const {
    std::string text = kSpec;
    write(folder_ / "make.yaml", text + "keep: {weights: final}\n");
    const Said said = initlab({"run", (folder_ / "make.yaml").string(), "--results", (folder_ / "made").string()});
    EXPECT_EQ(said.code, 0) << said.err;
    for (const auto& entry : fs::recursive_directory_iterator(folder_ / "made"))
      if (entry.path().extension() == ".final") return entry.path();
    ADD_FAILURE() << "no weights were kept";
    return {};
  }
  fs::path loading_spec(const fs::path& checkpoint, const std::string& arms) const {
    std::string text = kSpec;
    const std::string model = "{layers: 1, hidden: 32, heads: 2, max_positions: 64, vocabulary: microworld}";
    text.replace(text.find(model), model.size(), "{checkpoint: \"" + checkpoint.string() + "\"}");
    const std::string arm = "  truncated: [{use: truncated_normal, stddev: 0.02}]\n";
    text.replace(text.find(arm), arm.size(), arms);
    write(folder_ / "load.yaml", text);
    return folder_ / "load.yaml";
  }
};

// A run in this process, with something between initialization and the first step. Returns its file.
fs::path execute(const fs::path& folder, const std::function<void(std::span<const float>)>& before_first_step) {
  write(folder / "spec.yaml", kSpec);
  init::Catalog catalog;
  for (const std::string& file : init::find_plugins({}, initlab::paths::binary_dir() + "/initlab")) catalog.load(file);
  sweep::Workshop workshop(catalog, folder / "results", {});
  const auto prepared = workshop.prepare(spec::read((folder / "spec.yaml").string(), {}, {}).plans.at(0));
  compute::set_threads(1);
  train::Hooks hooks;
  hooks.before_first_step = before_first_step;
  sweep::execute(*prepared, catalog, {.threads = 1, .command = "a test", .cores = {}}, hooks);
  return prepared->file;
}

TEST_F(AuditVerb, ARunThatNothingDisturbedIsClean) {
  const Said said = audit(execute(folder_, {}));
  EXPECT_EQ(said.code, 0) << said.out << said.err;
  EXPECT_NE(said.out.find("0 errors, 0 warnings"), std::string::npos) << said.out;
  EXPECT_NE(said.out.find("stream init/bert.pooler.dense.weight"), std::string::npos) << said.out;
}

TEST_F(AuditVerb, AWriteBetweenInitializationAndTheFirstStepIsFound) {
  const fs::path file = execute(folder_, [](std::span<const float> values) {
    const_cast<float&>(values[40]) = 0.5f;  // within the word embeddings
  });
  const Said said = audit(file);
  EXPECT_EQ(said.code, 1) << said.err;
  EXPECT_NE(said.out.find("error: bert.embeddings.word_embeddings.weight: its bits changed between initialization "
                          "(truncated_normal/1) and the first step\n1 errors, 0 warnings"),
            std::string::npos)
      << said.out;
  const Json json = base::parse_json(audit(file, {"--json"}).out, "audit");
  EXPECT_EQ(json["errors"], 1);
  EXPECT_EQ(json["arms"][0]["findings"][0]["severity"], "error");
  EXPECT_EQ(json["arms"][0]["findings"][0]["tensor"], "bert.embeddings.word_embeddings.weight");
  for (const Json& t : json["arms"][0]["tensors"])
    EXPECT_EQ(t["sha256"] == t["sha256_first_step"], t["name"] != "bert.embeddings.word_embeddings.weight");
}

TEST_F(AuditVerb, ASpecIsInitializedArmByArmAndNothingIsWritten) {
  const fs::path checkpoint = make_checkpoint();
  const fs::path spec = loading_spec(checkpoint,
                                     "  pretrained: [{use: pretrained}]\n"
                                     "  drawn: [{use: xavier_uniform}]\n"
                                     "  norms: [{use: normal, role: [norm_scale]}, {use: pretrained}]\n");
  const fs::path results = folder_ / "results";
  const Said said = audit(spec, {"--results", results.string()});
  EXPECT_EQ(said.code, 1) << said.err;
  EXPECT_FALSE(fs::exists(results));
  EXPECT_NE(said.out.find("error: bert.embeddings.LayerNorm.weight: a LayerNorm scale starts at 1; normal/1 drew it"),
            std::string::npos)
      << said.out;
  const Json json = base::parse_json(audit(spec, {"--json"}).out, "audit");
  ASSERT_EQ(json["arms"].size(), 3u);
  for (const Json& arm : json["arms"]) {
    std::size_t copied = 0, errors = 0;
    for (const Json& t : arm["tensors"])
      copied += !t["source_sha256"].get<std::string>().empty() && t["source_sha256"] == t["sha256"] ? 1 : 0;
    for (const Json& f : arm["findings"]) errors += f["severity"] == "error" ? 1 : 0;
    EXPECT_EQ(copied, arm["arm"] == "pretrained" ? 23u : arm["arm"] == "drawn" ? 0u : 20u) << arm["arm"];
    EXPECT_EQ(errors, arm["arm"] == "norms" ? 3u : 0u) << arm["findings"];
  }
  const Said words = audit(spec, {"--explain"});
  EXPECT_NE(words.out.find("Are my pre-trained weights being initialized?\n  No: all 23 encoder tensors are the "
                           "checkpoint's, bit for bit"),
            std::string::npos)
      << words.out;
  EXPECT_NE(words.out.find("Only the head is new: "), std::string::npos);
  EXPECT_NE(words.out.find("Yes: none of the 23 encoder tensors has a value from the checkpoint"), std::string::npos);
  // The run's own file says the same, and that nothing was written in between.
  ASSERT_EQ(initlab({"run", spec.string(), "--results", results.string()}).code, 0);
  for (const fs::path& file : run_files(results)) {
    const Said run = audit(file, {"--explain"});
    EXPECT_EQ(run.code, file.string().find("norms") != std::string::npos ? 1 : 0) << run.out;
    EXPECT_NE(run.out.find("Nothing was written in between"), std::string::npos) << run.out;
  }
}

TEST_F(AuditVerb, AWrongKeyInTheCheckpointIsFound) {
  const fs::path checkpoint = make_checkpoint();
  std::string bytes = base::read_file(checkpoint / "model.safetensors");
  const std::string key = "bert.encoder.layer.0.attention.self.query.weight";
  bytes.replace(bytes.find("\"" + key + "\"") + 1, key.size(), "bert.encoder.layer.0.attention.self.quary.weight");
  base::write_file(checkpoint / "model.safetensors", bytes);
  const Said refused = audit(loading_spec(checkpoint, "  pretrained: [{use: pretrained}]\n"));
  EXPECT_EQ(refused.code, 2) << "without `missing` such a checkpoint is refused";
  EXPECT_NE(refused.err.find("tensor " + key + ": expected a tensor of that name"), std::string::npos) << refused.err;
  const Said said = audit(loading_spec(checkpoint, "  pretrained: [{use: pretrained, missing: bert_default}]\n"));
  EXPECT_EQ(said.code, 1) << said.err;
  EXPECT_NE(said.out.find("error: " + key +
                          ": the checkpoint has no such tensor: bert_default/1 filled it; but nothing "
                          "read \"bert.encoder.layer.0.attention.self.quary.weight\""),
            std::string::npos)
      << said.out;
}

TEST_F(AuditVerb, BadInputIsRefused) {
  EXPECT_EQ(audit(folder_ / "absent.h5").code, 2);
  write(folder_ / "text.h5", "no run");
  EXPECT_EQ(audit(folder_ / "text.h5").code, 2);
  EXPECT_EQ(audit(folder_ / "absent.yaml").code, 2);
  EXPECT_EQ(initlab({"audit"}).code, 2);
}

class SelftestVerb : public ProgramTest {};

TEST_F(SelftestVerb, EveryFactHoldsForWhatIsShipped) {
  const auto start = std::chrono::steady_clock::now();
  const Said said = initlab({"selftest"});
  EXPECT_EQ(said.code, 0) << said.out << said.err;
  EXPECT_EQ(said.out.find("FAILED"), std::string::npos) << said.out;
  EXPECT_GE(std::ranges::count(said.out, '\n'), 16) << said.out;
  for (const char* fact : {"ln C", "ln V", "only classifier.bias has a gradient", "stay equal in training",
                           "truncated_normal in units", "bound of xavier_uniform", "top 0 layers again is pretrained"})
    EXPECT_NE(said.out.find(fact), std::string::npos) << fact;
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
}

TEST_F(SelftestVerb, AWrongPluginBesideTheProgramIsNamed) {
  fs::copy_file(program(), folder_ / "initlab");
  fs::create_directories(folder_ / "plugins");
  for (const auto& entry : fs::directory_iterator(fs::path(initlab::paths::binary_dir()) / "plugins"))
    if (entry.path().extension() == ".so" && entry.path().filename() != "normal.so")
      fs::create_symlink(entry.path(), folder_ / "plugins" / entry.path().filename());
  fs::copy_file(fs::path(INITLAB_BROKEN) / "wrong_normal.so", folder_ / "plugins" / "normal.so");
  const Said said = command({(folder_ / "initlab").string(), "selftest"});
  EXPECT_EQ(said.code, 1) << said.out << said.err;
  EXPECT_NE(said.out.find("FAILED  standard deviation of truncated_normal in units of the nominal one: 1.00"),
            std::string::npos)
      << said.out;
  const std::size_t failed = said.out.find("FAILED");
  EXPECT_EQ(said.out.find("FAILED", failed + 1), std::string::npos) << "only that is wrong\n" << said.out;
}

class PluginsCheck : public ProgramTest {
 protected:
  Said check(const std::string& fault, const std::string& seconds = "60", const std::string& memory = "2048") const {
    return initlab({"plugins", "--check", (fs::path(INITLAB_BROKEN) / ("check_" + fault + ".so")).string(), "--seconds",
                    seconds, "--memory", memory});
  }
};

TEST_F(PluginsCheck, OursKeepTheirPromises) {
  for (const char* name : {"pretrained", "xavier"}) {
    const std::string file = initlab::paths::binary_dir() + "/plugins/" + name + ".so";
    const Said said = initlab({"plugins", "--check", file, "--json"});
    EXPECT_EQ(said.code, 0) << said.out << said.err;
    const Json verdict = base::parse_json(said.out, "check");
    EXPECT_EQ(verdict["ok"], true);
    EXPECT_GT(verdict["strategies_checked"], 0);
  }
  const std::string constant = initlab::paths::binary_dir() + "/plugins/constant.so";
  EXPECT_EQ(initlab({"plugins", "--check", constant, "--with", "constant:value=0.5"}).code, 0);
  EXPECT_EQ(initlab({"plugins", "--check", constant, "--with", "constant"}).code, 2);
  EXPECT_EQ(check("nothing").code, 0) << check("nothing").out;
}

TEST_F(PluginsCheck, OneThatCrashesIsNamedAndTheHostLives) {
  const Said said = check("crash");
  EXPECT_EQ(said.code, 1) << said.err;
  EXPECT_NE(said.out.find("check_crash.so: strategy broken/1: crashed (Segmentation fault)"), std::string::npos)
      << said.out;
  const Said loading = check("crashes_when_loaded");
  EXPECT_EQ(loading.code, 1);
  EXPECT_NE(loading.out.find("loading: crashed (Aborted)"), std::string::npos) << loading.out;
}

TEST_F(PluginsCheck, OneThatNeverReturnsIsStopped) {
  const auto start = std::chrono::steady_clock::now();
  const Said said = check("never_returns", "1.5");
  EXPECT_EQ(said.code, 1) << said.err;
  EXPECT_NE(said.out.find("strategy broken/1: did not return within 1.5 s"), std::string::npos) << said.out;
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(15));
}

TEST_F(PluginsCheck, OneThatTakesMemoryWithoutEndIsStopped) {
  for (const char* fault : {"takes_all_memory", "reserves_all_memory"}) {
    const Said said = check(fault, "60", "512");
    EXPECT_EQ(said.code, 1) << said.err;
    EXPECT_NE(said.out.find("strategy broken/1: took more than 512 MiB of memory"), std::string::npos) << said.out;
  }
  EXPECT_EQ(check("nothing", "60", "512").code, 0) << "what a check needs is less";
  EXPECT_EQ(check("nothing", "60", "1").code, 2);
}

TEST_F(PluginsCheck, OneThatEndsTheProcessIsNamed) {
  const Said said = check("ends_the_process");
  EXPECT_EQ(said.code, 1);
  EXPECT_NE(said.out.find("strategy broken/1: ended the process with code 0"), std::string::npos) << said.out;
}

TEST_F(PluginsCheck, LiesAreFound) {
  Said said = check("lies_about_its_size");
  EXPECT_EQ(said.code, 1);
  EXPECT_NE(said.out.find("strategy 0: expected a size of at least"), std::string::npos) << said.out;
  said = check("writes_beyond");
  EXPECT_EQ(said.code, 1);
  EXPECT_NE(said.out.find("expected nothing written outside the buffer"), std::string::npos) << said.out;
  said = check("writes_less");
  EXPECT_EQ(said.code, 1);
  EXPECT_NE(said.out.find("expected finite values"), std::string::npos) << said.out;
}

TEST_F(PluginsCheck, WhatIsNoPluginIsSaid) {
  write(folder_ / "text.so", "no library");
  const Said said = initlab({"plugins", "--check", (folder_ / "text.so").string()});
  EXPECT_EQ(said.code, 1);
  EXPECT_NE(said.out.find("expected a shared library that can be opened"), std::string::npos) << said.out;
  EXPECT_EQ(initlab({"plugins", "--check", (folder_ / "absent.so").string()}).code, 2);
}

}  // namespace
}  // namespace initlab::integration
