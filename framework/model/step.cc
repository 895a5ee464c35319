#include "model/step.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>

namespace initlab::model {

using compute::Cells;
using compute::ConstCells;
using compute::Element;

void clear_padding(std::int64_t rows, std::int64_t n, Cells x) {
  const std::size_t bytes = compute::bytes_of(x.element());
  std::memset((x + rows * n).data(), 0, static_cast<std::size_t>((padded(rows) - rows) * n) * bytes);
}

Cells take_cells(compute::Arena& arena, std::int64_t n, Element element) {
  return element == Element::f32 ? Cells(arena.take<float>(n)) : Cells(arena.take<compute::Bf16>(n));
}

void HiddenStates::book(compute::Arena& arena, std::int64_t n, Element element) {
  values = arena.take<float>(n);
  rounded = element == Element::bf16 ? arena.take<compute::Bf16>(n) : nullptr;
}

void HiddenStates::clear_padding(std::int64_t rows, std::int64_t n) {
  model::clear_padding(rows, n, values);
  if (rounded != nullptr) model::clear_padding(rows, n, rounded);
}

Slice slice(const Blocks& blocks, const std::string& name) {
  const std::int64_t offset = blocks.table->at(name).offset;
  return {blocks.values + offset, blocks.gradients + offset};
}

Dense dense(const Blocks& blocks, const std::string& name, std::int64_t out, std::int64_t in) {
  return {in, out, slice(blocks, name + ".weight"), slice(blocks, name + ".bias")};
}

Norm norm(const Blocks& blocks, const std::string& name) {
  return {slice(blocks, name + ".weight"), slice(blocks, name + ".bias")};
}

namespace {

// One product, its time counted under `phase`, but for the share that went into laying out the weight.
void multiply(Workspace& workspace, compute::Phase phase, const compute::Product& product, ConstCells a, ConstCells b,
              Cells c, const float* bias = nullptr) {
  if (workspace.times == nullptr) return workspace.gemm(product, a, b, c, bias);
  const double packed = workspace.gemm.packing_seconds();
  const auto start = std::chrono::steady_clock::now();
  workspace.gemm(product, a, b, c, bias);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const double packing = workspace.gemm.packing_seconds() - packed;
  workspace.times->add(compute::Phase::packing, packing);
  workspace.times->add(phase, seconds - packing);
}

}  // namespace

compute::Product Dense::forward_product(std::int64_t rows, Element x, Element y, bool with_bias) const {
  return {.m = rows,
          .n = out,
          .k = in,
          .b = compute::Stored::transposed,
          .bias = with_bias,
          .operands = x,
          .result = y,
          .weight = true};
}

compute::Product Dense::weight_product(std::int64_t rows, Element dy) const {
  return {.m = out, .n = in, .k = rows, .a = compute::Stored::transposed, .accumulate = true, .operands = dy};
}

compute::Product Dense::input_product(std::int64_t rows, Element dy, Element dx, bool accumulate) const {
  return {.m = rows, .n = in, .k = out, .accumulate = accumulate, .operands = dy, .result = dx, .weight = true};
}

void Dense::forward(Workspace& workspace, std::int64_t rows, ConstCells x, Cells y, bool with_bias) const {
  multiply(workspace, compute::Phase::gemm_forward, forward_product(rows, x.element(), y.element(), with_bias), x,
           weight.value, y, with_bias ? bias.value : nullptr);
}

void Dense::backward_weight(Workspace& workspace, std::int64_t rows, ConstCells x, ConstCells dy) const {
  multiply(workspace, compute::Phase::gemm_weight, weight_product(rows, dy.element()), dy, x, weight.gradient);
}

void Dense::backward_input(Workspace& workspace, std::int64_t rows, ConstCells dy, Cells dx, bool accumulate) const {
  multiply(workspace, compute::Phase::gemm_input, input_product(rows, dy.element(), dx.element(), accumulate), dy,
           weight.value, dx);
}

void Dense::plan(Workspace& workspace, std::int64_t rows, const DensePlan& plan) const {
  workspace.gemm.plan(forward_product(rows, plan.x, plan.y, plan.with_bias));
  workspace.gemm.plan(weight_product(rows, plan.dy));
  workspace.gemm.plan(input_product(rows, plan.dy, plan.dx, plan.accumulates));
}

Dense Dense::outputs(std::int64_t first, std::int64_t count) const {
  const std::int64_t skipped = first * in;
  return {in, count, {weight.value + skipped, weight.gradient + skipped}, {bias.value + first, bias.gradient + first}};
}

}  // namespace initlab::model
