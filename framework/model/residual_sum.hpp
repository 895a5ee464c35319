// The end of a block: what its dense layer made joins the residual stream. Internal to model/.
//
//   BERT                y = LayerNorm(x + dropout(branch))               (Devlin et al. 2018)
//   model.residual_scale  LayerNorm(scale x + dropout(branch)), scale a number (DeepNorm, Wang et al. 2022) or a
//   trained
//                       tensor (H) (Admin, Liu et al. 2020)
//   model.norm: none    x + scale dropout(branch), scale a trained number (ReZero, Bachlechner et al. 2020; Fixup,
//   Zhang
//                       et al. 2019)
#pragma once

#include <string>

#include "compute/norm.hpp"
#include "compute/residual.hpp"
#include "config/config.hpp"
#include "model/step.hpp"

namespace initlab::model {

class ResidualSum {
 public:
  explicit ResidualSum(const config::ModelConfig& model);
  void book(compute::Arena& arena, std::int64_t most_rows, compute::Element products);
  // block: "bert.encoder.layer.0.output." with its dense layer, whose bias is added here.
  void bind(const Blocks& blocks, const std::string& block);

  // (R, H): where the dense layer writes its product, without bias.
  float* branch() { return branch_; }
  // x (R, H) must stay as it is until backward. Returns y (R, H), padding zero.
  Hidden forward(Workspace& workspace, const Rows& rows, const compute::DropoutSite& site, Hidden x);
  // dy (R, H) becomes dx; workspace.dy, the gradient of the dense layer's product, padding zero.
  void backward(Workspace& workspace, const Rows& rows, const compute::DropoutSite& site, float* dy) const;
  Hidden y() const { return y_.view(); }  // of the last forward

 private:
  compute::NormInput norm_input(const Rows& rows, const compute::DropoutSite& site) const;
  compute::ResidualInput plain_input(const Rows& rows, const compute::DropoutSite& site) const;

  std::int64_t hidden_;
  float epsilon_;
  bool normed_, trained_;
  double fixed_scale_;

  Slice bias_;   // (H) the dense layer's
  Norm norm_;    // where it is normed
  Slice scale_;  // (H) of x, its value null for 1; or (1) of the branch

  const float* x_ = nullptr;            // (R, H)
  float* branch_ = nullptr;             // (R, H) normed: becomes xhat; else the branch after its dropout
  float* inverse_deviation_ = nullptr;  // (R)
  float* fixed_ = nullptr;              // (H) a fixed scale of x
  HiddenStates y_;                      // (R, H)
};

}  // namespace initlab::model
