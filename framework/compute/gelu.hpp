// Bias and GELU (Hendrycks and Gimpel 2016, arXiv 1606.08415) over rows, forward and backward.
#pragma once

#include <cstdint>

namespace initlab::compute {

enum class Gelu {
  erf,  // x Phi(x)                                                        Hugging Face "gelu"
  tanh  // x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2               Hugging Face "gelu_new"
};

// y = gelu(x + bias): x (rows, n), bias (n), y (rows, n). Error per value: a few units in the last place of y, and for
// the tail x < 0 of the order eps x^2 relative.
void bias_gelu_forward(Gelu kind, std::int64_t rows, std::int64_t n, const float* x, const float* bias, float* y);

// dy (rows, n) becomes dx = dy gelu'(x + bias), in place; dbias (n) += column sums of dx, in an order that no number of
// threads changes.
void bias_gelu_backward(Gelu kind, std::int64_t rows, std::int64_t n, const float* x, const float* bias, float* dy,
                        float* dbias);

}  // namespace initlab::compute
