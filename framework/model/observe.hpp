// A forward pass that shows every activation: for diagnostics (layer_statistics.hpp) and for strategies that calibrate.
// Every row of every layer is computed, in f32 and without dropout, whatever a run's training skips or rounds. Readable
// rather than fast: memory is taken as needed, and attention weights are kept one head at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

#include "batch/batch.hpp"
#include "config/config.hpp"
#include "params/params.hpp"

namespace initlab::model {

// One activation of one batch. Sites, in the order of a pass:
//   embeddings               (T, H) after LayerNorm, where the model has it
//   of each layer:
//   attention.query, attention.key, attention.value    (T, H)
//   attention.probabilities  (S, S) softmax of the scores: one call a sequence and head, sequences outermost
//   attention.context        (T, H)
//   attention.branch         (T, H) output projection, before the residual sum and its scales
//   attention.output         (T, H) after the residual sum and LayerNorm, where the model has it
//   ffn.intermediate         (T, I) before GELU
//   ffn.activation           (T, I)
//   ffn.branch               (T, H) before the residual sum and its scales
//   ffn.output               (T, H) likewise: the layer's output
//   of a classifier or regressor:
//   pooler                   (B, H) before tanh
//   logits                   (B, C)
//   of mlm, where something is predicted:
//   transform                (P, H) before GELU
//   logits                   (P, V)
struct Activation {
  std::string_view site;
  std::string_view weight;  // name of the weight whose product, with its bias, this is; empty where it is no product
  std::int32_t layer = -1;  // -1 outside the stack
  std::int64_t rows = 0, columns = 0;
  std::span<const float> values;  // (rows, columns), valid during the call
};
using Observer = std::function<void(const Activation&)>;

// A pass over the batch with `values`, laid out by the table (params::bert_parameters of that model). The observer is
// called from this thread and may be empty. Returns the *sum* of the losses, as Bert::forward. Throws base::Error where
// an index of the batch is outside its table.
double observe(const config::ModelConfig& model, config::HeadKind head, std::int64_t num_labels,
               const params::ParameterTable& table, std::span<const float> values, const batch::Batch& batch,
               const Observer& observer);

}  // namespace initlab::model
