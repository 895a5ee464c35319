// The Adam update and the gradient's norm: one pass each over the pieces of flat blocks. Equations:
// train/optimizer.hpp.
#pragma once

#include <span>

#include "compute/pieces.hpp"

namespace initlab::compute {

struct AdamStep {
  bool bias_corrected = true;  // torch.optim.AdamW; else google-research/bert's
  bool to_anchor = false;      // weight decay pulls towards the anchor, not towards zero
  double learning_rate = 0;
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weight_decay = 0;
  double correction1 = 1, correction2 = 1;  // 1 - beta^t
  double gradient_scale = 1;                // clipping
};

// An AdamStep in the arithmetic of the loop.
struct AdamConstants {
  bool to_anchor;
  float keep1, take1, keep2, take2, epsilon, shrink, pull, rate, root_correction2, scale, decay;
};
AdamConstants adam_constants(const AdamStep& step);

// Flat blocks of one layout.
struct AdamBlocks {
  float* values = nullptr;
  float* gradients = nullptr;
  float* first = nullptr;         // moment
  float* second = nullptr;        // moment
  const float* anchor = nullptr;  // read only where a step decays to it
};

// Updates values and both moments of the pieces, each with the constants of its group, and sets their gradients to
// zero. What an element becomes depends on its own numbers alone, not on how the block is cut. Twin:
// reference/adam.hpp.
void adam_update(std::span<const AdamConstants> groups, std::span<const Piece> pieces, const AdamBlocks& blocks);

// Sum of x[i]^2 over the pieces, in double, in an order that no number of threads changes. Books nothing: `sums` has
// room for one number a piece. Pieces of zeros change no bit, present or absent. Relative error below 1e-10 for pieces
// of at most 2^20 numbers, 2^20 of them.
double sum_of_squares(std::span<const Piece> pieces, const float* x, std::span<double> sums);

// Zeroes the pieces of x.
void clear(std::span<const Piece> pieces, float* x);

}  // namespace initlab::compute
