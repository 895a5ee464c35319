// What a run file or an arm says about each tensor's initialization, as a table and as JSON. Of `show` and `audit`.
#pragma once

#include <vector>

#include "base/json.hpp"
#include "record/record.hpp"

namespace initlab::app {

// One row a tensor: shape, strategy, rule, where its values come from, moments measured and declared, bits.
void print_tensors(const std::vector<record::InitRecord>& tensors);
// The tensors of the checkpoint that nothing read; prints nothing where there are none.
void print_unused(const std::vector<record::UnusedTensor>& unused);

// Every field of the records; what is not known is null or empty.
base::Json tensors_json(const std::vector<record::InitRecord>& tensors);
base::Json unused_json(const std::vector<record::UnusedTensor>& unused);

}  // namespace initlab::app
