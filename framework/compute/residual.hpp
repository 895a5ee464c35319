// Bias + dropout + residual sum without a LayerNorm over rows, forward and backward.
//
//   branch = dropout(x + bias)        y = residual + scale branch
// scale is one number, trained (Bachlechner et al. 2020, arXiv 2003.04887; Zhang et al. 2019, arXiv 1901.09321).
#pragma once

#include <cstdint>

#include "compute/dropout.hpp"
#include "compute/element.hpp"

namespace initlab::compute {

struct ResidualInput {
  const float* bias = nullptr;      // (n)
  const float* residual = nullptr;  // (rows, n); the backward pass does not look at it
  const float* scale = nullptr;     // (1)
  DropoutSite dropout;
  RowNames names;  // needed where dropout is active
};

// x (rows, n) becomes branch in place; y (rows, n). y16 (rows, n), where not null, receives y rounded to bf16 as well.
void residual_forward(std::int64_t rows, std::int64_t n, const ResidualInput& input, float* x, float* y,
                      Bf16* y16 = nullptr);

struct ResidualGradients {
  Cells dx;                 // (rows, n): receives scale dy through the dropout, rounded where it is bf16
  float* dbias = nullptr;   // (n) += column sums of dx, before it is rounded
  float* dscale = nullptr;  // (1) += the sum of dy branch
};

// Floats of scratch memory that residual_backward needs for rows of n features.
std::int64_t residual_backward_scratch(std::int64_t n);

// dy (rows, n) is the residual's gradient as well. Sums are taken over fixed groups of rows and then over the groups in
// order, so no number of threads changes a bit.
void residual_backward(std::int64_t rows, std::int64_t n, const ResidualInput& input, const float* branch,
                       const float* dy, const ResidualGradients& gradients, float* scratch);

}  // namespace initlab::compute
