// Mixout (Lee et al. 2020, arXiv 1909.11299): a weight w is replaced by its target t with probability p, and what is
// left is rescaled so that the mean stays w:
//   mixed = ((1 - m) t + m w - p t) / (1 - p),  m ~ Bernoulli(1 - p)      =      t + f (w - t),  f = m / (1 - p)
// which is dropout on the difference, so f is a dropout factor (compute/dropout.hpp) and p is rounded as there, to n /
// 65536. d mixed / d w = f.
//
// Matrices are (rows, columns), row-major. The bits of row r stand at position r of slot 0, those of a column at its
// feature.
#pragma once

#include <cstdint>

#include "compute/dropout.hpp"

namespace initlab::compute {

// What is replaced together: each weight for itself, or all weights that leave one input neuron (a column).
enum class MixUnit { weight, neuron };

// mixed (rows, columns) from w and t. The site must be active. Twin: reference/mixout.hpp.
void mixout_forward(const DropoutSite& site, MixUnit unit, std::int64_t rows, std::int64_t columns, const float* target,
                    const float* w, float* mixed);
// dw (rows, columns) times f, in place.
void mixout_backward(const DropoutSite& site, MixUnit unit, std::int64_t rows, std::int64_t columns, float* dw);

}  // namespace initlab::compute
