// `initlab bench`: its numbers fit together, what it times is what `run` trains, and the batches file is that of the
// timed steps.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/json.hpp"
#include "integration/program.hpp"

namespace initlab::integration {
namespace {

using base::Json;
using Words = std::vector<std::string>;

class Bench : public ProgramTest {
 protected:
  Said bench(Words words) {
    words.insert(words.begin(), "bench");
    return initlab(words);
  }
  Json json_of(Words words) {
    words.emplace_back("--json");
    const Said said = bench(words);
    EXPECT_EQ(said.code, 0) << said.err;
    return base::parse_json(said.out, "bench");
  }
  Json batches_of(Words words) {
    const fs::path file = folder_ / "batches.json";
    words.insert(words.end(), {"--batches", file.string()});
    const Said said = bench(words);
    EXPECT_EQ(said.code, 0) << said.err;
    EXPECT_EQ(said.out, "");
    return base::parse_json(slurp(file), "batches");
  }
};

// Two sequences of 16 random ids through the tiny shape: no data, a few milliseconds.
const Words kSmall = {"tiny_128", "--set", "training.batch=2", "--set", "training.max_length=16", "--threads", "1"};

Words with(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

TEST_F(Bench, NumbersFitTogether) {
  const Json r = json_of(with(kSmall, {"--steps", "8", "--warmup", "4"}));
  EXPECT_EQ(r["workload"], "tiny_128");
  EXPECT_EQ(r["precision"], "f32");
  EXPECT_EQ(r["threads"], 1);
  EXPECT_EQ(r["steps"], 8);
  EXPECT_EQ(r["warmup"], 4);
  EXPECT_EQ(r["tokens_per_step"], 32.0);
  EXPECT_FALSE(r["cpu"].get<std::string>().empty());

  const auto steps = r["steps_ms"].get<std::vector<double>>();
  ASSERT_EQ(steps.size(), 8u);
  const double seconds = std::accumulate(steps.begin(), steps.end(), 0.0) / 1e3;
  EXPECT_NEAR(r["tokens_per_s"].get<double>() * seconds, 8 * 32, 1e-6);
  EXPECT_NEAR(r["sequences_per_s"].get<double>() * seconds, 8 * 2, 1e-6);
  const Json& ms = r["step_ms"];
  EXPECT_LE(ms["p10"].get<double>(), ms["median"].get<double>());
  EXPECT_LE(ms["median"].get<double>(), ms["p90"].get<double>());
  EXPECT_LE(ms["p90"].get<double>(), *std::max_element(steps.begin(), steps.end()));

  EXPECT_GT(r["matmul_gflops"].get<double>(), 0);
  std::vector<double> sorted = steps;  // all steps need the same operations: the median rate is of the middle two
  std::ranges::sort(sorted);
  const double rate = 1e3 * r["gflop_per_step"].get<double>() * (1 / sorted[3] + 1 / sorted[4]) / 2;
  EXPECT_NEAR(r["share_of_matmul"].get<double>() * r["matmul_gflops"].get<double>(), rate, 1e-9 * rate);
  double phases = 0;
  for (const auto& [name, phase] : r["phases_ms"].items()) {
    EXPECT_GE(phase.get<double>(), name == "other" ? -1e-6 : 0) << name;
    phases += phase.get<double>();
  }
  EXPECT_NEAR(phases * 8, 1e3 * seconds, 1e-6);
  EXPECT_GT(r["phases_ms"]["data"].get<double>(), 0);
  EXPECT_GT(r["phases_ms"]["optimizer"].get<double>(), 0);

  EXPECT_GT(r["peak_rss_mib"].get<double>(), 4.0 * 4 * r["parameters"].get<double>() / (1 << 20));
  if (!r["allocations_per_step"].is_null()) {
    EXPECT_EQ(r["allocations_per_step"], 0.0);
  }
  EXPECT_GE(r["page_faults_per_step"].get<double>(), 0);
  ASSERT_EQ(r["losses"].size(), 8u);
  for (const Json& loss : r["losses"]) EXPECT_TRUE(std::isfinite(loss.get<double>()));
}

TEST_F(Bench, TimesWhatRunTrains) {
  const fs::path spec = folder_ / "spec.yaml";
  write(spec, R"(experiment: timed
model: {layers: 1, hidden: 32, heads: 2, max_positions: 64, vocabulary: microworld}
task: {name: mlm, data: microworld, tokens: 4000}
training: {steps: 5, batch: 4, max_length: 64, schedule: {name: constant}}
arms: {truncated: [{use: truncated_normal}]}
seeds: {replicates: 1}
)");
  const Said run = initlab({"run", spec.string(), "--results", (folder_ / "results").string(), "--threads", "1"});
  ASSERT_EQ(run.code, 0) << run.err;
  const Said show = initlab({"show", run_files(folder_ / "results").at(0).string(), "--json"});
  ASSERT_EQ(show.code, 0) << show.err;
  const Json trained = base::parse_json(show.out, "show")["train"];
  const Json timed = json_of({spec.string(), "--steps", "3", "--warmup", "2", "--threads", "1"});
  EXPECT_EQ(timed["workload"], "timed");
  ASSERT_EQ(trained.size(), 5u);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(timed["losses"][i], trained[i + 2]["loss"]) << i;
}

TEST_F(Bench, BatchesAreThoseOfTheTimedSteps) {
  const Json late = batches_of(with(kSmall, {"--steps", "2", "--warmup", "1"}));
  const Json all = batches_of(with(kSmall, {"--steps", "3", "--warmup", "0"}));
  EXPECT_EQ(late["workload"], "tiny_128");
  EXPECT_EQ(late["head"], "classifier");
  EXPECT_EQ(late["num_labels"], 2);
  EXPECT_TRUE(late["checkpoint"].is_null());
  EXPECT_EQ(late["model"]["hidden"], 128);
  EXPECT_EQ(late["training"]["batch"], 2);
  EXPECT_EQ(late["training"]["dropout"], 0.1);
  ASSERT_EQ(late["batches"].size(), 2u);
  EXPECT_EQ(late["batches"][0], all["batches"][1]);
  EXPECT_EQ(late["batches"][1], all["batches"][2]);
  EXPECT_NE(late["batches"][0], late["batches"][1]);
  for (const Json& batch : late["batches"]) {
    ASSERT_EQ(batch["ids"].size(), 2u);
    ASSERT_EQ(batch["labels"].size(), 2u);
    for (std::size_t b = 0; b < 2; ++b) {
      ASSERT_EQ(batch["ids"][b].size(), 16u);
      EXPECT_EQ(batch["types"][b].size(), 16u);
      for (const Json& id : batch["ids"][b]) {
        EXPECT_GE(id.get<int>(), 0);
        EXPECT_LT(id.get<int>(), late["model"]["vocabulary"].get<int>());
      }
    }
  }
}

TEST_F(Bench, MaskedBatchesHavePositionsAndOriginalIds) {
  const Json file = batches_of(with(kSmall, {"--set", "task.name=mlm", "--steps", "20"}));
  EXPECT_EQ(file["head"], "mlm");
  int masked = 0, predicted = 0;
  for (const Json& batch : file["batches"]) {
    EXPECT_FALSE(batch.contains("labels"));
    for (std::size_t b = 0; b < 2; ++b) {
      const Json &positions = batch["masked"][b], &labels = batch["masked_labels"][b];
      ASSERT_EQ(positions.size(), labels.size());
      ASSERT_GE(positions.size(), 1u);
      for (std::size_t i = 0; i < positions.size(); ++i) {
        const auto position = positions[i].get<std::size_t>();
        ASSERT_GE(position, 1u);   // [CLS]
        ASSERT_LT(position, 15u);  // [SEP]
        EXPECT_NE(labels[i], 103);
        masked += batch["ids"][b][position] == 103 ? 1 : 0;
        ++predicted;
      }
    }
  }
  EXPECT_NEAR(masked, 0.8 * predicted, 5 * std::sqrt(0.8 * 0.2 * predicted));
}

TEST_F(Bench, RegressionHasTargets) {
  const Json file = batches_of(with(kSmall, {"--set", "task.name=stsb", "--steps", "1"}));
  EXPECT_EQ(file["head"], "regressor");
  EXPECT_EQ(file["num_labels"], 1);
  for (const Json& label : file["batches"][0]["labels"]) EXPECT_TRUE(label.is_number());
}

TEST_F(Bench, MeasuresSeveralAndSaysWhatItLeavesOut) {
  const Said said =
      bench(with(kSmall, {"nothing_of_that_name", "mini_128", "--steps", "1", "--warmup", "0", "--json"}));
  ASSERT_EQ(said.code, 0) << said.err;
  const Json results = base::parse_json(said.out, "bench")["workloads"];
  ASSERT_EQ(results.size(), 2u);
  EXPECT_EQ(results[0]["workload"], "tiny_128");
  EXPECT_EQ(results[1]["workload"], "mini_128");
  EXPECT_NE(said.err.find("nothing_of_that_name: left out: "), std::string::npos) << said.err;
}

TEST_F(Bench, ListsWhatItKnows) {
  const Said said = bench({"--list"});
  EXPECT_EQ(said.code, 0);
  for (const char* name : {"minilm_cola", "minilm_mrpc", "tiny_sst2", "mini_sst2", "mini_mlm", "base"})
    EXPECT_NE(said.out.find(std::string("\n") + name + " "), std::string::npos) << said.out;
}

TEST_F(Bench, RefusesWrongInput) {
  const auto complaint = [this](const Words& words) {
    const Said said = bench(words);
    EXPECT_EQ(said.code, 2) << said.out;
    return said.err;
  };
  EXPECT_NE(complaint({"minilm_colla"})
                .find("expected a workload or a spec, got \"minilm_colla\"\n"
                      "  hint: did you mean \"minilm_cola\"?"),
            std::string::npos);
  EXPECT_NE(complaint({"tiny_128", "--steps", "0"}).find("--steps: expected an integer from 1 to 1000000, got 0"),
            std::string::npos);
  EXPECT_NE(complaint({"tiny_128", "--set", "training.bach=2"}).find("bach"), std::string::npos);
  EXPECT_NE(complaint({"tiny_128", "--set", "training.max_length=513"}).find("at most the model's 512 positions"),
            std::string::npos);
  EXPECT_NE(complaint({"tiny_128", "mini_128", "--batches", "x"}).find("--batches: expected one workload or spec"),
            std::string::npos);
}

}  // namespace
}  // namespace initlab::integration
