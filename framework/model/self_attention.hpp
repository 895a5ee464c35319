// Queries, keys and values, and the attention of all heads, without the output projection. Internal to model/.
#pragma once

#include "config/config.hpp"
#include "model/step.hpp"

namespace initlab::model {

// How many rows a part works on at most, padded.
struct RowCapacity {
  std::int64_t tokens = 0;  // rows that come in
  std::int64_t rows = 0;    // rows that go out
  bool picked = false;      // whether those are some of the rows, else all
};

class SelfAttention {
 public:
  SelfAttention(const config::ModelConfig& model, std::int64_t layer, const compute::AttentionShape& shape,
                compute::Element products);
  void book(compute::Arena& arena, const RowCapacity& capacity);
  void bind(const Blocks& blocks);

  // Builds the products for `tokens` rows that come in, and `rows` that ask where they are picked; both padded.
  void plan(Workspace& workspace, std::int64_t tokens) const;
  void plan_picked(Workspace& workspace, std::int64_t tokens, std::int64_t rows) const;

  // x (T, H): all rows are keys and values. queries: the rows that ask, with their states xq (R, H); x itself where all
  // ask. Both must stay as they are until backward. Returns the context (R, H), padding zero.
  compute::ConstCells forward(const Step& step, Workspace& workspace, const Rows& queries, compute::ConstCells x,
                              compute::ConstCells xq);
  // workspace.dcontext (R, H) -> dxq (R, H) +=, and dx (T, H): where all rows ask the two are one, else dx is written.
  void backward(const Step& step, Workspace& workspace, const Rows& queries, float* dxq, float* dx);

 private:
  // Where queries, keys and values lie in a block of (T, 3H) numbers: side by side where all rows ask, else keys and
  // values side by side and the queries after them.
  struct Places {
    compute::Cells query, key, value;
    std::int64_t query_row = 0, key_row = 0;
  };
  Places places(const Step& step, const Rows& queries, compute::Cells block) const;
  compute::AttentionInput input(const Step& step, const Rows& queries) const;
  compute::DropoutSite site(const Step& step) const;
  Dense keys_and_values() const { return qkv_.outputs(hidden_, 2 * hidden_); }
  Dense queries_alone() const { return qkv_.outputs(0, hidden_); }

  std::int64_t layer_, heads_, hidden_;
  compute::AttentionShape shape_;
  compute::Element products_;
  Dense qkv_;

  compute::ConstCells x_, xq_;
  compute::Cells qkv_values_;  // (T, 3H)
  compute::Cells context_;     // (R, H)
  float* log_sums_ = nullptr;  // (R, A)
};

}  // namespace initlab::model
