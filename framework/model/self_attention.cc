#include "model/self_attention.hpp"

#include <string>

#include "compute/vector.hpp"

namespace initlab::model {

using compute::Cells;
using compute::ConstCells;
using compute::Phase;
using compute::Timed;

SelfAttention::SelfAttention(const config::ModelConfig& model, std::int64_t layer, const compute::AttentionShape& shape,
                             compute::Element products)
    : layer_(layer), heads_(model.heads), hidden_(model.hidden), shape_(shape), products_(products) {}

void SelfAttention::book(compute::Arena& arena, const RowCapacity& capacity) {
  qkv_values_ = take_cells(arena, capacity.tokens * 3 * hidden_, products_);
  context_ = take_cells(arena, capacity.rows * hidden_, products_);
  log_sums_ = arena.take<float>(capacity.rows * heads_);
}

void SelfAttention::bind(const Blocks& blocks) {
  // Query, key and value stand one after another in the table: one (3H, H) matrix and one (3H) bias.
  qkv_ = dense(blocks, "bert.encoder.layer." + std::to_string(layer_) + ".attention.self.query", 3 * hidden_, hidden_);
}

SelfAttention::Places SelfAttention::places(const Step& step, const Rows& queries, Cells block) const {
  const std::int64_t h = hidden_;
  if (queries.all()) return {block, block + h, block + 2 * h, 3 * h, 3 * h};
  return {block + padded(step.all.count) * 2 * h, block, block + h, h, 2 * h};
}

compute::AttentionInput SelfAttention::input(const Step& step, const Rows& queries) const {
  const Places at = places(step, queries, qkv_values_);
  return {at.query, at.query_row, at.key, at.value, at.key_row};
}

compute::DropoutSite SelfAttention::site(const Step& step) const {
  return step.attention.at(layer_site(layer_, heads_) + 2);
}

void SelfAttention::plan(Workspace& workspace, std::int64_t tokens) const {
  qkv_.plan(workspace, tokens,
            {.x = products_, .y = products_, .dy = products_, .with_bias = true, .accumulates = true});
}

void SelfAttention::plan_picked(Workspace& workspace, std::int64_t tokens, std::int64_t rows) const {
  keys_and_values().plan(workspace, tokens, {.x = products_, .y = products_, .dy = products_, .with_bias = true});
  queries_alone().plan(workspace, rows,
                       {.x = products_, .y = products_, .dy = products_, .with_bias = true, .accumulates = true});
}

ConstCells SelfAttention::forward(const Step& step, Workspace& workspace, const Rows& queries, ConstCells x,
                                  ConstCells xq) {
  x_ = x;
  xq_ = xq;
  const std::int64_t rows = padded(step.all.count);
  const Places at = places(step, queries, qkv_values_);
  if (queries.all()) {
    qkv_.forward(workspace, rows, x, qkv_values_, /*with_bias=*/true);
  } else {
    keys_and_values().forward(workspace, rows, x, at.key, /*with_bias=*/true);
    queries_alone().forward(workspace, padded(queries.count), xq, at.query, /*with_bias=*/true);
  }
  const Timed timed(workspace.times, Phase::attention);
  compute::attention_forward(shape_, step.sequences(queries), site(step), input(step, queries), context_, log_sums_,
                             workspace.attention);
  clear_padding(queries.count, hidden_, context_);
  return context_;
}

void SelfAttention::backward(const Step& step, Workspace& workspace, const Rows& queries, float* dxq, float* dx) {
  const std::int64_t t = step.all.count, rows = padded(t), h = hidden_;
  const Places at = places(step, queries, workspace.dqkv);
  {
    const Timed timed(workspace.times, Phase::attention);
    compute::attention_backward(shape_, step.sequences(queries), site(step), input(step, queries), log_sums_,
                                workspace.dcontext, {at.query, at.query_row, at.key, at.value, at.key_row},
                                workspace.attention);
  }
  {
    const Timed timed(workspace.times, Phase::elementwise);
    // No sum for the key bias: it adds the same to all scores of a query, which softmax does not see. Its gradient is
    // 0, and rounding noise in its place would be blown up to full steps by Adam.
    compute::add_column_sums(queries.count, h, at.query, at.query_row, qkv_.bias.gradient);
    compute::add_column_sums(t, h, at.value, at.key_row, qkv_.bias.gradient + 2 * h);
  }
  if (queries.all()) {
    clear_padding(t, 3 * h, workspace.dqkv);
    qkv_.backward_weight(workspace, rows, x_, workspace.dqkv);
    qkv_.backward_input(workspace, rows, workspace.dqkv, dx, /*accumulate=*/true);
    return;
  }
  clear_padding(t, 2 * h, at.key);
  clear_padding(queries.count, h, at.query);
  keys_and_values().backward_weight(workspace, rows, x_, at.key);
  keys_and_values().backward_input(workspace, rows, at.key, dx, /*accumulate=*/false);
  queries_alone().backward_weight(workspace, padded(queries.count), xq_, at.query);
  queries_alone().backward_input(workspace, padded(queries.count), at.query, dxq, /*accumulate=*/true);
}

}  // namespace initlab::model
