// One forward and backward pass of each model on random tokens, f32 and bf16: a classifier, and a masked language model
// with 15 % of the positions predicted. tokens/s counts valid tokens; the optimizer has a program of its own.
#include <memory>
#include <string>

#include "base/random.hpp"
#include "bench/bench.hpp"
#include "compute/gemm.hpp"
#include "model/bert.hpp"

namespace initlab::bench {
namespace {

using config::HeadKind;

constexpr std::int64_t kVocabulary = 30522;

batch::Batch batch_of(const Shape& shape, HeadKind head) {
  batch::Batch batch;
  const base::Stream words(1, "words");
  const std::int64_t sequences = shape.tokens / shape.sequence;
  batch.offsets.push_back(0);
  for (std::int64_t b = 0; b < sequences; ++b) {
    for (std::int64_t s = 0; s < shape.sequence; ++s) {
      const auto row = static_cast<std::int32_t>(batch.ids.size());
      batch.ids.push_back(static_cast<std::int32_t>(words.below(static_cast<std::uint64_t>(row), kVocabulary)));
      batch.types.push_back(0);
      batch.positions.push_back(static_cast<std::int32_t>(s));
      if (head == HeadKind::mlm && row % 20 < 3) {
        batch.masked_rows.push_back(row);
        batch.masked_labels.push_back(batch.ids.back());
      }
    }
    batch.offsets.push_back(static_cast<std::int32_t>(batch.ids.size()));
    batch.slots.push_back(static_cast<std::int32_t>(b));
    batch.examples.push_back(b);
    if (head == HeadKind::classifier) batch.classes.push_back(static_cast<std::int32_t>(b % 2));
  }
  return batch;
}

config::ModelConfig model_of(const Shape& shape) {
  config::ModelConfig model;
  model.layers = shape.layers;
  model.hidden = shape.hidden;
  model.heads = shape.heads;
  model.intermediate = shape.intermediate();
  model.vocabulary = kVocabulary;
  return model;
}

void step(benchmark::State& state, const Shape& shape, HeadKind head, compute::Element products) {
  const batch::Batch batch = batch_of(shape, head);
  model::Bert bert(model_of(shape), head, 2,
                   {.tokens = batch.tokens(),
                    .sequences = batch.sequences(),
                    .predictions = static_cast<std::int64_t>(batch.masked_rows.size()),
                    .longest = shape.sequence},
                   {.products = products});
  const base::Stream weights(2, "weights"), dropout(3, "dropout");
  for (const params::Parameter& p : bert.parameters().all())
    for (std::int64_t i = p.offset; i < p.offset + p.size; ++i)
      bert.values()[static_cast<std::size_t>(i)] =
          p.role == params::Role::norm_scale
              ? 1.0f
              : static_cast<float>(0.04 * weights.uniform(static_cast<std::uint64_t>(i)) - 0.02);
  const auto pass = [&] {
    bert.forward(batch, {0.1, 0.1, &dropout, 1});
    bert.backward(1);
  };
  pass();
  for (auto _ : state) pass();
  state.counters["tokens/s"] =
      benchmark::Counter(static_cast<double>(batch.tokens()), benchmark::Counter::kIsIterationInvariantRate);
}

}  // namespace

void add_benchmarks() {
  for (const Shape& shape : kShapes)
    for (const HeadKind head : {HeadKind::classifier, HeadKind::mlm})
      for (const compute::Element products : {compute::Element::f32, compute::Element::bf16}) {
        if (products == compute::Element::bf16 && !compute::has_bf16_products()) continue;
        const std::string name = "step/" + shape.name + "/" + config::to_text(head) + "/" + compute::to_text(products);
        benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) { step(state, shape, head, products); })
            ->UseRealTime()
            ->Unit(benchmark::kMillisecond);
      }
}

}  // namespace initlab::bench
