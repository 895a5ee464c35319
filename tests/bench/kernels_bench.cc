// Row kernels at the shapes of the models, f32 and bf16. bytes_per_second counts what must be read and written once;
// `copy` does the same with a plain copy of the layer's (T, H) and (T, I) activations.
#include <cstring>
#include <functional>
#include <numeric>
#include <vector>

#include "bench/bench.hpp"
#include "compute/dropout.hpp"
#include "compute/element.hpp"
#include "compute/embedding.hpp"
#include "compute/gelu.hpp"
#include "compute/mixout.hpp"
#include "compute/norm.hpp"
#include "compute/vector.hpp"

namespace initlab::bench {
namespace {

using compute::Cells;
using compute::Element;

// Runs a kernel; `numbers` f32 and bf16 numbers are read or written by each run.
void time(const std::string& name, std::int64_t f32, std::int64_t bf16, std::function<void()> kernel) {
  benchmark::RegisterBenchmark(name.c_str(),
                               [=](benchmark::State& state) {
                                 kernel();
                                 for (auto _ : state) kernel();
                                 state.SetBytesProcessed(state.iterations() * (4 * f32 + 2 * bf16));
                               })
      ->UseRealTime()
      ->Unit(benchmark::kMicrosecond);
}

Cells cells(Element element, std::int64_t i) {
  return element == Element::f32 ? Cells(piece(i)) : Cells(reinterpret_cast<compute::Bf16*>(piece(i)));
}

// Rows of a batch, as kernels name them. Lives as long as the program: the kernels keep pointers.
struct Rows {
  explicit Rows(const Shape& shape) {
    for (std::int64_t t = 0; t < shape.tokens; ++t) {
      slots.push_back(static_cast<std::int32_t>(t / shape.sequence));
      positions.push_back(static_cast<std::int32_t>(t % shape.sequence));
      words.push_back(static_cast<std::int32_t>(t * 7919 % 15000));  // of a vocabulary that fits one piece
    }
    zeros.assign(slots.size(), 0);
  }
  std::vector<std::int32_t> slots, positions, words, zeros;
  std::vector<float> bias = std::vector<float>(3072), gamma = bias, beta = bias, sums = bias,
                     deviations = std::vector<float>(4096);
  std::vector<float> scratch = std::vector<float>(static_cast<std::size_t>(compute::norm_backward_scratch(768)));
};

void add_norm(const Shape& shape, Rows& rows) {
  const std::int64_t t = shape.tokens, h = shape.hidden, size = t * h;
  compute::NormInput input{rows.bias.data(), nullptr, compute::dropout_site(0.1, 99, 1, 2), {}};
  input.names = {rows.slots.data(), rows.positions.data()};
  for (const bool dropout : {false, true})
    for (const Element element : {Element::f32, Element::bf16}) {
      const std::int64_t narrow = element == Element::bf16 ? size : 0;
      const std::string tail = std::string(dropout ? "_dropout/" : "/") + shape.name + "/" + compute::to_text(element);
      compute::NormInput now = input;
      if (!dropout) now.dropout = {};
      // x and residual are read, xhat and y written
      time("norm_forward" + tail, 4 * size, narrow, [=, &rows] {
        compute::NormInput with = now;
        with.residual = piece(2);
        compute::norm_forward({t, h, 1e-12f}, with, rows.gamma.data(), rows.beta.data(), piece(0), piece(1),
                              rows.deviations.data(),
                              element == Element::bf16 ? reinterpret_cast<compute::Bf16*>(piece(3)) : nullptr);
      });
      // dy and xhat are read, dresidual (over dy, as in a layer) and dx written
      time("norm_backward" + tail, (narrow != 0 ? 3 : 4) * size, narrow, [=, &rows] {
        compute::norm_backward({t, h, 1e-12f}, now, rows.gamma.data(), piece(1), rows.deviations.data(), piece(0),
                               {piece(0), cells(element, 3), rows.sums.data(), rows.sums.data(), rows.sums.data()},
                               rows.scratch.data());
      });
    }
}

void add_gelu(const Shape& shape, Rows& rows) {
  const std::int64_t t = shape.tokens, n = shape.intermediate(), size = t * n;
  for (const compute::Gelu kind : {compute::Gelu::erf, compute::Gelu::tanh})
    for (const Element element : {Element::f32, Element::bf16}) {
      const std::int64_t wide = element == Element::f32 ? size : 0, narrow = size - wide;
      const std::string tail =
          std::string(kind == compute::Gelu::erf ? "_erf/" : "_tanh/") + shape.name + "/" + compute::to_text(element);
      time("gelu_forward" + tail, 2 * wide, 2 * narrow, [=, &rows] {
        compute::bias_gelu_forward(kind, t, n, cells(element, 4), rows.bias.data(), cells(element, 1));
      });
      time("gelu_backward" + tail, 3 * wide, 3 * narrow, [=, &rows] {
        compute::bias_gelu_backward(kind, t, n, cells(element, 4), rows.bias.data(), cells(element, 1),
                                    rows.sums.data());
      });
    }
}

void add_rows(const Shape& shape, Rows& rows) {
  const std::int64_t t = shape.tokens, h = shape.hidden, size = t * h;
  for (const Element element : {Element::f32, Element::bf16}) {
    const std::int64_t wide = element == Element::f32 ? size : 0, narrow = size - wide;
    const std::string tail = "/" + shape.name + "/" + compute::to_text(element);
    time("copy" + tail, 2 * wide, 2 * narrow, [=] {
      const std::int64_t bytes = 4 * wide + 2 * narrow, half = bytes / 2;
#pragma omp parallel for
      for (std::int64_t part = 0; part < 2; ++part)
        std::memcpy(reinterpret_cast<char*>(piece(1)) + part * half,
                    reinterpret_cast<const char*>(piece(0)) + part * half, static_cast<std::size_t>(half));
    });
    time("column_sums" + tail, wide, narrow,
         [=, &rows] { compute::add_column_sums(t, h, cells(element, 0), h, rows.sums.data()); });
    time("gather_rows" + tail, 2 * wide, 2 * narrow,
         [=, &rows] { compute::gather_rows(t, h, rows.words.data(), cells(element, 0), cells(element, 1)); });
  }
  const auto name = [&](const char* kernel) { return std::string(kernel) + "/" + shape.name + "/f32"; };
  const compute::EmbeddingRows indices{rows.words.data(), rows.positions.data(), rows.zeros.data()};
  time(name("embedding_forward"), 2 * size, 0,
       [=] { compute::embedding_forward(t, h, indices, piece(0), piece(1), piece(2), piece(3)); });
  time(name("embedding_backward"), 5 * size, 0,
       [=] { compute::embedding_backward(t, h, indices, piece(3), piece(0), piece(1), piece(2)); });
  time(name("dropout_apply"), 2 * size, 0, [=, &rows] {
    compute::dropout_apply(compute::dropout_site(0.1, 99, 1, 2), {rows.slots.data(), rows.positions.data()}, t, h,
                           piece(0));
  });
  time(name("round_to_bf16"), size, size, [=] {
    compute::round_to_bf16({piece(0), static_cast<std::size_t>(size)},
                           {reinterpret_cast<compute::Bf16*>(piece(1)), static_cast<std::size_t>(size)});
  });
  time(name("mixout_forward"), 3 * size, 0, [=] {
    compute::mixout_forward(compute::dropout_site(0.1, 99, 1, 2), compute::MixUnit::weight, t, h, piece(0), piece(1),
                            piece(2));
  });
}

}  // namespace

void add_benchmarks() {
  for (const Shape& shape : kShapes) {
    Rows& rows = *new Rows(shape);  // as long as the program
    add_rows(shape, rows);
    add_norm(shape, rows);
    add_gelu(shape, rows);
  }
}

}  // namespace initlab::bench
