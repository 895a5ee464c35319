// Small kernels over rows: bias + tanh, column sums.
#pragma once

#include <cstdint>

#include "compute/element.hpp"

namespace initlab::compute {

// x (rows, n) becomes y = tanh(x + bias), in place; bias (n). Relative error below 4e-7 beside that of the sum.
void bias_tanh_forward(std::int64_t rows, std::int64_t n, const float* bias, float* x);
// dy (rows, n) becomes dx = dy (1 - y^2), in place; dbias (n) += column sums of dx.
void bias_tanh_backward(std::int64_t rows, std::int64_t n, const float* y, float* dy, float* dbias);

// sums (n) += column sums of x (rows, n), f32 or bf16, whose rows are `row` numbers apart; summed in f32, in an order
// that no number of threads changes.
void add_column_sums(std::int64_t rows, std::int64_t n, ConstCells x, std::int64_t row, float* sums);

}  // namespace initlab::compute
