#include "model/heads.hpp"

#include <algorithm>
#include <numeric>

#include "compute/embedding.hpp"
#include "compute/loss.hpp"
#include "compute/norm.hpp"
#include "compute/vector.hpp"
#include "model/encoder_layer.hpp"

namespace initlab::model {

PooledHead::PooledHead(const config::ModelConfig& model, bool regression, std::int64_t outputs)
    : model_(model), regression_(regression), outputs_(outputs) {}

void PooledHead::book(compute::Arena& arena, const Capacity& capacity) {
  const std::int64_t rows = padded(capacity.sequences), h = model_.hidden;
  for (float** buffer : {&pooled_, &activated_, &dropped_, &dpooled_, &dactivated_})
    *buffer = arena.take<float>(rows * h);
  logits_ = arena.take<float>(rows * outputs_);
  dlogits_ = arena.take<float>(rows * outputs_);
  losses_ = arena.take<double>(rows);
  log_sums_ = arena.take<float>(rows);
  hits_ = arena.take<std::int32_t>(rows);
  zeros_ = arena.take<std::int32_t>(rows);
}

void PooledHead::bind(const Blocks& blocks) {
  pooler_ = dense(blocks, "bert.pooler.dense", model_.hidden, model_.hidden);
  classifier_ = dense(blocks, "classifier", outputs_, model_.hidden);
}

void PooledHead::pool(const batch::Batch& batch, const float* hidden) {
  const std::int64_t h = model_.hidden;
  for (std::int64_t b = 0; b < batch.sequences(); ++b) {
    const std::int64_t first = batch.offsets[static_cast<std::size_t>(b)];
    const std::int64_t last = model_.pooling == "mean" ? batch.offsets[static_cast<std::size_t>(b) + 1] : first + 1;
    float* row = pooled_ + b * h;
    std::fill(row, row + h, 0.0f);
    for (std::int64_t t = first; t < last; ++t)
      for (std::int64_t i = 0; i < h; ++i) row[i] += hidden[t * h + i];
    for (std::int64_t i = 0; i < h; ++i) row[i] /= static_cast<float>(last - first);
  }
}

void PooledHead::pool_backward(const batch::Batch& batch, std::int64_t rows, float* dhidden) const {
  const std::int64_t h = model_.hidden;
  std::fill(dhidden, dhidden + rows * h, 0.0f);
  for (std::int64_t b = 0; b < batch.sequences(); ++b) {
    const std::int64_t first = batch.offsets[static_cast<std::size_t>(b)];
    const std::int64_t last = model_.pooling == "mean" ? batch.offsets[static_cast<std::size_t>(b) + 1] : first + 1;
    for (std::int64_t t = first; t < last; ++t)
      for (std::int64_t i = 0; i < h; ++i) dhidden[t * h + i] = dpooled_[b * h + i] / static_cast<float>(last - first);
  }
}

double PooledHead::forward(const Step& step, Workspace& workspace, const float* hidden) {
  const batch::Batch& batch = *step.batch;
  const std::int64_t b = batch.sequences(), rows = padded(b), h = model_.hidden;
  sequences_ = b;
  pool(batch, hidden);
  clear_padding(b, h, pooled_);
  pooler_.forward(workspace.gemm, rows, pooled_, activated_, /*with_bias=*/false);
  compute::bias_tanh_forward(b, h, pooler_.bias.value, activated_);
  std::copy(activated_, activated_ + rows * h, dropped_);
  compute::dropout_apply(step.hidden.at(kPooledSite), names(batch), b, h, dropped_);
  classifier_.forward(workspace.gemm, rows, dropped_, logits_, /*with_bias=*/true);
  if (regression_) return compute::squared_error_forward(b, logits_, batch.targets.data());
  compute::cross_entropy_forward(b, outputs_, logits_, batch.classes.data(), losses_, log_sums_, hits_);
  return std::accumulate(losses_, losses_ + b, 0.0);
}

void PooledHead::backward(const Step& step, Workspace& workspace, float scale, float* dhidden) {
  const batch::Batch& batch = *step.batch;
  const std::int64_t b = batch.sequences(), rows = padded(b), h = model_.hidden;
  compute::Gemm& gemm = workspace.gemm;
  if (regression_) {
    compute::squared_error_backward(b, logits_, batch.targets.data(), scale, dlogits_);
  } else {
    std::copy(logits_, logits_ + b * outputs_, dlogits_);
    compute::cross_entropy_backward(b, outputs_, dlogits_, batch.classes.data(), log_sums_, scale);
  }
  clear_padding(b, outputs_, dlogits_);
  compute::add_column_sums(b, outputs_, dlogits_, outputs_, classifier_.bias.gradient);
  classifier_.backward_weight(gemm, rows, dropped_, dlogits_);
  classifier_.backward_input(gemm, rows, dlogits_, dactivated_, /*accumulate=*/false);
  compute::dropout_apply(step.hidden.at(kPooledSite), names(batch), b, h, dactivated_);
  compute::bias_tanh_backward(b, h, activated_, dactivated_, pooler_.bias.gradient);
  pooler_.backward_weight(gemm, rows, pooled_, dactivated_);
  pooler_.backward_input(gemm, rows, dactivated_, dpooled_, /*accumulate=*/false);
  pool_backward(batch, step.rows, dhidden);
}

std::span<const float> PooledHead::logits() const { return {logits_, static_cast<std::size_t>(sequences_ * outputs_)}; }

MlmHead::MlmHead(const config::ModelConfig& model) : model_(model), activation_(activation_of(model)) {}

void MlmHead::book(compute::Arena& arena, const Capacity& capacity) {
  const std::int64_t rows = padded(capacity.predictions), h = model_.hidden;
  for (float** buffer : {&gathered_, &inner_, &xhat_, &normed_, &dnormed_}) *buffer = arena.take<float>(rows * h);
  inverse_deviation_ = arena.take<float>(rows);
  logits_ = arena.take<float>(rows * model_.vocabulary);
  losses_ = arena.take<double>(rows);
  log_sums_ = arena.take<float>(rows);
  hits_ = arena.take<std::int32_t>(rows);
}

void MlmHead::bind(const Blocks& blocks) {
  transform_ = dense(blocks, "cls.predictions.transform.dense", model_.hidden, model_.hidden);
  norm_ = norm(blocks, "cls.predictions.transform.LayerNorm");
  decoder_ = {model_.hidden, model_.vocabulary, slice(blocks, "bert.embeddings.word_embeddings.weight"),
              slice(blocks, "cls.predictions.bias")};
}

double MlmHead::forward(const Step& step, Workspace& workspace, const float* hidden) {
  const std::int64_t p = static_cast<std::int64_t>(step.batch->masked_rows.size()), rows = padded(p), h = model_.hidden;
  predictions_ = p;
  if (p == 0) return 0;
  compute::Gemm& gemm = workspace.gemm;
  compute::gather_rows(p, h, step.batch->masked_rows.data(), hidden, gathered_);
  clear_padding(p, h, gathered_);
  transform_.forward(gemm, rows, gathered_, inner_, /*with_bias=*/false);
  compute::bias_gelu_forward(activation_, p, h, inner_, transform_.bias.value, xhat_);
  compute::norm_forward({p, h, static_cast<float>(model_.layer_norm_epsilon)}, {}, norm_.scale.value, norm_.shift.value,
                        xhat_, normed_, inverse_deviation_);
  clear_padding(p, h, normed_);
  decoder_.forward(gemm, rows, normed_, logits_, /*with_bias=*/true);
  compute::cross_entropy_forward(p, model_.vocabulary, logits_, step.batch->masked_labels.data(), losses_, log_sums_,
                                 hits_);
  return std::accumulate(losses_, losses_ + p, 0.0);
}

void MlmHead::backward(const Step& step, Workspace& workspace, float scale, float* dhidden) {
  const std::int64_t p = static_cast<std::int64_t>(step.batch->masked_rows.size()), rows = padded(p), h = model_.hidden;
  std::fill(dhidden, dhidden + step.rows * h, 0.0f);
  if (p == 0) return;
  compute::Gemm& gemm = workspace.gemm;
  compute::cross_entropy_backward(p, model_.vocabulary, logits_, step.batch->masked_labels.data(), log_sums_, scale);
  clear_padding(p, model_.vocabulary, logits_);
  compute::add_column_sums(p, model_.vocabulary, logits_, model_.vocabulary, decoder_.bias.gradient);
  decoder_.backward_weight(gemm, rows, normed_, logits_);
  decoder_.backward_input(gemm, rows, logits_, dnormed_, /*accumulate=*/false);
  compute::norm_backward({p, h}, {}, norm_.scale.value, xhat_, inverse_deviation_, dnormed_,
                         {.dx = dnormed_, .dgamma = norm_.scale.gradient, .dbeta = norm_.shift.gradient},
                         workspace.norm);
  compute::bias_gelu_backward(activation_, p, h, inner_, transform_.bias.value, dnormed_, transform_.bias.gradient);
  transform_.backward_weight(gemm, rows, gathered_, dnormed_);
  transform_.backward_input(gemm, rows, dnormed_, gathered_, /*accumulate=*/false);
  compute::scatter_add_rows(p, h, step.batch->masked_rows.data(), gathered_, dhidden);
}

std::span<const float> MlmHead::logits() const {
  return {logits_, static_cast<std::size_t>(predictions_ * model_.vocabulary)};
}

std::int64_t MlmHead::hits() const { return std::accumulate(hits_, hits_ + predictions_, std::int64_t{0}); }

}  // namespace initlab::model
