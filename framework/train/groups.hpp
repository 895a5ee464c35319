// Who moves, how fast, and what decays: the optimizer's groups, derived once from the parameter table and `training:`.
#pragma once

#include <cstddef>
#include <vector>

#include "config/config.hpp"
#include "params/params.hpp"

namespace initlab::train {

// Neighbours in the flat block that get the same update.
struct Group {
  std::size_t begin = 0, count = 0;  // in floats
  bool frozen = false;               // no update and no decay
  double learning_rate = 0;          // peak
  double weight_decay = 0;           // 0 on biases and LayerNorm
};

// Frozen: what `freeze` names, by part or by a pattern of tensor names. The rate of the others is
//   base decay^(L - l)    in encoder layer l of L (0-based),    base decay^(L + 1)    in the embeddings,    base    in
//   pooler and head
// with decay = `layer_decay` and base = `learning_rates.PART`, or `optimizer.learning_rate` where that is not given.
// This is the layer-wise decay of Zhang et al. 2021 (arXiv 2006.05987), where the rate falls by one factor from the
// head to the top layer and by one more at each step down. Covers the whole block, in order. Throws base::Error where
// `freeze` names nothing or everything, and where `learning_rates` names a part that the model lacks.
std::vector<Group> update_groups(const config::TrainingConfig& training, const params::ParameterTable& table);

}  // namespace initlab::train
