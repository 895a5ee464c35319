// Run files of a made-up experiment, for the tests and the benchmark of `initlab report`: grid, gain, tuning,
// diagnostics, tensors, failed runs, and on request names that try to break out of where they stand.
//   generate_runs FOLDER RUNS STEPS [--hostile]
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "base/text.hpp"
#include "log/run_file.hpp"

namespace {

using namespace initlab;

constexpr std::int64_t kReplicates = 8;

struct Arm {
  std::string name;
  double reached;   // the metric at the end
  double slowness;  // steps, as a share of all, until half of it
};

std::vector<Arm> arms(bool hostile) {
  std::vector<Arm> all = {
      {"pretrained", 0.9, 0.05}, {"random", 0.55, 0.5}, {"shuffled", 0.62, 0.4}, {"embeddings_only", 0.8, 0.2}};
  if (hostile) {
    all[2].name = "<img src=x onerror=\"document.title='broken'\"></script><script>document.title='broken'</script>";
    all[3].name = "'`touch broken`\" %s {{js}} \xe2\x80\xaeturned & --> ]]> \\";
  }
  return all;
}

// Normal deviates that depend on the run and the place alone.
double noise(std::uint64_t run, std::uint64_t place) { return base::Stream(run, "noise").normal(place); }

record::RunHeader header_of(const Arm& arm, std::int64_t replicate, std::int64_t train_size, std::uint64_t seed,
                            bool hostile) {
  record::RunHeader h;
  h.run_id = std::string(48, 'a') + std::to_string(1'000'000'000'000'000 + seed);
  h.experiment = "generated";
  h.arm = arm.name;
  h.replicate = replicate;
  h.settings = "{\"task.train_size\": " + std::to_string(train_size) + "}";
  h.command = "initlab run generated.yaml";
  h.spec = "experiment: generated\n";
  if (hostile) h.spec += "# </pre><script>document.title='broken'</script>\n";
  h.plan = "{\"train_size\": " + std::to_string(train_size) + "}";
  h.data_sha256 = std::string(64, 'd');
  h.build = "initlab";
  h.cpu = "some CPU";
  h.libraries = "{}";
  h.started = "2025-01-01T00:00:00Z";
  h.metric = "accuracy";
  h.better = "higher";
  h.threshold = 0.6;
  h.at = "last";
  h.baseline = "pretrained";
  h.gain_from = "random";
  h.gain_to = "pretrained";
  h.task = "sentiment";
  h.metric_names = {"accuracy"};
  h.constant_class = {0.5};
  h.labels = {0, 1};
  h.outputs = 0;
  h.tuning =
      R"({"learning_rate": 0.001, "metric": "accuracy", "better": "higher", "share": 0.2, "trials": [
          {"learning_rate": 0.0001, "values": [0.6, 0.62], "mean": 0.61},
          {"learning_rate": 0.001, "values": [0.7, 0.74], "mean": 0.72},
          {"learning_rate": 0.01, "values": [null, 0.5], "mean": null}]})";
  return h;
}

std::vector<record::InitRecord> tensors(const Arm& arm) {
  std::vector<record::InitRecord> all;
  for (int layer = 0; layer < 6; ++layer)
    for (const char* name : {"attention.self.query", "attention.self.key", "attention.self.value",
                             "attention.output.dense", "intermediate.dense", "output.dense"}) {
      record::InitRecord t;
      t.name = "bert.encoder.layer." + std::to_string(layer) + "." + name + ".weight";
      t.role = "matrix";
      t.shape = {384, 384};
      t.rule = "- {use: truncated_normal}  # generated.yaml:3:5";
      t.strategy = "truncated_normal/1";
      t.options = R"({"stddev": 0.02})";
      t.stddev = 0.02;
      t.min = -0.04;
      t.max = 0.04;
      t.sha256 = t.sha256_first_step = std::string(64, static_cast<char>('a' + arm.name.size() % 6));
      t.requested_mean = 0;
      t.requested_stddev = 0.02;
      t.zeros = 0;
      all.push_back(t);
    }
  return all;
}

