// The audit: what is wrong with a run's initialization, and in plain words what became of the pre-trained weights. Pure
// functions over records, so that a spec and a run file are judged alike. Not for: measuring (measure.hpp).
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "params/params.hpp"
#include "record/record.hpp"

namespace initlab::checkpoint {
class Checkpoint;
}

namespace initlab::init {

// Between several names or hashes in one text of a record.
inline constexpr std::string_view kListSeparator = ", ";
// Ends InitRecord::rule where the checkpoint lacks the tensor and the rule's `missing` decided.
inline constexpr std::string_view kMissingMark = " [missing in the checkpoint]";

enum class Severity { warning, error };
const char* to_text(Severity severity);

struct Finding {
  Severity severity = Severity::warning;
  std::string tensor;  // the model's name, or the checkpoint's key
  std::string text;
};

// Hashes the values that the first step sees into the records; both are laid out by the table, in its order.
void note_first_step(const params::ParameterTable& table, std::span<const float> values,
                     std::vector<record::InitRecord>& records);

// Tensors of the checkpoint that no strategy read, in the file's order.
std::vector<record::UnusedTensor> unused_tensors(const checkpoint::Checkpoint& checkpoint,
                                                 const params::ParameterTable& table,
                                                 const std::vector<record::InitRecord>& records);

// What is wrong. Errors: bits that changed between initialization and the first step; a `pretrained` tensor whose bits
// are not the file's; an encoder tensor that the checkpoint lacks while a key much like its name was read by nothing; a
// LayerNorm that was drawn and is not 1 or 0; mean or standard deviation more than 6 standard errors from what the
// strategy declares. Warnings: an encoder tensor that the checkpoint lacks; a checkpoint tensor without a place in the
// model, where others were read; a weight that no rule covers; a bias or LayerNorm that no rule covers while the weight
// beside it is the checkpoint's; a LayerNorm set to another constant. What a record does not know is not judged.
std::vector<Finding> audit(const std::vector<record::InitRecord>& records,
                           const std::vector<record::UnusedTensor>& unused);

// "Are my pre-trained weights being initialized?", a sentence an element. checkpoint: its folder, or empty.
std::vector<std::string> explain(const std::vector<record::InitRecord>& records,
                                 const std::vector<record::UnusedTensor>& unused, const std::string& checkpoint);

}  // namespace initlab::init
