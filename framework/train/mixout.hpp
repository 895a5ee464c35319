// Mixout over a model (compute/mixout.hpp has the equation): for one step, the encoder's matrices are partly the
// initial ones.
//
// Covered are all tensors of role matrix outside the head: attention, feed-forward and pooler. Not the embeddings,
// biases and LayerNorms, and not the head, which has no pre-trained values. Bits are a pure function of (dropout seed,
// step, parameter, row, column): a stream of their own, "mixout", beside dropout's, and the parameter's number in the
// table as the site. `unit: neuron` is what the authors' code does: it draws once for all weights that leave one input
// neuron. Other than there, the gradient is the derivative of the forward pass, its factor 1 / (1 - p) included.
// `dropout` stays as the spec has it; in the paper it is 0 where mixout is on.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/random.hpp"
#include "compute/mixout.hpp"
#include "config/config.hpp"
#include "params/params.hpp"

namespace initlab::train {

class Mixout {
 public:
  // `initial`: the flat block that weights are replaced from. It and the table must outlive this. Does nothing at all
  // where `mixout` is 0.
  Mixout(const config::TrainingConfig& training, const config::Seeds& seeds, const params::ParameterTable& table,
         std::span<const float> initial);
  // Before the forward pass of 0-based `step`: keeps the weights and puts the mixed ones in their place.
  void mix(std::uint32_t step, std::span<float> values);
  // After the backward pass of the same step: puts the weights back, and turns the gradient with respect to the mixed
  // ones into the gradient with respect to the weights.
  void unmix(std::uint32_t step, std::span<float> values, std::span<float> gradients) const;

 private:
  compute::DropoutSite site(std::uint32_t step, std::size_t parameter) const;
  template <class Body>
  void for_matrices(const Body& body) const;

  double probability_;
  compute::MixUnit unit_;
  base::Stream stream_;
  const params::ParameterTable* table_;
  std::span<const float> initial_;
  std::vector<float> kept_;  // flat block
};

}  // namespace initlab::train
