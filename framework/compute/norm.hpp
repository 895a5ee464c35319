// Bias + dropout + residual + LayerNorm over rows (Ba et al. 2016, arXiv 1607.06450), forward and backward.
//
//   s = scale residual + dropout(x + bias)     xhat = (s - mean(s)) / sqrt(var(s) + epsilon)     y = gamma xhat + beta
// scale is 1 in BERT, a vector in DeepNorm (Wang et al. 2022, arXiv 2203.00555) and Admin (Liu et al. 2020, arXiv
// 2004.08249). The variance is the biased one (divided by n), as in Hugging Face's BERT.
#pragma once

#include <cstdint>

#include "compute/dropout.hpp"
#include "compute/element.hpp"

namespace initlab::compute {

struct NormShape {
  std::int64_t rows = 0;
  std::int64_t n = 0;  // features
  float epsilon = 0;
};

// What comes before the normalisation.
struct NormInput {
  const float* bias = nullptr;      // (n), null: none
  const float* residual = nullptr;  // (rows, n), null: none
  DropoutSite dropout;
  RowNames names;                         // needed where dropout is active
  const float* residual_scale = nullptr;  // (n), null: 1
};

// x (rows, n) becomes xhat in place; y (rows, n); inverse_deviation (rows) is kept for the backward pass. y16 (rows,
// n), where not null, receives y rounded to bf16 as well.
void norm_forward(const NormShape& shape, const NormInput& input, const float* gamma, const float* beta, float* x,
                  float* y, float* inverse_deviation, Bf16* y16 = nullptr);

struct NormGradients {
  float* dresidual = nullptr;  // (rows, n): receives scale ds; null: not wanted. May be dy itself.
  Cells dx;                 // (rows, n): receives ds through the dropout, rounded where it is bf16. May be dy itself;
                            // where the dropout is inactive, may be dresidual.
  float* dbias = nullptr;   // (n) += column sums of dx, before it is rounded; null: none
  float* dgamma = nullptr;  // (n) +=
  float* dbeta = nullptr;   // (n) +=
  float* dresidual_scale = nullptr;  // (n) +=; null: none. Looked at with a residual_scale only.
};

// Floats of scratch memory that norm_backward needs for rows of n features.
std::int64_t norm_backward_scratch(std::int64_t n);

// dy (rows, n). Column sums are taken over fixed groups of rows and then over the groups in order, so no number of
// threads changes a bit.
void norm_backward(const NormShape& shape, const NormInput& input, const float* gamma, const float* xhat,
                   const float* inverse_deviation, const float* dy, const NormGradients& gradients, float* scratch);

}  // namespace initlab::compute
