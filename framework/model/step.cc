#include "model/step.hpp"

#include <algorithm>

namespace initlab::model {

void clear_padding(std::int64_t rows, std::int64_t n, float* x) { std::fill(x + rows * n, x + padded(rows) * n, 0.0f); }

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

void Dense::forward(compute::Gemm& gemm, std::int64_t rows, const float* x, float* y, bool with_bias) const {
  gemm({.m = rows, .n = out, .k = in, .b = compute::Stored::transposed, .bias = with_bias}, x, weight.value, y,
       with_bias ? bias.value : nullptr);
}

void Dense::backward_weight(compute::Gemm& gemm, std::int64_t rows, const float* x, const float* dy) const {
  gemm({.m = out, .n = in, .k = rows, .a = compute::Stored::transposed, .accumulate = true}, dy, x, weight.gradient);
}

void Dense::backward_input(compute::Gemm& gemm, std::int64_t rows, const float* dy, float* dx, bool accumulate) const {
  gemm({.m = rows, .n = in, .k = out, .accumulate = accumulate}, dy, weight.value, dx);
}

}  // namespace initlab::model
