// Attention at the shapes of the models, f32 and bf16, and the small products that it is made of. FLOP/s counts
// multiplications and additions of the products that a kernel makes: two forward, five backward.
#include <functional>
#include <numeric>
#include <vector>

#include "bench/bench.hpp"
#include "compute/attention.hpp"
#include "compute/element.hpp"
#include "compute/small_gemm.hpp"

namespace initlab::bench {
namespace {

using compute::Bf16;
using compute::Cells;
using compute::Element;

void time(const std::string& name, double operations, std::function<void()> kernel) {
  benchmark::RegisterBenchmark(name.c_str(),
                               [=](benchmark::State& state) {
                                 kernel();
                                 for (auto _ : state) kernel();
                                 state.counters["FLOP/s"] =
                                     benchmark::Counter(operations, benchmark::Counter::kIsIterationInvariantRate);
                               })
      ->UseRealTime()
      ->Unit(benchmark::kMicrosecond);
}

// `numbers` numbers of piece i, as the element stores them.
Cells cells(Element element, std::int64_t i) {
  return element == Element::f32 ? Cells(piece(i)) : Cells(reinterpret_cast<Bf16*>(piece(i)));
}

// Sequences of S tokens, B of them, of which the first `asking` rows ask. Lives as long as the program: the kernels
// keep pointers.
struct Batch {
  Batch(std::int64_t sequences, std::int64_t sequence, std::int64_t asking, const Shape& shape)
      : shape{.heads = shape.heads,
              .head_size = shape.hidden / shape.heads,
              .longest = sequence,
              .threads = compute::available_threads()} {
    for (std::int64_t b = 0; b <= sequences; ++b) {
      offsets.push_back(static_cast<std::int32_t>(b * sequence));
      query_offsets.push_back(static_cast<std::int32_t>(b * asking));
      slots.push_back(static_cast<std::int32_t>(b));
    }
    for (std::int64_t row = 0; row < sequences * asking; ++row)
      positions.push_back(static_cast<std::int32_t>(row % asking));
    log_sums.resize(positions.size() * static_cast<std::size_t>(shape.heads));
    scratch.resize(static_cast<std::size_t>(compute::attention_scratch(this->shape)));
  }
  compute::AttentionBatch view() const {
    return {static_cast<std::int64_t>(offsets.size()) - 1, offsets.data(), slots.data(), query_offsets.data(),
            positions.data()};
  }
  compute::AttentionShape shape;
  std::vector<std::int32_t> offsets, query_offsets, slots, positions;
  std::vector<float> log_sums, scratch;
};

void add_attention(const Shape& shape, std::int64_t asking) {
  const std::int64_t h = shape.hidden, sequences = shape.tokens / shape.sequence;
  Batch& batch = *new Batch(sequences, shape.sequence, asking, shape);
  const double product = 2.0 * static_cast<double>(sequences * asking * shape.sequence * h);
  for (const Element element : {Element::f32, Element::bf16})
    for (const bool drops : {false, true}) {
      const std::string tail = std::string(drops ? "_dropout/" : "/") + shape.name + "/" + std::to_string(asking) +
                               "_of_" + std::to_string(shape.sequence) + "/" + compute::to_text(element);
      const compute::DropoutSite site = drops ? compute::dropout_site(0.1, 99, 1, 2) : compute::DropoutSite{};
      const Cells qkv = cells(element, 0), dqkv = cells(element, 1), context = cells(element, 2),
                  dcontext = cells(element, 3);
      const compute::AttentionInput input{qkv, 3 * h, qkv + h, qkv + 2 * h, 3 * h};
      time("attention_forward" + tail, 2 * product, [=, &batch] {
        compute::attention_forward(batch.shape, batch.view(), site, input, context, batch.log_sums.data(),
                                   batch.scratch.data());
      });
      time("attention_backward" + tail, 5 * product, [=, &batch] {
        compute::attention_backward(batch.shape, batch.view(), site, input, batch.log_sums.data(), dcontext,
                                    {dqkv, 3 * h, dqkv + h, dqkv + 2 * h, 3 * h}, batch.scratch.data());
      });
    }
}

// One sequence and head, S by D: scores, context and the gradient of the keys, all in cache.
void add_products(std::int64_t s, std::int64_t d) {
  const double product = 2.0 * static_cast<double>(s * s * d);
  const std::int64_t columns = (s + 15) / 16 * 16;
  const std::string tail = "/" + std::to_string(s) + "x" + std::to_string(d);
  float *rows = piece(0), *other = piece(1), *scores = piece(2), *result = piece(3);
  time("small_gemm_scores" + tail, product, [=] {
    compute::small_gemm({s, columns, d, {rows, 3 * d, 1}, other, columns, scores, columns});
  });
  time("small_gemm_context" + tail, product, [=] {
    compute::small_gemm({s, d, s, {scores, 1, columns}, rows, 3 * d, result, d});
  });
  time("small_gemm_gradient" + tail, product, [=] {
    compute::small_gemm({s, d, s, {scores, columns, 1}, rows, 3 * d, result, 3 * d});
  });
}

}  // namespace

void add_benchmarks() {
  for (const Shape& shape : kShapes) {
    add_attention(shape, shape.sequence);
    add_attention(shape, 1);
  }
  for (const std::int64_t s : {11, 20, 50, 128})
    for (const std::int64_t d : {32, 64}) add_products(s, d);
}

}  // namespace initlab::bench
