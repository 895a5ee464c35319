// The step loop, once warm, allocates nothing of its own and touches no fresh page; oneDNN's allocations are printed.
#include "app/allocations.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <limits>
#include <memory>
#include <thread>
#include <tuple>
#include <vector>

#include "base/random.hpp"
#include "compute/gemm.hpp"
#include "compute/targets.hpp"
#include "compute/threads.hpp"
#include "log/run_file.hpp"
#include "train/trainer.hpp"

namespace initlab::app {
namespace {

using config::HeadKind;

// Sequences of shortest .. longest tokens, ids at random.
std::shared_ptr<const data::TaskData> task_of(HeadKind head, std::int64_t vocabulary, std::size_t examples,
                                              std::uint64_t shortest, std::uint64_t longest) {
  auto task = std::make_shared<data::TaskData>();
  task->info = {"made", head, {"a", "b"}, {head == HeadKind::regressor ? "pearson" : "accuracy"}, false, ""};
  task->special = {.pad = 0, .unk = 1, .cls = 2, .sep = 3, .mask = 4};
  task->vocabulary = vocabulary;
  const base::Stream stream(11, "allocations");
  for (std::size_t e = 0; e < examples; ++e) {
    data::Example example;
    example.ids = {2};
    const std::uint64_t words = shortest - 2 + stream.below(e << 10, longest - shortest + 1);
    for (std::uint64_t i = 1; i <= words; ++i)
      example.ids.push_back(
          static_cast<std::int32_t>(5 + stream.below(e << 10 | i, static_cast<std::uint64_t>(vocabulary) - 5)));
    example.ids.push_back(3);
    example.types.assign(example.ids.size(), 0);
    example.label = static_cast<std::int32_t>(e % 2);
    example.target = static_cast<float>(e % 5);
    task->train.push_back(example);
  }
  task->eval.assign(task->train.begin(), task->train.begin() + 8);
  return task;
}

void draw_weights(model::Bert& bert) {
  const base::Stream stream(7, "weights");
  for (const params::Parameter& p : bert.parameters().all())
    for (std::int64_t i = p.offset; i < p.offset + p.size; ++i) {
      const double draw = stream.uniform(static_cast<std::uint64_t>(i)) - 0.5;
      bert.values()[static_cast<std::size_t>(i)] = p.role == params::Role::norm_scale ? 1.0f
                                                   : p.decays()                       ? static_cast<float>(0.07 * draw)
                                                                                      : 0.0f;
    }
}

std::int64_t minor_faults() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_minflt;
}

// Starts to count after the step `first`, stops after `last`. Keeps nothing, so that the loop alone is counted.
class CountingSink : public record::RunSink {
 public:
  CountingSink(std::int64_t first, std::int64_t last) : first_(first), last_(last) {}
  void begin(const record::RunHeader&, const std::vector<record::InitRecord>&) override {}
  void step(const record::StepRecord& step) override {
    if (step.step == last_) {
      counted = stop_counting_allocations();
      faults = minor_faults() - faults;
    }
    if (step.step == first_) {
      faults = minor_faults();
      start_counting_allocations();
    }
    finite = finite && std::isfinite(step.loss);
  }
  void eval(const record::EvalRecord&) override {}
  void finish(record::State, const std::string&) override {}

  Allocations counted{-1, -1};
  std::int64_t faults = -1;
  bool finite = true;

