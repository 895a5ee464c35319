// Bias and GELU (Hendrycks and Gimpel 2016, arXiv 1606.08415) over rows, forward and backward.
#pragma once

#include <cstdint>

#include "compute/element.hpp"

namespace initlab::compute {

enum class Gelu {
  erf,  // x Phi(x)                                                        Hugging Face "gelu"
  tanh  // x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2               Hugging Face "gelu_new"
};

// y = gelu(x + bias): x (rows, n), bias (n), y (rows, n). Computed in f32 whatever x and y hold; y is rounded where it
// is bf16. Error of an f32 y: a few units in its last place, and for the tail x < 0 of the order eps x^2 relative. y
// may be x where both hold the same.
void bias_gelu_forward(Gelu kind, std::int64_t rows, std::int64_t n, ConstCells x, const float* bias, Cells y);

// dy (rows, n) becomes dx = dy gelu'(x + bias), in place; dbias (n) += column sums of dx, before it is rounded to what
// dy holds, in an order that no number of threads changes.
void bias_gelu_backward(Gelu kind, std::int64_t rows, std::int64_t n, ConstCells x, const float* bias, Cells dy,
                        float* dbias);

}  // namespace initlab::compute
