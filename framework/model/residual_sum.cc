#include "model/residual_sum.hpp"

#include <algorithm>

namespace initlab::model {

using compute::DropoutSite;
using compute::Phase;
using compute::Timed;

ResidualSum::ResidualSum(const config::ModelConfig& model)
    : hidden_(model.hidden),
      epsilon_(static_cast<float>(model.layer_norm_epsilon)),
      normed_(model.norm != "none"),
      trained_(model.trained_residual_scale),
      fixed_scale_(model.residual_scale) {}

void ResidualSum::book(compute::Arena& arena, std::int64_t most_rows, compute::Element products) {
  branch_ = arena.take<float>(most_rows * hidden_);
  inverse_deviation_ = arena.take<float>(most_rows);
  if (fixed_scale_ != 1) fixed_ = arena.take<float>(hidden_);
  y_.book(arena, most_rows * hidden_, products);
}

void ResidualSum::bind(const Blocks& blocks, const std::string& block) {
  bias_ = slice(blocks, block + "dense.bias");
  if (!normed_) {
    scale_ = slice(blocks, block + "branch_scale");
    return;
  }
  norm_ = norm(blocks, block + "LayerNorm");
  if (trained_) {
    scale_ = slice(blocks, block + "residual_scale");
  } else if (fixed_ != nullptr) {
    std::fill_n(fixed_, hidden_, static_cast<float>(fixed_scale_));
    scale_ = {fixed_, nullptr};
  }
}

compute::NormInput ResidualSum::norm_input(const Rows& rows, const DropoutSite& site) const {
  return {bias_.value, x_, site, rows.names, scale_.value};
}

compute::ResidualInput ResidualSum::plain_input(const Rows& rows, const DropoutSite& site) const {
  return {bias_.value, x_, scale_.value, site, rows.names};
}

Hidden ResidualSum::forward(Workspace& workspace, const Rows& rows, const DropoutSite& site, Hidden x) {
  const Timed timed(workspace.times, Phase::elementwise);
  x_ = x.values;
  if (normed_) {
    compute::norm_forward({rows.count, hidden_, epsilon_}, norm_input(rows, site), norm_.scale.value, norm_.shift.value,
                          branch_, y_.values, inverse_deviation_, y_.rounded);
  } else {
    compute::residual_forward(rows.count, hidden_, plain_input(rows, site), branch_, y_.values, y_.rounded);
  }
  y_.clear_padding(rows.count, hidden_);
  return y_.view();
}

void ResidualSum::backward(Workspace& workspace, const Rows& rows, const DropoutSite& site, float* dy) const {
  const Timed timed(workspace.times, Phase::elementwise);
  if (normed_) {
    compute::norm_backward({rows.count, hidden_}, norm_input(rows, site), norm_.scale.value, branch_,
                           inverse_deviation_, dy,
                           {.dresidual = dy,
                            .dx = workspace.dy,
                            .dbias = bias_.gradient,
                            .dgamma = norm_.scale.gradient,
                            .dbeta = norm_.shift.gradient,
                            .dresidual_scale = scale_.gradient},
                           workspace.norm);
  } else {
    compute::residual_backward(rows.count, hidden_, plain_input(rows, site), branch_, dy,
                               {.dx = workspace.dy, .dbias = bias_.gradient, .dscale = scale_.gradient},
                               workspace.norm);
  }
  clear_padding(rows.count, hidden_, workspace.dy);
}

}  // namespace initlab::model
