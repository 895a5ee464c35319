// A run to write: every field of every record is set, and each to something else. Values are functions of the step, so
// that a reader can tell whether a row is the right one.
#pragma once

#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "log/run_file.hpp"

namespace initlab::log {

inline record::RunHeader sample_header() {
  record::RunHeader h;
  h.run_id = std::string(64, 'a');
  h.experiment = "größe";  // two letters of two bytes
  h.arm = "乱数";
  h.replicate = 3;
  h.settings = R"({"training.batch": 32})";
  h.command = "initlab run 'a b.yaml' --set x=\"y\"";
  h.spec = "experiment: größe\narms:\n  乱数: [{use: zero}]\n";
  h.role = "tuning";
  h.tuning = R"({"learning_rate": 0.001})";
  h.plan = R"({"model": {"layers": 2}})";
  h.checkpoint = "models/minilm";
  h.checkpoint_sha256 = std::string(64, 'b');
  h.checkpoint_run = std::string(64, 'c');
  h.checkpoint_replicate = 3;
  h.checkpoint_unused = {{"bert.pooler.dense.bias", "bert.pooler.dense.bias"}, {"cls.seq_relationship.bias", ""}};
  h.data_sha256 = std::string(64, 'd');
  h.build = "initlab 0.1.0, g++ 12.2, Release";
  h.cpu = "some CPU: avx2 fma";
  h.threads = 2;
  h.cores = "0,2";
  h.libraries = R"({"hdf5": "1.10.8"})";
  h.started = "2025-01-02T03:04:05Z";
  h.plugins = {{"builtin", "0.1.0", "plugins/libbuiltin.so", std::string(64, 'e')},
               {"mine", "7", "mine.so", std::string(64, 'f')}};
  h.metric = "f1";
  h.better = "higher";
  h.threshold = 0.85;
  h.at = "best";
  h.baseline = "pretrained";
  h.gain_from = "random";
  h.gain_to = "pretrained";
  h.design = R"({"claims":[{"better":"pretrained","than":"random"}]})";
  h.task = "mrpc";
  h.metric_names = {"accuracy", "f1"};
  h.constant_class = {0.684, 0.812};
  h.labels = {1, 0, 1, 1, 0};
  h.outputs = 2;
  h.batch = 4;
  return h;
}

// A language model's run: nothing to classify, no checkpoint, no plugins, no comparison threshold.
inline record::RunHeader sample_mlm_header() {
  record::RunHeader h;
  h.run_id = std::string(64, '0');
  h.experiment = "pretrain";
  h.arm = "only";
  h.metric = "loss";
  h.metric_names = {"loss"};
  h.constant_class = {std::log(377.0)};
  return h;
}

inline std::vector<record::InitRecord> sample_init() {
  return {{"bert.embeddings.word_embeddings.weight",
           "embedding",
           {377, 128},
           "- {use: zero}  # a.yaml:3:5",
           "zero/1",
           "{}",
           "",
           "",
           0,
           0,
           0,
           0,
           std::string(64, '1')},
          {"bert.pooler.dense.bias",
           "bias",
           {128},
           "default",
           "pretrained/1",
           R"({"missing": null})",
           "model.safetensors",
           "pooler.dense.bias",
           1e-3,
           0.02,
           -0.04,
           0.040000000000000001,
           std::string(64, '2'),
           "größe.yaml:3:5",
           "init/bert.pooler.dense.bias",
           0.125,
           0.25,
           0.5,
           96.5,
           std::string(64, '3'),
           std::string(64, '4'),
           3,
           0.99},
          {"scalar", "bias", {}, "", "", "", "", "", -1, 2, -3, 4, ""}};
}

inline record::StepRecord sample_step(std::int64_t step) {
  const auto x = static_cast<double>(step);
  return {step, std::log(x), 1e-3 / x, std::sqrt(x), 7 * step, 0.01 * x, 1, {step, 2 * step, 3 * step, -1}};
}

inline record::EvalRecord sample_eval(std::int64_t step) {
  const auto x = static_cast<double>(step);
  record::EvalRecord e{step, 1 / (x + 1), {x, -x}, step % 2 == 0, {}, 0.1};
  for (int i = 0; i < 10; ++i) e.predictions.push_back(static_cast<float>(step) + 0.25F * static_cast<float>(i));
  return e;
}

// Three parts and two layers.
inline record::Diagnosis sample_diagnosis(std::int64_t step) {
  const auto x = static_cast<double>(step);
  record::Diagnosis d;
  for (std::int64_t part = 0; part < 3; ++part)
    d.parts.push_back({step, part, part - 1, x + 1, x + 2, x + 3, x + 4, x + 5, x + 6, x + 7, x + 8});
  for (std::int64_t layer = -1; layer < 1; ++layer)
    d.layers.push_back({step, layer, x + 0.1, x + 0.2, x + 0.3, x + 0.4, x + 0.5, x + 0.6, x + 0.7});
  return d;
}

// A folder of its own for a test, removed with it.
class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "initlab-log-XXXXXX").string();
    if (::mkdtemp(name.data()) != nullptr) path_ = name;
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  std::size_t files() const {
    std::size_t n = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(path_)) ++n;
    return n;
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline std::string bytes_of(const std::filesystem::path& path) {
  std::ostringstream bytes;
  bytes << std::ifstream(path, std::ios::binary).rdbuf();
  return bytes.str();
}

// A finished run with `steps` steps and an evaluation after each tenth.
inline void write_sample(const std::filesystem::path& path, std::int64_t steps, double slowness = 1,
                         const std::string& started = "now") {
  record::RunHeader header = sample_header();
  header.started = started;
  RunWriter writer(path);
  writer.begin(header, sample_init());
  writer.diagnose(sample_diagnosis(0));
  for (std::int64_t i = 1; i <= steps; ++i) {
    record::StepRecord step = sample_step(i);
    step.seconds *= slowness;
    writer.step(step);
    if (i % 10 != 0) continue;
    record::EvalRecord eval = sample_eval(i);
    eval.seconds *= slowness;
    writer.eval(eval);
  }
  writer.finish(record::State::finished, "");
}

struct Answer {
  int status = -1;
  std::string text;  // standard output and error
};

// Runs a shell command.
inline Answer shell(const std::string& command) {
  Answer answer;
  FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return answer;
  char buffer[4096];
  while (const std::size_t n = std::fread(buffer, 1, sizeof buffer, pipe)) answer.text.append(buffer, n);
  const int status = ::pclose(pipe);
  answer.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return answer;
}

// The Python that runs h5py: INITLAB_PYTHON, or the system's.
inline std::string python() {
  const char* named = std::getenv("INITLAB_PYTHON");
  return named != nullptr && *named != '\0' ? named : "/usr/bin/python3";
}
inline bool has_h5py() { return shell(python() + " -c 'import h5py'").status == 0; }

}  // namespace initlab::log