record::Diagnosis diagnosis(std::int64_t step, std::int64_t steps, std::uint64_t seed) {
  record::Diagnosis d;
  const double way = static_cast<double>(step) / static_cast<double>(steps);
  for (std::int64_t layer = 0; layer < 6; ++layer)
    for (const std::int64_t part : {1, 2, 3}) {
      record::PartDiagnosis p;
      p.step = step;
      p.part = part;
      p.layer = layer;
      p.weight_norm = 10;
      p.cosine_initial = 1 - 0.2 * way * static_cast<double>(layer + 1) / 6;
      if (step > 0) {
        p.grad_norm = std::pow(10, -static_cast<double>(layer) / 2) * (1 + 0.05 * noise(seed, 7));
        p.update_norm = 0.01 * (1 - way);
      }
      d.parts.push_back(p);
    }
  for (std::int64_t layer = -1; layer < 6; ++layer)
    d.layers.push_back({step, layer, 0, 1 + 0.1 * static_cast<double>(layer), 0.3, 0.4,
                        0.1 * static_cast<double>(layer + 1), 2, 0.9 - 0.05 * static_cast<double>(layer)});
  return d;
}

void write(const std::filesystem::path& file, const Arm& arm, std::int64_t replicate, std::int64_t train_size,
           std::uint64_t seed, std::int64_t steps, bool hostile) {
  log::RunWriter writer(file);
  writer.begin(header_of(arm, replicate, train_size, seed, hostile), tensors(arm));
  writer.diagnose(diagnosis(0, steps, seed));
  const bool fails = arm.name == "random" && replicate == 3;
  const std::int64_t last = fails ? steps / 2 : steps;
  const std::int64_t every = std::max<std::int64_t>(1, steps / 100);
  const base::Stream draws(seed, "losses");
  const double size_bonus = 0.05 * std::log2(static_cast<double>(train_size) / 100);
  for (std::int64_t step = 1; step <= last; ++step) {
    const double x = static_cast<double>(step) / static_cast<double>(steps);
    const double way = x / (x + arm.slowness);
    const double loss = 0.7 - 0.5 * arm.reached * way + 0.03 * draws.normal(static_cast<std::uint64_t>(step));
    writer.step({step,
                 fails && step == last ? std::nan("") : loss,
                 1e-3 * (1 - x),
                 1 + 0.2 * draws.uniform(static_cast<std::uint64_t>(step)),
                 512,
                 0.01,
                 1,
                 {}});
    if ((step & (step - 1)) == 0 || step == steps) writer.diagnose(diagnosis(step, steps, seed));
    if (step % every != 0) continue;
    const double accuracy = 0.5 + (arm.reached + size_bonus - 0.5) * way * (1 + arm.slowness) +
                            0.015 * noise(static_cast<std::uint64_t>(replicate), 5) + 0.008 * noise(seed, 6);
    writer.eval({step, loss, {std::min(1.0, accuracy)}, false, {}, 0.1});
  }
  writer.finish(fails ? record::State::failed : record::State::finished,
                !fails    ? ""
                : hostile ? "<script>document.title='broken'</script> the loss is not a number"
                          : "the loss is not a number");
}

}  // namespace

int main(int argc, char** argv) {
  const auto runs = argc > 3 ? base::to_integer(argv[2]) : std::nullopt;
  const auto steps = argc > 3 ? base::to_integer(argv[3]) : std::nullopt;
  if (!runs || !steps || *runs < 1 || *steps < 2) {
    std::cerr << "usage: generate_runs FOLDER RUNS STEPS [--hostile]\n";
    return 2;
  }
  const bool hostile = argc > 4 && std::string(argv[4]) == "--hostile";
  const std::vector<Arm> all = arms(hostile);
  const std::filesystem::path folder = argv[1];
  std::filesystem::create_directories(folder);
  // Replicates vary fastest, then arms, then train sizes: 8 x 4 runs a grid point.
  for (std::int64_t i = 0; i < *runs; ++i) {
    const std::int64_t cell = i / kReplicates;
    const auto arm = static_cast<std::size_t>(cell) % all.size();
    const std::int64_t size = 100 * (1 + cell / static_cast<std::int64_t>(all.size()));
    write(folder / ("run-" + std::to_string(1'000'000 + i) + ".h5"), all[arm], i % kReplicates, size,
          static_cast<std::uint64_t>(i), *steps, hostile);
  }
  return 0;
}
