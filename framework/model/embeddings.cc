#include "model/embeddings.hpp"

#include "compute/embedding.hpp"
#include "compute/norm.hpp"

namespace initlab::model {
namespace {

compute::EmbeddingRows rows_of(const batch::Batch& batch) {
  return {batch.ids.data(), batch.positions.data(), batch.types.data()};
}

}  // namespace

void Embeddings::book(compute::Arena& arena, std::int64_t most_rows) {
  xhat_ = arena.take<float>(most_rows * model_.hidden);
  inverse_deviation_ = arena.take<float>(most_rows);
  y_ = arena.take<float>(most_rows * model_.hidden);
}

void Embeddings::bind(const Blocks& blocks) {
  word_ = slice(blocks, "bert.embeddings.word_embeddings.weight");
  position_ = slice(blocks, "bert.embeddings.position_embeddings.weight");
  type_ = slice(blocks, "bert.embeddings.token_type_embeddings.weight");
  norm_ = norm(blocks, "bert.embeddings.LayerNorm");
}

const float* Embeddings::forward(const Step& step) {
  const std::int64_t h = model_.hidden;
  compute::embedding_forward(step.tokens, h, rows_of(*step.batch), word_.value, position_.value, type_.value, xhat_);
  compute::norm_forward({step.tokens, h, static_cast<float>(model_.layer_norm_epsilon)}, {}, norm_.scale.value,
                        norm_.shift.value, xhat_, y_, inverse_deviation_);
  compute::dropout_apply(step.hidden.at(kEmbeddingSite), step.names, step.tokens, h, y_);
  clear_padding(step.tokens, h, y_);
  return y_;
}

void Embeddings::backward(const Step& step, Workspace& workspace, float* dy) {
  const std::int64_t h = model_.hidden;
  compute::dropout_apply(step.hidden.at(kEmbeddingSite), step.names, step.tokens, h, dy);
  compute::norm_backward({step.tokens, h}, {}, norm_.scale.value, xhat_, inverse_deviation_, dy,
                         {.dx = dy, .dgamma = norm_.scale.gradient, .dbeta = norm_.shift.gradient}, workspace.norm);
  compute::embedding_backward(step.tokens, h, rows_of(*step.batch), dy, word_.gradient, position_.gradient,
                              type_.gradient);
}

}  // namespace initlab::model
