// The Adam update: one pass over flat blocks. Equations: train/optimizer.hpp.
#pragma once

#include <span>

namespace initlab::compute {

struct AdamStep {
  bool bias_corrected = true;  // torch.optim.AdamW; else google-research/bert's
  double learning_rate = 0;
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weight_decay = 0;
  double correction1 = 1, correction2 = 1;  // 1 - beta^t
  double gradient_scale = 1;                // clipping
};

// Updates values and both moments (n floats each) and sets the gradient to zero. Weight decay pulls towards zero, or
// towards `anchor` (n floats) where one is given. Twin: reference/adam.hpp.
void adam_update(const AdamStep& step, std::span<float> values, std::span<float> gradients, std::span<float> first,
                 std::span<float> second, std::span<const float> anchor = {});

}  // namespace initlab::compute
