// Made-up runs for the tests of compare/ and report/.
#pragma once

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "record/record.hpp"

namespace initlab::testing {

// A finished run of task "sentiment" with the metrics accuracy and f1; accuracy by step as given, f1 = accuracy / 2,
// loss = 1 - accuracy.
inline record::Run run(const std::string& arm, std::int64_t replicate,
                       std::initializer_list<std::pair<std::int64_t, double>> accuracy,
                       const std::string& settings = "{}") {
  record::Run run;
  record::RunHeader& header = run.header;
  header.run_id = arm + settings + std::to_string(replicate);
  run.file = "results/" + arm + (settings == "{}" ? "" : settings) + "-" + std::to_string(replicate) + ".h5";
  header.experiment = "why";
  header.arm = arm;
  header.replicate = replicate;
  header.settings = settings;
  header.plan = "{}";
  header.started = "2025-01-01T00:00:00Z";
  header.build = "0.1.0";
  header.cpu = "cpu";
  header.data_sha256 = "d1";
  header.metric = "accuracy";
  header.better = "higher";
  header.threshold = 0.8;
  header.at = "last";
  header.baseline = "pretrained";
  header.task = "sentiment";
  header.metric_names = {"accuracy", "f1"};
  header.constant_class = {0.5, 0.0};
  header.outputs = 2;
  run.state = record::State::finished;
  for (const auto& [step, value] : accuracy)
    run.evals.push_back({.step = step,
                         .loss = 1 - value,
                         .metrics = {value, value / 2},
                         .degenerate = false,
                         .predictions = {},
                         .seconds = 0});
  return run;
}

// 8 replicates of "pretrained" (high, reaches 0.8 at step 10 or 20) and of "zero" (constant class, degenerate).
inline std::vector<record::Run> eight_pairs() {
  std::vector<record::Run> runs;
  for (std::int64_t r = 0; r < 8; ++r) {
    const double up = 0.01 * static_cast<double>(r);
    runs.push_back(run("pretrained", r, {{0, 0.5}, {10, r < 5 ? 0.85 : 0.7}, {20, 0.9 + up}}));
    runs.push_back(run("zero", r, {{0, 0.5}, {10, 0.5}, {20, 0.5}}));
    for (record::EvalRecord& eval : runs.back().evals) eval.degenerate = true;
  }
  return runs;
}

}  // namespace initlab::testing
