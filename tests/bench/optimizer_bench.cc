// The optimizer's share of a step: gradient norm, clipping, Adam, zeroing; with all rows of the word embedding and with
// the batch's alone. bytes_per_second of the kernels counts what must be read and written once.
#include <cmath>
#include <initializer_list>
#include <memory>
#include <vector>

#include "bench/bench.hpp"
#include "compute/adam.hpp"
#include "params/params.hpp"
#include "train/optimizer.hpp"

namespace initlab::bench {
namespace {

constexpr std::int64_t kVocabulary = 30522;

// Words by Zipf's law, from a weak generator: of rank r with a probability about 1 / r.
class Words {
 public:
  std::vector<std::int32_t> batch(std::int64_t tokens) {
    std::vector<std::int32_t> ids;
    for (std::int64_t t = 0; t < tokens; ++t) {
      state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
      const double uniform = static_cast<double>(state_ >> 11) * 0x1p-53;
      ids.push_back(static_cast<std::int32_t>(std::exp(uniform * std::log(static_cast<double>(kVocabulary)))) - 1);
    }
    return ids;
  }

 private:
  std::uint64_t state_ = 1;
};

params::ParameterTable table_of(const Shape& shape) {
  config::ModelConfig model;
  model.layers = shape.layers;
  model.hidden = shape.hidden;
  model.heads = shape.heads;
  model.intermediate = shape.intermediate();
  model.vocabulary = kVocabulary;
  return params::bert_parameters(model, config::HeadKind::classifier, 2);
}

// A run in its course: the rows of `before` batches have moved.
struct Course {
  Course(const Shape& shape, std::int64_t batch_tokens, train::WordRows rows)
      : table(table_of(shape)), tokens(batch_tokens), adam({}, table, {}, rows) {
    constexpr int kBefore = 200;
    if (rows == train::WordRows::lazy)
      for (int i = 0; i < kBefore; ++i) step();
  }
  void step() {
    adam.expect(words.batch(tokens), values());
    const double norm = adam.norm(gradients());
    adam.step(values(), gradients(), 1e-3, train::clip_factor(norm, 1));
  }
  std::span<float> values() const { return {piece(0), static_cast<std::size_t>(table.size())}; }
  std::span<float> gradients() const { return {piece(2), static_cast<std::size_t>(table.size())}; }

  params::ParameterTable table;
  std::int64_t tokens;
  train::Adam adam;
  Words words;
};

void add_step(const Shape& shape, std::int64_t tokens, train::WordRows rows) {
  const char* const name = rows == train::WordRows::lazy ? "/lazy" : "/dense";
  benchmark::RegisterBenchmark(("optimizer/" + shape.name + name).c_str(),
                               [=](benchmark::State& state) {
                                 Course course(shape, tokens, rows);
                                 for (auto _ : state) course.step();
                               })
      ->UseRealTime()
      ->Unit(benchmark::kMicrosecond);
}

void add_kernels(std::int64_t floats) {
  auto pieces = std::make_shared<std::vector<compute::Piece>>();
  for (std::int64_t i = 0; i < floats; i += 8192) compute::append(*pieces, i, 8192, 0);
  const std::string size = "/" + std::to_string(floats);
  benchmark::RegisterBenchmark(("adam_update" + size).c_str(), [=](benchmark::State& state) {
    const compute::AdamConstants constants = compute::adam_constants({.learning_rate = 1e-6});
    for (auto _ : state)
      compute::adam_update({&constants, 1}, *pieces, {piece(0), piece(1), piece(2), piece(3), nullptr});
    state.SetBytesProcessed(state.iterations() * 32 * floats);  // weight, gradient, moments: read and written
  })->UseRealTime();
  benchmark::RegisterBenchmark(("sum_of_squares" + size).c_str(), [=](benchmark::State& state) {
    std::vector<double> sums(pieces->size());
    for (auto _ : state) benchmark::DoNotOptimize(compute::sum_of_squares(*pieces, piece(1), sums));
    state.SetBytesProcessed(state.iterations() * 4 * floats);
  })->UseRealTime();
}

}  // namespace

void add_benchmarks() {
  for (const std::int64_t floats : std::initializer_list<std::int64_t>{1 << 17, 1 << 20, kPieceFloats})
    add_kernels(floats);
  for (const Shape& shape : kShapes) {
    if (shape.name != "tiny" && shape.name != "minilm") continue;  // larger ones do not fit the block
    for (const train::WordRows rows : {train::WordRows::dense, train::WordRows::lazy})
      add_step(shape, /*tokens=*/350, rows);
  }
}

}  // namespace initlab::bench
