// One encoder layer of BERT, LayerNorm after the residual sum (Devlin et al. 2018; Vaswani et al. 2017, figure 1).
//
//   attended = norm(x + dropout(attention(x) Wo^T + bo))        y = norm(attended + dropout(gelu(attended Wi^T + bi)
//   Wf^T + bf))
// Internal to model/.
#pragma once

#include "compute/gelu.hpp"
#include "compute/norm.hpp"
#include "config/config.hpp"
#include "model/bert.hpp"
#include "model/step.hpp"

namespace initlab::model {

class EncoderLayer {
 public:
  EncoderLayer(const config::ModelConfig& model, std::int64_t layer, const compute::AttentionShape& attention);
  void book(compute::Arena& arena, const Capacity& capacity);
  void bind(const Blocks& blocks);

  // x (T, H), padding zero, must stay as it is until backward. Returns y (T, H), padding zero.
  const float* forward(const Step& step, Workspace& workspace, const float* x);
  // dy (T, H), padding zero, becomes dx.
  void backward(const Step& step, Workspace& workspace, float* dy);

 private:
  compute::NormInput attended_input(const Step& step, const float* x) const;
  compute::NormInput output_input(const Step& step) const;
  compute::AttentionInput attention_input() const;

  config::ModelConfig model_;
  std::int64_t layer_;
  compute::AttentionShape attention_;
  compute::Gelu activation_;

  Dense qkv_, attention_output_, intermediate_, output_;
  Norm attention_norm_, output_norm_;

  const float* x_ = nullptr;                     // (T, H) the layer below's output
  float* qkv_values_ = nullptr;                  // (T, 3H)
  float* log_sums_ = nullptr;                    // (T, A) of the attention scores
  float* context_ = nullptr;                     // (T, H)
  float* attended_xhat_ = nullptr;               // (T, H)
  float* attended_inverse_deviation_ = nullptr;  // (T)
  float* attended_ = nullptr;                    // (T, H)
  float* inner_ = nullptr;                       // (T, I) before bias and GELU
  float* activated_ = nullptr;                   // (T, I)
  float* output_xhat_ = nullptr;                 // (T, H)
  float* output_inverse_deviation_ = nullptr;    // (T)
  float* y_ = nullptr;                           // (T, H)
};

compute::Gelu activation_of(const config::ModelConfig& model);

}  // namespace initlab::model
