// One encoder layer of BERT, LayerNorm after the residual sum (Devlin et al. 2018; Vaswani et al. 2017, figure 1).
//
//   attended = norm(x + dropout(attention(x) Wo^T + bo))
//   y        = norm(attended + dropout(gelu(attended Wi^T + bi) Wf^T + bf))
// or with another residual sum (residual_sum.hpp).
// The top layer may work for the rows that the head reads alone: all rows stay keys and values, and the rest, from the
// queries on, is done for those rows. Internal to model/.
#pragma once

#include "compute/gelu.hpp"
#include "config/config.hpp"
#include "model/residual_sum.hpp"
#include "model/self_attention.hpp"
#include "model/step.hpp"

namespace initlab::model {

class EncoderLayer {
 public:
  EncoderLayer(const config::ModelConfig& model, std::int64_t layer, const compute::AttentionShape& attention,
               compute::Element products);
  void book(compute::Arena& arena, const RowCapacity& capacity);
  void bind(const Blocks& blocks);

  // Builds the products: keys and values for `tokens` rows, all else for `rows` of them; both padded.
  void plan(Workspace& workspace, std::int64_t tokens, std::int64_t rows, bool picked) const;

  // x (T, H), must stay as it is until backward. rows: those of y; step.all, or fewer. Returns y (R, H), padding zero.
  Hidden forward(const Step& step, Workspace& workspace, const Rows& rows, Hidden x);
  // dy (R, H) -> dx (T, H). Where the rows are all of them dx is dy, which becomes dx; else dy is used up.
  void backward(const Step& step, Workspace& workspace, const Rows& rows, float* dy, float* dx);

 private:
  Hidden rows_of(const Rows& rows, Hidden x);
  compute::DropoutSite attended_site(const Step& step) const;
  compute::DropoutSite output_site(const Step& step) const;
  Hidden feed_forward(const Step& step, Workspace& workspace, const Rows& rows);
  // dy (R, H) becomes d attended.
  void feed_forward_backward(const Step& step, Workspace& workspace, const Rows& rows, float* dy);

  config::ModelConfig model_;
  std::int64_t layer_;
  compute::Gelu activation_;
  compute::Element products_;

  SelfAttention self_attention_;
  Dense attention_output_, intermediate_, output_;
  ResidualSum attended_, y_;

  compute::ConstCells context_;  // (R, H)
  HiddenStates picked_;          // (R, H) rows of x where they are not all
  compute::Cells inner_;         // (R, I) before bias and GELU
  compute::Cells activated_;     // (R, I)
};

compute::Gelu activation_of(const config::ModelConfig& model);

}  // namespace initlab::model
