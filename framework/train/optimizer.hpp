// Adam with decoupled weight decay, over the flat blocks of the parameter table.
//
// "adamw" (Loshchilov & Hutter 2019, arXiv 1711.05101, as torch.optim.AdamW computes it):
//   w -= lr wd w;  m = b1 m + (1-b1) g;  v = b2 v + (1-b2) g^2;  w -= lr / (1-b1^t)  m / (sqrt(v / (1-b2^t)) + eps)
// "bert_adam" (google-research/bert, optimization.py): no bias correction, the decay joins the update:
//   w -= lr (m / (sqrt(v) + eps) + wd w)
// Weight decay falls on matrices and embeddings only, never on biases and LayerNorm. With `weight_decay_to: initial` it
// pulls towards the weights w0 that the run started from: w - w0 stands where w stands above (Lee et al. 2020, arXiv
// 1909.11299: wd(pre); Zhang et al. 2021, arXiv 2006.05987: prior weight decay).
// Frozen parameters, rates by part and layer: groups.hpp.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "config/config.hpp"
#include "params/params.hpp"
#include "train/groups.hpp"

namespace initlab::train {

// Global L2 norm of a gradient block. Accumulated in double, in a fixed order.
double global_norm(std::span<const float> gradients);

// What clipping multiplies the gradient by: min(1, clip / (norm + 1e-6)), as torch.nn.utils.clip_grad_norm_; 1 where
// clip is 0.
double clip_factor(double norm, double clip);

class Adam {
 public:
  // Books both moments (zero). `initial`: the flat block that the weights decay to with `weight_decay_to: initial`; it
  // must outlive the optimizer, and may be empty otherwise. Throws base::Error as update_groups.
  Adam(const config::TrainingConfig& training, const params::ParameterTable& table,
       std::span<const float> initial = {});
  // One update: values -= ..., each group at its peak rate times `rate_factor` (the schedule's), with the gradient
  // scaled by `gradient_scale` (clipping). The gradient block is set to zero.
  void step(std::span<float> values, std::span<float> gradients, double rate_factor, double gradient_scale);
  std::int64_t steps() const { return steps_; }
  std::span<const Group> groups() const { return groups_; }

 private:
  config::OptimizerConfig config_;
  std::vector<Group> groups_;
  std::span<const float> anchor_;  // empty: decay to zero
  std::vector<float> first_, second_;
  std::int64_t steps_ = 0;
};

}  // namespace initlab::train
