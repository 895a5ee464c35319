// What the tests of the trainer share: a sink that remembers, a task that can be learned by heart, a small model with
// weights.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/random.hpp"
#include "data/data.hpp"
#include "model/bert.hpp"
#include "record/record.hpp"

namespace initlab::train {

class Memory : public record::RunSink {
 public:
  void begin(const record::RunHeader&, const std::vector<record::InitRecord>&) override {}
  void step(const record::StepRecord& step) override { steps.push_back(step); }
  void eval(const record::EvalRecord& eval) override { evals.push_back(eval); }
  void finish(record::State, const std::string&) override {}
  std::vector<record::StepRecord> steps;
  std::vector<record::EvalRecord> evals;
};

// A task that a tiny BERT can learn by heart: the label is the parity of the second token.
inline std::shared_ptr<data::TaskData> parity_task(std::size_t examples) {
  auto task = std::make_shared<data::TaskData>();
  task->info.name = "parity";
  task->info.head = config::HeadKind::classifier;
  task->info.label_names = {"even", "odd"};
  task->info.metrics = {"accuracy"};
  task->vocabulary = 40;
  const base::Stream stream(5, "parity");
  for (std::size_t e = 0; e < examples; ++e) {
    data::Example example;
    example.ids = {2};
    for (std::uint64_t k = 0; k < 3 + e % 4; ++k)
      example.ids.push_back(static_cast<std::int32_t>(5 + stream.below(e * 16 + k, 35)));
    example.ids.push_back(3);
    example.types.assign(example.ids.size(), 0);
    example.label = example.ids[1] % 2;
    task->train.push_back(example);
  }
  task->eval = task->train;
  task->constant_class = {0.5};
  return task;
}

inline config::ModelConfig small_model() {
  config::ModelConfig model;
  model.layers = 2;
  model.hidden = 32;
  model.heads = 2;
  model.intermediate = 64;
  model.vocabulary = 40;
  model.max_positions = 16;
  return model;
}

struct Fixture {
  explicit Fixture(std::int64_t batch = 8, std::size_t examples = 24)
      : batches(parity_task(examples), batch, {}, seeds),
        bert(small_model(), config::HeadKind::classifier, 2,
             {batches.most_tokens(), batches.most_sequences(), 0, batches.longest()}) {
    const base::Stream stream(7, "weights");
    for (const params::Parameter& p : bert.parameters().all())
      for (std::int64_t i = p.offset; i < p.offset + p.size; ++i) {
        float& value = bert.values()[static_cast<std::size_t>(i)];
        value = p.role == params::Role::norm_scale ? 1.0f
                : p.decays() ? static_cast<float>(0.05 * stream.normal(static_cast<std::uint64_t>(i)))
                             : 0.0f;
      }
    training.batch = batch;
    training.steps = 30;
    training.optimizer.learning_rate = 2e-3;
  }
  config::Seeds seeds;
  data::BatchStream batches;
  model::Bert bert;
  config::TrainingConfig training;
  Memory sink;
};

}  // namespace initlab::train
