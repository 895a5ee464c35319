#include "model/encoder_layer.hpp"

#include <string>

#include "compute/embedding.hpp"

namespace initlab::model {

using compute::ConstCells;
using compute::Phase;
using compute::Timed;

compute::Gelu activation_of(const config::ModelConfig& model) {
  return model.activation == "gelu_new" ? compute::Gelu::tanh : compute::Gelu::erf;
}

EncoderLayer::EncoderLayer(const config::ModelConfig& model, std::int64_t layer,
                           const compute::AttentionShape& attention, compute::Element products)
    : model_(model),
      layer_(layer),
      activation_(activation_of(model)),
      products_(products),
      self_attention_(model, layer, attention, products),
      attended_(model),
      y_(model) {}

void EncoderLayer::book(compute::Arena& arena, const RowCapacity& capacity) {
  const std::int64_t rows = capacity.rows, h = model_.hidden, i = model_.intermediate;
  self_attention_.book(arena, capacity);
  if (capacity.picked) picked_.book(arena, rows * h, products_);
  attended_.book(arena, rows, products_);
  inner_ = take_cells(arena, rows * i, products_);
  activated_ = take_cells(arena, rows * i, products_);
  y_.book(arena, rows, products_);
}

void EncoderLayer::bind(const Blocks& blocks) {
  const std::int64_t h = model_.hidden;
  const std::string layer = "bert.encoder.layer." + std::to_string(layer_) + ".";
  self_attention_.bind(blocks);
  attention_output_ = dense(blocks, layer + "attention.output.dense", h, h);
  attended_.bind(blocks, layer + "attention.output.");
  intermediate_ = dense(blocks, layer + "intermediate.dense", model_.intermediate, h);
  output_ = dense(blocks, layer + "output.dense", h, model_.intermediate);
  y_.bind(blocks, layer + "output.");
}

void EncoderLayer::plan(Workspace& workspace, std::int64_t tokens, std::int64_t rows, bool picked) const {
  if (picked)
    self_attention_.plan_picked(workspace, tokens, rows);
  else
    self_attention_.plan(workspace, tokens);
  attention_output_.plan(workspace, rows, {.x = products_, .dy = products_, .dx = products_});
  intermediate_.plan(workspace, rows, {.x = products_, .y = products_, .dy = products_, .accumulates = true});
  output_.plan(workspace, rows, {.x = products_, .dy = products_, .dx = products_});
}

Hidden EncoderLayer::rows_of(const Rows& rows, Hidden x) {
  if (rows.all()) return x;
  const std::int64_t h = model_.hidden;
  compute::gather_rows(rows.count, h, rows.index, x.values, picked_.values);
  if (picked_.rounded != nullptr) compute::gather_rows(rows.count, h, rows.index, x.operand, picked_.rounded);
  picked_.clear_padding(rows.count, h);
  return picked_.view();
}

compute::DropoutSite EncoderLayer::attended_site(const Step& step) const {
  return step.hidden.at(layer_site(layer_, model_.heads));
}

compute::DropoutSite EncoderLayer::output_site(const Step& step) const {
  return step.hidden.at(layer_site(layer_, model_.heads) + 1);
}

Hidden EncoderLayer::forward(const Step& step, Workspace& workspace, const Rows& rows, Hidden x) {
  const Hidden residual = rows_of(rows, x);
  context_ = self_attention_.forward(step, workspace, rows, x.operand, residual.operand);
  attention_output_.forward(workspace, padded(rows.count), context_, attended_.branch(), /*with_bias=*/false);
  attended_.forward(workspace, rows, attended_site(step), residual);
  return feed_forward(step, workspace, rows);
}

Hidden EncoderLayer::feed_forward(const Step& step, Workspace& workspace, const Rows& rows) {
  const std::int64_t r = rows.count, i = model_.intermediate;
  intermediate_.forward(workspace, padded(r), attended_.y().operand, inner_, /*with_bias=*/false);
  {
    const Timed timed(workspace.times, Phase::elementwise);
    compute::bias_gelu_forward(activation_, r, i, inner_, intermediate_.bias.value, activated_);
    clear_padding(r, i, activated_);
  }
  output_.forward(workspace, padded(r), activated_, y_.branch(), /*with_bias=*/false);
  return y_.forward(workspace, rows, output_site(step), attended_.y());
}

void EncoderLayer::backward(const Step& step, Workspace& workspace, const Rows& rows, float* dy, float* dx) {
  const std::int64_t r = rows.count, h = model_.hidden;
  feed_forward_backward(step, workspace, rows, dy);
  attended_.backward(workspace, rows, attended_site(step), dy);
  attention_output_.backward_weight(workspace, padded(r), context_, workspace.dy);
  attention_output_.backward_input(workspace, padded(r), workspace.dy, workspace.dcontext, /*accumulate=*/false);
  self_attention_.backward(step, workspace, rows, dy, dx);
  if (!rows.all()) compute::scatter_add_rows(r, h, rows.index, dy, dx);
}

void EncoderLayer::feed_forward_backward(const Step& step, Workspace& workspace, const Rows& rows, float* dy) {
  const std::int64_t r = rows.count, i = model_.intermediate;
  y_.backward(workspace, rows, output_site(step), dy);
  output_.backward_weight(workspace, padded(r), activated_, workspace.dy);
  output_.backward_input(workspace, padded(r), workspace.dy, workspace.dinner, /*accumulate=*/false);
  {
    const Timed timed(workspace.times, Phase::elementwise);
    compute::bias_gelu_backward(activation_, r, i, inner_, intermediate_.bias.value, workspace.dinner,
                                intermediate_.bias.gradient);
  }
  intermediate_.backward_weight(workspace, padded(r), attended_.y().operand, workspace.dinner);
  intermediate_.backward_input(workspace, padded(r), workspace.dinner, dy, /*accumulate=*/true);
}

}  // namespace initlab::model
