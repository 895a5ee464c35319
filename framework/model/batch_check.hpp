// Is a batch one that the model can compute? Indices are checked before they reach memory. Internal to model/.
#pragma once

#include "batch/batch.hpp"
#include "config/config.hpp"
#include "model/bert.hpp"

namespace initlab::model {

// Throws base::Error (place: "batch") where an index is outside its table, an array has the wrong length, or the batch
// is larger than the capacity.
void check_batch(const batch::Batch& batch, const config::ModelConfig& model, config::HeadKind head,
                 std::int64_t num_labels, const Capacity& capacity);

}  // namespace initlab::model
