// Cross-entropy over a vocabulary, by chunks of columns. items_per_second counts logits.
#include <functional>
#include <vector>

#include "bench/bench.hpp"
#include "compute/element.hpp"
#include "compute/loss.hpp"
#include "compute/vector.hpp"

namespace initlab::bench {
namespace {

using compute::Bf16;
using compute::Cells;
using compute::Element;

void time(const std::string& name, std::int64_t logits, std::function<void()> kernel) {
  benchmark::RegisterBenchmark(name.c_str(),
                               [=](benchmark::State& state) {
                                 kernel();
                                 for (auto _ : state) kernel();
                                 state.SetItemsProcessed(state.iterations() * logits);
                               })
      ->UseRealTime()
      ->Unit(benchmark::kMicrosecond);
}

Cells cells(Element element, std::int64_t i) {
  return element == Element::f32 ? Cells(piece(i)) : Cells(reinterpret_cast<Bf16*>(piece(i)));
}

// P predicted rows; lives as long as the program.
struct Rows {
  explicit Rows(std::int64_t p)
      : labels(static_cast<std::size_t>(p), 7), state(labels.size()), log_sums(labels.size()) {}
  std::vector<std::int32_t> labels;
  std::vector<compute::CrossEntropyRow> state;
  std::vector<float> log_sums, sums = std::vector<float>(1 << 14);
};

void add_chunk(std::int64_t p, std::int64_t columns) {
  Rows& rows = *new Rows(p);
  for (const Element element : {Element::f32, Element::bf16}) {
    const std::string tail = "/" + std::to_string(p) + "x" + std::to_string(columns) + "/" + compute::to_text(element);
    const Cells logits = cells(element, 0), dlogits = cells(element, 1);
    const compute::LogitChunk chunk{logits, columns, 0, columns};
    time("cross_entropy_update" + tail, p * columns, [=, &rows] {
      compute::cross_entropy_start(p, rows.state.data());
      compute::cross_entropy_update(p, chunk, rows.labels.data(), rows.state.data());
    });
    const auto backward = [=, &rows](float* sums) {
      compute::cross_entropy_backward(p, chunk, rows.labels.data(), rows.log_sums.data(), 0.01f, dlogits, columns,
                                      sums);
    };
    time("cross_entropy_backward" + tail, p * columns, [=] { backward(nullptr); });
    time("cross_entropy_backward_with_sums" + tail, p * columns, [=, &rows] { backward(rows.sums.data()); });
    time("cross_entropy_backward_then_sums" + tail, p * columns, [=, &rows] {
      backward(nullptr);
      compute::add_column_sums(p, columns, dlogits, columns, rows.sums.data());
    });
  }
}

}  // namespace

void add_benchmarks() {
  for (const std::int64_t columns : {1024, 2048, 4096, 8192}) add_chunk(614, columns);  // 15 % of 4096 tokens
}

}  // namespace initlab::bench