 private:
  std::int64_t first_, last_;
};

config::ModelConfig shape(std::int64_t layers, std::int64_t hidden, std::int64_t heads, std::int64_t vocabulary) {
  config::ModelConfig model;
  model.layers = layers;
  model.hidden = hidden;
  model.heads = heads;
  model.intermediate = 4 * hidden;
  model.vocabulary = vocabulary;
  model.max_positions = 64;
  return model;
}

config::TrainingConfig training_of(std::int64_t accumulate) {
  config::TrainingConfig training;
  training.batch = 8;
  training.accumulate = accumulate;
  return training;
}

// Trains `last` steps of one epoch; counted are those after `first`.
CountingSink train_and_count(const config::ModelConfig& model, std::shared_ptr<const data::TaskData> task,
                             config::TrainingConfig training, std::int64_t first, std::int64_t last) {
  training.steps = last;
  const config::Seeds seeds;
  const data::BatchStream batches(task, training.batch, {}, seeds);
  EXPECT_LE(last, batches.steps_per_epoch()) << "an epoch's first batch makes random streams, which allocates";
  compute::use_vector_kernels(training.uses("vector_kernels"));
  model::Bert bert(model, task->info.head, 2,
                   {batches.most_tokens(), batches.most_sequences(), batches.most_predictions(), batches.longest()},
                   model::options_of(training));
  draw_weights(bert);
  CountingSink sink(first, last);
  train::Hooks hooks;
  hooks.progress = [](const train::Progress&) {};
  train::run(training, seeds, batches, bert, sink, hooks);
  compute::use_vector_kernels(true);
  return sink;
}

TEST(Allocations, AreCounted) {
  if (!allocations_are_counted()) GTEST_SKIP() << "a sanitizer, or another C library than glibc";
  void* volatile kept = nullptr;  // the compiler may not leave a pair of calls out
  start_counting_allocations();
  kept = std::malloc(10);
  std::free(kept);
  kept = std::calloc(10, 1);
  kept = std::realloc(kept, 20);
  std::free(kept);
  kept = std::aligned_alloc(64, 64);
  std::free(kept);
  void* block = nullptr;
  EXPECT_EQ(posix_memalign(&block, 64, 64), 0);
  std::free(block);
  kept = ::operator new(10);
  ::operator delete(kept);
  const Allocations six = stop_counting_allocations();
  kept = std::malloc(10);
  std::free(kept);
  EXPECT_EQ(six.ours, 6);
  EXPECT_EQ(six.onednn, 0);
  start_counting_allocations();
  EXPECT_EQ(stop_counting_allocations().ours, 0);
  start_counting_allocations();
  std::thread([&kept] { kept = std::malloc(10); }).join();  // and what a thread needs
  EXPECT_GE(stop_counting_allocations().ours, 1);
  std::free(kept);
}

// 8 sequences of 9 to 12 tokens: few numbers of rows, all seen in the first 100 steps.
void expect_none(HeadKind head, const config::TrainingConfig& training) {
  const CountingSink sink =
      train_and_count(shape(2, 64, 4, 500), task_of(head, 500, 8 * 200, 9, 12), training, 100, 200);
  EXPECT_TRUE(sink.finite);
  EXPECT_EQ(sink.counted.ours, 0) << "in 100 steps";
  std::cout << "oneDNN's allocations in 100 steps: " << sink.counted.onednn << "\n";
  testing::Test::RecordProperty("onednn_allocations_in_100_steps", static_cast<int>(sink.counted.onednn));
}

class StepLoop : public testing::TestWithParam<std::tuple<HeadKind, std::int64_t, int>> {};

TEST_P(StepLoop, AllocatesNothingOfOurs) {
  if (!allocations_are_counted()) GTEST_SKIP() << "a sanitizer, or another C library than glibc";
  const auto [head, accumulate, threads] = GetParam();
  compute::set_threads(threads);
  expect_none(head, training_of(accumulate));
}

INSTANTIATE_TEST_SUITE_P(Heads, StepLoop,
                         testing::Combine(testing::Values(HeadKind::classifier, HeadKind::regressor, HeadKind::mlm),
                                          testing::Values(1, 2), testing::Values(1, 2)),
                         [](const auto& info) {
                           return std::string(config::to_text(std::get<0>(info.param))) + "_accumulate_" +
                                  std::to_string(std::get<1>(info.param)) + "_threads_" +
                                  std::to_string(std::get<2>(info.param));
                         });

class Variant : public testing::TestWithParam<HeadKind> {
 protected:
  void SetUp() override {
    if (!allocations_are_counted()) GTEST_SKIP() << "a sanitizer, or another C library than glibc";
    compute::set_threads(2);
  }
};

TEST_P(Variant, WithoutOptimizations) {
  config::TrainingConfig training = training_of(1);
  training.without = config::optimization_names();
  expect_none(GetParam(), training);
}

TEST_P(Variant, WithControls) {
  config::TrainingConfig training = training_of(1);
  training.freeze = {"embeddings"};
  training.mixout = 0.1;
  training.layer_decay = 0.9;
  training.optimizer.weight_decay_to = "initial";
  expect_none(GetParam(), training);
}

TEST_P(Variant, InBf16) {
  if (!compute::has_bf16_products()) GTEST_SKIP() << "no bf16 instructions";
  config::TrainingConfig training = training_of(1);
  training.precision = "bf16";
  expect_none(GetParam(), training);
}

INSTANTIATE_TEST_SUITE_P(Heads, Variant, testing::Values(HeadKind::classifier, HeadKind::mlm),
                         [](const auto& info) { return config::to_text(info.param); });

TEST(RunWriter, AllocatesNothingBetweenFlushes) {
  if (!allocations_are_counted()) GTEST_SKIP() << "a sanitizer, or another C library than glibc";
  const std::filesystem::path file =
      std::filesystem::path(testing::TempDir()) / ("initlab_allocations_" + std::to_string(::getpid()) + ".h5");
  record::RunHeader header;
  header.batch = 32;
  header.metric_names = {"accuracy"};
  log::RunWriter writer(file);
  writer.begin(header, {});
  record::StepRecord step;
  step.examples.assign(32, 7);
  std::int64_t least = std::numeric_limits<std::int64_t>::max();
  for (int attempt = 0; attempt < 3; ++attempt) {  // it flushes every five seconds: the machine may have paused us
    start_counting_allocations();
    for (int i = 0; i < 500; ++i) {
      ++step.step;
      writer.step(step);
    }
    least = std::min(least, stop_counting_allocations().ours);
  }
  EXPECT_EQ(least, 0);
  writer.finish(record::State::finished, "");
  EXPECT_EQ(log::read_run(file).steps.size(), 1500u);
  std::filesystem::remove(file);
}

// MiniLM's shape. A step that mapped its memory afresh would fault thousands of times (its gradients alone have 22,000
// pages); a page now and then is another program's doing.
TEST(PageFaults, AreFewerThanOneAStep) {
  compute::set_threads(2);
  const CountingSink sink = train_and_count(
      shape(6, 384, 12, 30522), task_of(HeadKind::classifier, 30522, 8 * 120, 8, 8), training_of(1), 20, 120);
  EXPECT_TRUE(sink.finite);
  EXPECT_LT(sink.faults, 100);
  if (allocations_are_counted()) {
    EXPECT_EQ(sink.counted.ours, 0);
  }
  std::cout << "page faults in 100 steps: " << sink.faults << "; allocations of ours: " << sink.counted.ours
            << ", of oneDNN: " << sink.counted.onednn << "\n";
  RecordProperty("page_faults_in_100_steps", static_cast<int>(sink.faults));
}

}  // namespace
}  // namespace initlab::app
