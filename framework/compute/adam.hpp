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

// What adam_update makes of pieces whose gradient is zero in several steps, at once and to the same bits: `steps`, one
// after another, from number `group` of the piece on. Reads no gradient; memory is read and written once, however many
// steps there are. Moments::zero: both are zero in all pieces; they are neither read nor written, and the epsilon of
// the steps is above zero. All steps have an anchor, or none has.
enum class Moments { any, zero };
void adam_replay(std::span<const AdamConstants> steps, std::span<const Piece> pieces, Moments moments,
                 const AdamBlocks& blocks);

// Sum of x[i]^2 over the pieces, in double, in an order that no number of threads changes. `sums` has room for a number
// a piece. Pieces of zeros change no bit, be they in the list or not. Relative error at most (numbers of the longest
// piece + number of pieces) 2^-53.
double sum_of_squares(std::span<const Piece> pieces, const float* x, std::span<double> sums);

// Zeroes the pieces of x.
void clear(std::span<const Piece> pieces, float* x);

}  // namespace initlab::compute
