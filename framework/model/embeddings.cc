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
  if (normed_) {
    xhat_ = arena.take<float>(most_rows * model_.hidden);
    inverse_deviation_ = arena.take<float>(most_rows);
  }
  y_.book(arena, most_rows * model_.hidden, products_);
}

void Embeddings::bind(const Blocks& blocks) {
  word_ = slice(blocks, "bert.embeddings.word_embeddings.weight");
  position_ = slice(blocks, "bert.embeddings.position_embeddings.weight");
  type_ = slice(blocks, "bert.embeddings.token_type_embeddings.weight");
  if (normed_) norm_ = norm(blocks, "bert.embeddings.LayerNorm");
}

Hidden Embeddings::forward(const Step& step, Workspace& workspace) {
  const compute::Timed timed(workspace.times, compute::Phase::embedding);
  const std::int64_t t = step.all.count, h = model_.hidden;
  compute::embedding_forward(t, h, rows_of(*step.batch), word_.value, position_.value, type_.value,
                             normed_ ? xhat_ : y_.values);
  if (normed_)
    compute::norm_forward({t, h, static_cast<float>(model_.layer_norm_epsilon)}, {}, norm_.scale.value,
                          norm_.shift.value, xhat_, y_.values, inverse_deviation_);
  compute::dropout_apply(step.hidden.at(kEmbeddingSite), step.all.names, t, h, y_.values);
  if (y_.rounded != nullptr) {
    const auto n = static_cast<std::size_t>(t * h);
    compute::round_to_bf16({y_.values, n}, {y_.rounded, n});
  }
  y_.clear_padding(t, h);
  return y_.view();
}

void Embeddings::backward(const Step& step, Workspace& workspace, float* dy) {
  const compute::Timed timed(workspace.times, compute::Phase::embedding);
  const std::int64_t t = step.all.count, h = model_.hidden;
  compute::dropout_apply(step.hidden.at(kEmbeddingSite), step.all.names, t, h, dy);
  if (normed_)
    compute::norm_backward({t, h}, {}, norm_.scale.value, xhat_, inverse_deviation_, dy,
                           {.dx = dy, .dgamma = norm_.scale.gradient, .dbeta = norm_.shift.gradient}, workspace.norm);
  compute::embedding_backward(t, h, rows_of(*step.batch), dy, word_.gradient, position_.gradient, type_.gradient);
}

}  // namespace initlab::model
