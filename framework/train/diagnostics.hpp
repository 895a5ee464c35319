// What a run measures of itself at few steps: of each part and layer the gradient, the update, and how far the weights
// are from where they started; of each layer the activations on a few sequences. It only reads: no bit of training
// depends on it.
//
// The schedule is logarithmic, as changes are: before the first update, and at updates 1, 2, 4, 8, ... and the last.
// Cost and memory: docs/RUN_FILE.md.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "batch/batch.hpp"
#include "config/config.hpp"
#include "data/data.hpp"
#include "params/params.hpp"
#include "record/record.hpp"

namespace initlab::train {

// Gradient norm of each part and layer, by part and then by layer; the rest is unknown. gradients: a flat block.
std::vector<record::PartDiagnosis> gradient_norms(const params::ParameterTable& table,
                                                  std::span<const float> gradients);

// Whether update `step` (from 1) is measured; total: how many will come, 0 where a time budget decides.
bool is_diagnosed(std::int64_t step, std::int64_t total);

// Activations are measured on so many sequences, the first ones of the first batch.
inline constexpr std::int64_t kDiagnosedSequences = 8;

// What diagnostics need beside what training has.
struct DiagnosticsSource {
  config::ModelConfig model;
  std::int64_t num_labels = 0;
  // The checkpoint's values of a parameter, or none where it has no such tensor; empty: there is no checkpoint.
  std::function<std::vector<float>(const params::Parameter&)> pretrained;
};

class Diagnostics {
 public:
  // Copies `initial`, the flat block that training starts from; all else must outlive it.
  Diagnostics(const DiagnosticsSource& source, const params::ParameterTable& table, const data::BatchStream& batches,
              std::span<const float> initial);

  // Before the first update.
  record::Diagnosis begin() const;
  // Of one update, in this order: with the values before it, with its gradient before clipping, and with the values
  // after it. No row of the values may be behind (Trainer::catch_up).
  void before(std::span<const float> values);
  void gradient(std::span<const float> gradients);
  record::Diagnosis after(std::int64_t step, std::span<const float> values);

 private:
  std::vector<record::PartDiagnosis> weights(std::span<const float> values) const;
  std::vector<record::LayerDiagnosis> activations(std::span<const float> values) const;
  void compare_pretrained(std::span<const float> values, std::vector<record::PartDiagnosis>& parts) const;

  const DiagnosticsSource& source_;
  const params::ParameterTable& table_;
  config::HeadKind head_;
  batch::Batch batch_;                            // what activations are measured on
  std::vector<float> initial_;                    // flat block
  std::vector<float> before_;                     // likewise, during a measured update alone
  std::vector<record::PartDiagnosis> gradients_;  // of the update under way
};

}  // namespace initlab::train
