// oneDNN's products at the shapes of the models' dense layers: forward, gradient of the input, gradient of the weight;
// f32 and bf16, with weights laid out anew for each product and without. FLOP/s is the product's own.
#include <memory>
#include <string>

#include "bench/bench.hpp"
#include "compute/gemm.hpp"

namespace initlab::bench {
namespace {

using compute::Bf16;
using compute::Cells;
using compute::Element;
using compute::Product;
using compute::Stored;

Cells cells(Element element, std::int64_t i) {
  return element == Element::f32 ? Cells(piece(i)) : Cells(reinterpret_cast<Bf16*>(piece(i)));
}

void add_product(const std::string& name, const Product& product, bool packs) {
  // Lives as long as the program: the benchmark keeps it.
  const auto gemm = std::make_shared<compute::Gemm>(packs);
  benchmark::RegisterBenchmark(
      (name + "/" + compute::to_text(product.operands) + (product.weight ? (packs ? "/packed" : "/plain") : ""))
          .c_str(),
      [=](benchmark::State& state) {
        const Cells a = cells(product.operands, 0);
        const Cells b = cells(product.weight ? Element::f32 : product.operands, 1);
        const Cells c = cells(product.result, 2);
        (*gemm)(product, a, b, c);
        for (auto _ : state) (*gemm)(product, a, b, c);
        state.counters["FLOP/s"] = benchmark::Counter(
            2.0 * static_cast<double>(product.m) * static_cast<double>(product.n) * static_cast<double>(product.k),
            benchmark::Counter::kIsIterationInvariantRate);
      })
      ->UseRealTime()
      ->Unit(benchmark::kMicrosecond);
}

// One dense layer of a model on T rows.
void add_layer(const Shape& shape, const std::string& layer, std::int64_t out, std::int64_t in) {
  const std::string tail = "/" + shape.name + "/" + layer;
  for (const Element element : {Element::f32, Element::bf16}) {
    if (element == Element::bf16 && !compute::has_bf16_products()) continue;
    for (const bool packs : {true, false}) {
      add_product("forward" + tail,
                  {.m = shape.tokens,
                   .n = out,
                   .k = in,
                   .b = Stored::transposed,
                   .operands = element,
                   .result = element,
                   .weight = true},
                  packs);
      add_product("input" + tail,
                  {.m = shape.tokens, .n = in, .k = out, .operands = element, .result = element, .weight = true},
                  packs);
    }
    add_product(
        "weight" + tail,
        {.m = out, .n = in, .k = shape.tokens, .a = Stored::transposed, .accumulate = true, .operands = element}, true);
  }
}

}  // namespace

void add_benchmarks() {
  for (const Shape& shape : kShapes) {
    add_layer(shape, "qkv", 3 * shape.hidden, shape.hidden);
    add_layer(shape, "output", shape.hidden, shape.hidden);
    add_layer(shape, "inner", shape.intermediate(), shape.hidden);
    add_layer(shape, "outer", shape.hidden, shape.intermediate());
  }
}

}  // namespace initlab::bench
