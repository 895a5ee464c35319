#include "model/encoder_layer.hpp"

#include "compute/vector.hpp"

namespace initlab::model {

compute::Gelu activation_of(const config::ModelConfig& model) {
  return model.activation == "gelu_new" ? compute::Gelu::tanh : compute::Gelu::erf;
}

EncoderLayer::EncoderLayer(const config::ModelConfig& model, std::int64_t layer,
                           const compute::AttentionShape& attention)
    : model_(model), layer_(layer), attention_(attention), activation_(activation_of(model)) {}

void EncoderLayer::book(compute::Arena& arena, const Capacity& capacity) {
  const std::int64_t rows = padded(capacity.tokens), h = model_.hidden, i = model_.intermediate;
  qkv_values_ = arena.take<float>(rows * 3 * h);
  log_sums_ = arena.take<float>(rows * model_.heads);
  context_ = arena.take<float>(rows * h);
  attended_xhat_ = arena.take<float>(rows * h);
  attended_inverse_deviation_ = arena.take<float>(rows);
  attended_ = arena.take<float>(rows * h);
  inner_ = arena.take<float>(rows * i);
  activated_ = arena.take<float>(rows * i);
  output_xhat_ = arena.take<float>(rows * h);
  output_inverse_deviation_ = arena.take<float>(rows);
  y_ = arena.take<float>(rows * h);
}

void EncoderLayer::bind(const Blocks& blocks) {
  const std::int64_t h = model_.hidden;
  const std::string layer = "bert.encoder.layer." + std::to_string(layer_) + ".";
  // Query, key and value stand one after another in the table: one (3H, H) matrix and one (3H) bias.
  qkv_ = dense(blocks, layer + "attention.self.query", 3 * h, h);
  attention_output_ = dense(blocks, layer + "attention.output.dense", h, h);
  attention_norm_ = norm(blocks, layer + "attention.output.LayerNorm");
  intermediate_ = dense(blocks, layer + "intermediate.dense", model_.intermediate, h);
  output_ = dense(blocks, layer + "output.dense", h, model_.intermediate);
  output_norm_ = norm(blocks, layer + "output.LayerNorm");
}

compute::NormInput EncoderLayer::attended_input(const Step& step, const float* x) const {
  return {attention_output_.bias.value, x, step.hidden.at(layer_site(layer_, model_.heads)), step.names};
}

compute::NormInput EncoderLayer::output_input(const Step& step) const {
  return {output_.bias.value, attended_, step.hidden.at(layer_site(layer_, model_.heads) + 1), step.names};
}

compute::AttentionInput EncoderLayer::attention_input() const {
  const std::int64_t h = model_.hidden;
  return {qkv_values_, 3 * h, qkv_values_ + h, qkv_values_ + 2 * h, 3 * h};
}

const float* EncoderLayer::forward(const Step& step, Workspace& workspace, const float* x) {
  const std::int64_t t = step.tokens, rows = step.rows, h = model_.hidden, i = model_.intermediate;
  const compute::NormShape shape{t, h, static_cast<float>(model_.layer_norm_epsilon)};
  compute::Gemm& gemm = workspace.gemm;
  x_ = x;

  qkv_.forward(gemm, rows, x, qkv_values_, /*with_bias=*/true);
  compute::attention_forward(attention_, step.sequences, step.attention.at(layer_site(layer_, model_.heads) + 2),
                             attention_input(), context_, log_sums_, workspace.attention);
  clear_padding(t, h, context_);
  attention_output_.forward(gemm, rows, context_, attended_xhat_, /*with_bias=*/false);
  compute::norm_forward(shape, attended_input(step, x), attention_norm_.scale.value, attention_norm_.shift.value,
                        attended_xhat_, attended_, attended_inverse_deviation_);
  clear_padding(t, h, attended_);

  intermediate_.forward(gemm, rows, attended_, inner_, /*with_bias=*/false);
  compute::bias_gelu_forward(activation_, t, i, inner_, intermediate_.bias.value, activated_);
  clear_padding(t, i, activated_);
  output_.forward(gemm, rows, activated_, output_xhat_, /*with_bias=*/false);
  compute::norm_forward(shape, output_input(step), output_norm_.scale.value, output_norm_.shift.value, output_xhat_, y_,
                        output_inverse_deviation_);
  clear_padding(t, h, y_);
  return y_;
}

void EncoderLayer::backward(const Step& step, Workspace& workspace, float* dy) {
  const std::int64_t t = step.tokens, rows = step.rows, h = model_.hidden, i = model_.intermediate;
  const compute::NormShape shape{t, h, static_cast<float>(model_.layer_norm_epsilon)};
  compute::Gemm& gemm = workspace.gemm;
  float* d = workspace.dy;  // (T, H) gradient of a dense layer's output

  compute::norm_backward(shape, output_input(step), output_norm_.scale.value, output_xhat_, output_inverse_deviation_,
                         dy,
                         {.dresidual = dy,
                          .dx = d,
                          .dbias = output_.bias.gradient,
                          .dgamma = output_norm_.scale.gradient,
                          .dbeta = output_norm_.shift.gradient},
                         workspace.norm);
  clear_padding(t, h, d);
  output_.backward_weight(gemm, rows, activated_, d);
  output_.backward_input(gemm, rows, d, workspace.dinner, /*accumulate=*/false);
  compute::bias_gelu_backward(activation_, t, i, inner_, intermediate_.bias.value, workspace.dinner,
                              intermediate_.bias.gradient);
  intermediate_.backward_weight(gemm, rows, attended_, workspace.dinner);
  intermediate_.backward_input(gemm, rows, workspace.dinner, dy, /*accumulate=*/true);

  compute::norm_backward(shape, attended_input(step, x_), attention_norm_.scale.value, attended_xhat_,
                         attended_inverse_deviation_, dy,
                         {.dresidual = dy,
                          .dx = d,
                          .dbias = attention_output_.bias.gradient,
                          .dgamma = attention_norm_.scale.gradient,
                          .dbeta = attention_norm_.shift.gradient},
                         workspace.norm);
  clear_padding(t, h, d);
  attention_output_.backward_weight(gemm, rows, context_, d);
  attention_output_.backward_input(gemm, rows, d, workspace.dcontext, /*accumulate=*/false);
  compute::attention_backward(attention_, step.sequences, step.attention.at(layer_site(layer_, model_.heads) + 2),
                              attention_input(), log_sums_, workspace.dcontext,
                              {.dquery = workspace.dqkv,
                               .query_row = 3 * h,
                               .dkey = workspace.dqkv + h,
                               .dvalue = workspace.dqkv + 2 * h,
                               .key_row = 3 * h},
                              workspace.attention);
  clear_padding(t, 3 * h, workspace.dqkv);
  // No sum for the key bias: it adds the same to all scores of a query, which softmax does not see. Its gradient is 0,
  // and rounding noise in its place would be blown up to full steps by Adam.
  compute::add_column_sums(t, h, workspace.dqkv, 3 * h, qkv_.bias.gradient);
  compute::add_column_sums(t, h, workspace.dqkv + 2 * h, 3 * h, qkv_.bias.gradient + 2 * h);
  qkv_.backward_weight(gemm, rows, x_, workspace.dqkv);
  qkv_.backward_input(gemm, rows, workspace.dqkv, dy, /*accumulate=*/true);
}

}  // namespace initlab::model
