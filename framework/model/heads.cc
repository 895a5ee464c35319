#include "model/heads.hpp"

#include <algorithm>
#include <numeric>

#include "compute/loss.hpp"
#include "compute/norm.hpp"
#include "compute/vector.hpp"
#include "model/encoder_layer.hpp"

namespace initlab::model {

using compute::Phase;
using compute::Timed;

PooledHead::PooledHead(const config::ModelConfig& model, bool regression, std::int64_t outputs)
    : model_(model), regression_(regression), outputs_(outputs) {}

void PooledHead::book(compute::Arena& arena, const Capacity& capacity) {
  const std::int64_t rows = padded(capacity.sequences), h = model_.hidden;
  for (float** buffer : {&mean_, &activated_, &dropped_, &dpooled_, &dactivated_})
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

void PooledHead::plan(Workspace& workspace, std::int64_t rows) const {
  pooler_.plan(workspace, rows, {});
  classifier_.plan(workspace, rows, {.with_bias = true});
}

// The rows read are a sequence's first, and are what is pooled; or all of its rows.
const float* PooledHead::pool(const Step& step, const float* hidden) {
  if (model_.pooling != "mean") return hidden;
  const std::int64_t h = model_.hidden;
  for (std::int64_t b = 0; b < step.batch->sequences(); ++b) {
    const std::int64_t first = step.read.offsets[b], last = step.read.offsets[b + 1];
    float* row = mean_ + b * h;
    std::fill(row, row + h, 0.0f);
    for (std::int64_t t = first; t < last; ++t)
      for (std::int64_t i = 0; i < h; ++i) row[i] += hidden[t * h + i];
    for (std::int64_t i = 0; i < h; ++i) row[i] /= static_cast<float>(last - first);
  }
  clear_padding(step.batch->sequences(), h, mean_);
  return mean_;
}

void PooledHead::pool_backward(const Step& step, float* dhidden) const {
  const std::int64_t h = model_.hidden;
  for (std::int64_t b = 0; b < step.batch->sequences(); ++b) {
    const std::int64_t first = step.read.offsets[b], last = step.read.offsets[b + 1];
    for (std::int64_t t = first; t < last; ++t)
      for (std::int64_t i = 0; i < h; ++i) dhidden[t * h + i] = dpooled_[b * h + i] / static_cast<float>(last - first);
  }
  clear_padding(step.read.count, h, dhidden);
}

double PooledHead::forward(const Step& step, Workspace& workspace, Hidden hidden) {
  const batch::Batch& batch = *step.batch;
  const std::int64_t b = batch.sequences(), rows = padded(b), h = model_.hidden;
  sequences_ = b;
  pooled_ = pool(step, hidden.values);
  pooler_.forward(workspace, rows, pooled_, activated_, /*with_bias=*/false);
  {
    const Timed timed(workspace.times, Phase::elementwise);
    compute::bias_tanh_forward(b, h, pooler_.bias.value, activated_);
    std::copy(activated_, activated_ + rows * h, dropped_);
    compute::dropout_apply(step.hidden.at(kPooledSite), names(batch), b, h, dropped_);
  }
  classifier_.forward(workspace, rows, dropped_, logits_, /*with_bias=*/true);
  const Timed timed(workspace.times, Phase::loss);
  if (regression_) return compute::squared_error_forward(b, logits_, batch.targets.data());
  compute::cross_entropy_forward(b, outputs_, logits_, batch.classes.data(), losses_, log_sums_, hits_);
  return std::accumulate(losses_, losses_ + b, 0.0);
}

void PooledHead::backward(const Step& step, Workspace& workspace, float scale, float* dhidden) {
  const batch::Batch& batch = *step.batch;
  const std::int64_t b = batch.sequences(), rows = padded(b), h = model_.hidden;
  {
    const Timed timed(workspace.times, Phase::loss);
    if (regression_) {
      compute::squared_error_backward(b, logits_, batch.targets.data(), scale, dlogits_);
    } else {
      std::copy(logits_, logits_ + b * outputs_, dlogits_);
      compute::cross_entropy_backward(b, outputs_, dlogits_, batch.classes.data(), log_sums_, scale);
    }
    clear_padding(b, outputs_, dlogits_);
    compute::add_column_sums(b, outputs_, dlogits_, outputs_, classifier_.bias.gradient);
  }
  classifier_.backward_weight(workspace, rows, dropped_, dlogits_);
  classifier_.backward_input(workspace, rows, dlogits_, dactivated_, /*accumulate=*/false);
  {
    const Timed timed(workspace.times, Phase::elementwise);
    compute::dropout_apply(step.hidden.at(kPooledSite), names(batch), b, h, dactivated_);
    compute::bias_tanh_backward(b, h, activated_, dactivated_, pooler_.bias.gradient);
  }
  pooler_.backward_weight(workspace, rows, pooled_, dactivated_);
  if (model_.pooling == "mean") {
    pooler_.backward_input(workspace, rows, dactivated_, dpooled_, /*accumulate=*/false);
    pool_backward(step, dhidden);
  } else {
    pooler_.backward_input(workspace, rows, dactivated_, dhidden, /*accumulate=*/false);
  }
}

std::span<const float> PooledHead::logits() const { return {logits_, static_cast<std::size_t>(sequences_ * outputs_)}; }

namespace {

// Columns of a streamed piece: a few hundred rows of it stay in the caches.
constexpr std::int64_t kPieceColumns = 2048;

}  // namespace

MlmHead::MlmHead(const config::ModelConfig& model, compute::Element products, bool streamed)
    : model_(model), products_(products), streamed_(streamed), activation_(activation_of(model)) {}

void MlmHead::book(compute::Arena& arena, const Capacity& capacity) {
  const std::int64_t rows = padded(capacity.predictions), h = model_.hidden;
  const std::int64_t columns = streamed_ ? std::min(kPieceColumns, model_.vocabulary) : model_.vocabulary;
  for (float** buffer : {&inner_, &xhat_, &dnormed_}) *buffer = arena.take<float>(rows * h);
  inverse_deviation_ = arena.take<float>(rows);
  normed_.book(arena, rows * h, products_);
  logits_ = arena.take<float>(rows * columns);
  const bool narrow = products_ == compute::Element::bf16;
  dlogits_ = narrow ? take_cells(arena, rows * columns, products_) : compute::Cells(logits_);
  dinner_ = narrow ? take_cells(arena, rows * h, products_) : compute::Cells(dnormed_);
  state_ = arena.take<compute::CrossEntropyRow>(rows);
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

template <class Body>
void MlmHead::for_pieces(const Body& body) const {
  const std::int64_t columns = streamed_ ? kPieceColumns : model_.vocabulary;
  for (std::int64_t first = 0; first < model_.vocabulary; first += columns)
    body(Piece{first, std::min(columns, model_.vocabulary - first)});
}

void MlmHead::plan(Workspace& workspace, std::int64_t rows) const {
  transform_.plan(workspace, rows, {.x = products_, .dy = products_});
  for_pieces([&](const Piece& piece) {
    decoder_.outputs(piece.first, piece.count)
        .plan(workspace, rows, {.x = products_, .dy = products_, .with_bias = true, .accumulates = piece.first > 0});
  });
}

void MlmHead::make_logits(Workspace& workspace, const Piece& piece) {
  decoder_.outputs(piece.first, piece.count)
      .forward(workspace, padded(predictions_), normed_.view().operand, logits_, /*with_bias=*/true);
}

double MlmHead::forward(const Step& step, Workspace& workspace, Hidden hidden) {
  const std::int64_t p = step.read.count, rows = padded(p), h = model_.hidden;
  predictions_ = p;
  if (p == 0) return 0;
  hidden_ = hidden;
  transform_.forward(workspace, rows, hidden.operand, inner_, /*with_bias=*/false);
  {
    const Timed timed(workspace.times, Phase::elementwise);
    compute::bias_gelu_forward(activation_, p, h, inner_, transform_.bias.value, xhat_);
    compute::norm_forward({p, h, static_cast<float>(model_.layer_norm_epsilon)}, {}, norm_.scale.value,
                          norm_.shift.value, xhat_, normed_.values, inverse_deviation_, normed_.rounded);
    normed_.clear_padding(p, h);
  }
  const std::int32_t* labels = step.batch->masked_labels.data();
  compute::cross_entropy_start(p, state_);
  for_pieces([&](const Piece& piece) {
    make_logits(workspace, piece);
    const Timed timed(workspace.times, Phase::loss);
    compute::cross_entropy_update(p, chunk(piece), labels, state_);
  });
  compute::cross_entropy_finish(p, labels, state_, losses_, log_sums_, hits_);
  return std::accumulate(losses_, losses_ + p, 0.0);
}

void MlmHead::backward(const Step& step, Workspace& workspace, float scale, float* dhidden) {
  const std::int64_t p = step.read.count, rows = padded(p), h = model_.hidden;
  for_pieces([&](const Piece& piece) {
    if (streamed_) make_logits(workspace, piece);
    {
      const Timed timed(workspace.times, Phase::loss);
      compute::cross_entropy_backward(p, chunk(piece), step.batch->masked_labels.data(), log_sums_, scale, dlogits_,
                                      piece.count, decoder_.bias.gradient + piece.first);
      clear_padding(p, piece.count, dlogits_);
    }
    const Dense decoder = decoder_.outputs(piece.first, piece.count);
    decoder.backward_weight(workspace, rows, normed_.view().operand, dlogits_);
    decoder.backward_input(workspace, rows, dlogits_, dnormed_, /*accumulate=*/piece.first > 0);
  });
  {
    const Timed timed(workspace.times, Phase::elementwise);
    compute::norm_backward({p, h}, {}, norm_.scale.value, xhat_, inverse_deviation_, dnormed_,
                           {.dx = dnormed_, .dgamma = norm_.scale.gradient, .dbeta = norm_.shift.gradient},
                           workspace.norm);
    compute::bias_gelu_backward(activation_, p, h, inner_, transform_.bias.value, dnormed_, transform_.bias.gradient);
    if (products_ == compute::Element::bf16) {
      const auto n = static_cast<std::size_t>(p * h);
      compute::round_to_bf16({dnormed_, n}, {dinner_.bf16(), n});
    }
    clear_padding(p, h, dinner_);
  }
  transform_.backward_weight(workspace, rows, hidden_.operand, dinner_);
  transform_.backward_input(workspace, rows, dinner_, dhidden, /*accumulate=*/false);
}

void MlmHead::copy_logits(Workspace& workspace, std::span<float> dst) {
  for_pieces([&](const Piece& piece) {
    make_logits(workspace, piece);
    for (std::int64_t r = 0; r < predictions_; ++r)
      for (std::int64_t c = 0; c < piece.count; ++c) {
        const auto at = static_cast<std::size_t>(r * model_.vocabulary + piece.first + c);
        if (at < dst.size()) dst[at] = logits_[r * piece.count + c];
      }
  });
}

std::int64_t MlmHead::hits() const { return std::accumulate(hits_, hits_ + predictions_, std::int64_t{0}); }

}  // namespace initlab::model
