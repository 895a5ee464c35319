// Word + position + segment embedding, LayerNorm (none with model.norm: none), dropout. Internal to model/.
#pragma once

#include <cstdint>

#include "config/config.hpp"
#include "model/step.hpp"

namespace initlab::model {

class Embeddings {
 public:
  Embeddings(const config::ModelConfig& model, compute::Element products)
      : model_(model), products_(products), normed_(model.norm != "none") {}
  void book(compute::Arena& arena, std::int64_t most_rows);
  void bind(const Blocks& blocks);

  Hidden forward(const Step& step, Workspace& workspace);            // (T, H), padding zero
  void backward(const Step& step, Workspace& workspace, float* dy);  // dy (T, H) is used up

 private:
  config::ModelConfig model_;
  compute::Element products_;
  Slice word_, position_, type_;
  bool normed_ = true;
  Norm norm_;
  float* xhat_ = nullptr;               // (T, H)
  float* inverse_deviation_ = nullptr;  // (T)
  HiddenStates y_;                      // (T, H)
};

}  // namespace initlab::model
