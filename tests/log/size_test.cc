// What logging costs: file size and writing time of a run of 10,000 steps. docs/RUN_FILE.md states the figures.
#include <gtest/gtest.h>

#include <bit>
#include <chrono>
#include <iostream>
#include <random>

#include "sample.hpp"

namespace initlab::log {
namespace {

// Of 6 layers: 21 parts and layers, 7 activations.
record::Diagnosis minilm_diagnosis(std::int64_t step) {
  record::Diagnosis d;
  for (int i = 0; i < 7; ++i) {
    const record::Diagnosis some = sample_diagnosis(step);
    d.parts.insert(d.parts.end(), some.parts.begin(), some.parts.end());
    d.layers.push_back(some.layers[0]);
  }
  return d;
}

TEST(Cost, TenThousandSteps) {
  const Folder folder;
  record::RunHeader header = sample_header();
  header.batch = 32;
  header.labels.assign(408, 1);                                 // MRPC's development split
  std::vector<record::InitRecord> init(105, sample_init()[1]);  // MiniLM-L6's tensors
  std::mt19937_64 random(1);
  std::vector<record::StepRecord> steps;
  for (int i = 1; i <= 10'000; ++i) {
    record::StepRecord step = sample_step(i);
    step.loss = std::generate_canonical<double, 53>(random);
    step.examples.resize(32);
    for (auto& row : step.examples) row = static_cast<std::int64_t>(random() % 3668);
    steps.push_back(step);
  }
  const auto begin = std::chrono::steady_clock::now();
  RunWriter writer(folder / "run.h5");
  writer.begin(header, init);
  for (int i = 1; i <= 10'000; ++i) {
    writer.step(steps[static_cast<std::size_t>(i - 1)]);
    if (std::has_single_bit(static_cast<unsigned>(i)) || i == 10'000) writer.diagnose(minilm_diagnosis(i));
    if (i % 100 == 0) {
      record::EvalRecord eval = sample_eval(i);
      eval.predictions.clear();
      writer.eval(eval);
    }
  }
  writer.finish(record::State::finished, "");
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  const auto bytes = std::filesystem::file_size(folder / "run.h5");
  std::cout << "10,000 steps, 100 evaluations: " << bytes << " bytes, " << seconds << " s\n";
  EXPECT_LT(bytes, 2'500'000U);
  // 1 % of a run of 10,000 steps of 20 ms (a tiny BERT; MiniLM needs 1 s a step) are 2 s.
  EXPECT_LT(seconds, 2.0);
  EXPECT_EQ(read_run(folder / "run.h5").steps.size(), 10'000U);
}

// Slow steps are flushed one by one: every flush rewrites the chunk that is not full. The file must not grow without
// bound.
TEST(Cost, FlushedAtEveryStep) {
  const Folder folder;
  record::RunHeader header = sample_header();
  header.labels.clear();
  header.outputs = 0;
  header.batch = 32;
  std::mt19937_64 random(1);
  const auto begin = std::chrono::steady_clock::now();
  RunWriter writer(folder / "run.h5");
  writer.begin(header, {});
  for (int i = 1; i <= 1'000; ++i) {
    record::StepRecord step = sample_step(i);
    step.examples.resize(32);
    for (auto& row : step.examples) row = static_cast<std::int64_t>(random() % 3668);
    writer.step(step);
    writer.eval({i, 0, {0, 0}, false, {}, 0});
  }
  writer.finish(record::State::finished, "");
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  const auto bytes = std::filesystem::file_size(folder / "run.h5");
  std::cout << "1,000 steps, 1,000 flushes: " << bytes << " bytes, " << seconds << " s\n";
  EXPECT_LT(bytes, 1'000'000U);
}

TEST(Cost, StatusIsCheap) {
  const Folder folder;
  write_sample(folder / "run.h5", 2'000);
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(read_status(folder / "run.h5").state, record::State::finished);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() / 100;
  std::cout << "read_status: " << 1e6 * seconds << " us\n";
  EXPECT_LT(seconds, 0.02);
}

}  // namespace
}  // namespace initlab::log
