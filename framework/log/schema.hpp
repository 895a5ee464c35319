// Schema 1 of a run file as lists that writer and reader both walk; docs/RUN_FILE.md says it in words.
// A list visits (name in the file, member), so a field is named once and cannot be written and then forgotten.
#pragma once

#include <string_view>

#include "record/record.hpp"

namespace initlab::log::schema {

inline constexpr const char* kGroups[] = {
    "/comparison", "/diagnostics", "/diagnostics/layers", "/diagnostics/parts", "/eval",
    "/init",       "/provenance",  "/provenance/plugins", "/provenance/unused", "/train"};

inline constexpr std::size_t kStateBytes = 16;  // the longest is "interrupted"
inline constexpr std::size_t kReasonBytes = 512;

// Attributes of the root, beside `schema`.
template <class Header, class Visit>
void root_attributes(Header& header, Visit&& visit) {
  visit("run_id", header.run_id);
  visit("experiment", header.experiment);
  visit("arm", header.arm);
  visit("replicate", header.replicate);
  visit("settings", header.settings);
  visit("command", header.command);
}

// Data sets that hold one field of the header each.
template <class Header, class Visit>
void header_fields(Header& header, Visit&& visit) {
  visit("/comparison/metric", header.metric);
  visit("/comparison/better", header.better);
  visit("/comparison/threshold", header.threshold);
  visit("/comparison/at", header.at);
  visit("/comparison/baseline", header.baseline);
  visit("/comparison/gain_from", header.gain_from);
  visit("/comparison/gain_to", header.gain_to);
  visit("/comparison/design", header.design);
  visit("/comparison/task", header.task);
  visit("/comparison/metric_names", header.metric_names);
  visit("/comparison/constant_class", header.constant_class);
  visit("/eval/labels", header.labels);
  visit("/provenance/spec", header.spec);
  visit("/provenance/plan", header.plan);
  visit("/provenance/role", header.role);
  visit("/provenance/tuning", header.tuning);
  visit("/provenance/checkpoint", header.checkpoint);
  visit("/provenance/checkpoint_sha256", header.checkpoint_sha256);
  visit("/provenance/checkpoint_run", header.checkpoint_run);
  visit("/provenance/checkpoint_replicate", header.checkpoint_replicate);
  visit("/provenance/data_sha256", header.data_sha256);
  visit("/provenance/build", header.build);
  visit("/provenance/cpu", header.cpu);
  visit("/provenance/threads", header.threads);
  visit("/provenance/cores", header.cores);
  visit("/provenance/libraries", header.libraries);
  visit("/provenance/started", header.started);
  visit("/provenance/resumed", header.resumed);
}

// Columns of /provenance/plugins: one row a library.
template <class Visit>
void plugin_columns(Visit&& visit) {
  using record::PluginRecord;
  visit("/provenance/plugins/name", &PluginRecord::name);
  visit("/provenance/plugins/version", &PluginRecord::version);
  visit("/provenance/plugins/file", &PluginRecord::file);
  visit("/provenance/plugins/sha256", &PluginRecord::sha256);
}

// Columns of /provenance/unused: one row a tensor of the checkpoint that nothing read.
template <class Visit>
void unused_columns(Visit&& visit) {
  using record::UnusedTensor;
  visit("/provenance/unused/key", &UnusedTensor::key);
  visit("/provenance/unused/tensor", &UnusedTensor::tensor);
}

// Columns of /init: one row a tensor.
template <class Visit>
void init_columns(Visit&& visit) {
  using record::InitRecord;
  visit("/init/name", &InitRecord::name);
  visit("/init/role", &InitRecord::role);
  visit("/init/shape", &InitRecord::shape);
  visit("/init/rule", &InitRecord::rule);
  visit("/init/strategy", &InitRecord::strategy);
  visit("/init/options", &InitRecord::options);
  visit("/init/source_file", &InitRecord::source_file);
  visit("/init/source_key", &InitRecord::source_key);
  visit("/init/mean", &InitRecord::mean);
  visit("/init/std", &InitRecord::stddev);
  visit("/init/min", &InitRecord::min);
  visit("/init/max", &InitRecord::max);
  visit("/init/sha256", &InitRecord::sha256);
  visit("/init/place", &InitRecord::place);
  visit("/init/stream", &InitRecord::stream);
  visit("/init/requested_mean", &InitRecord::requested_mean);
  visit("/init/requested_std", &InitRecord::requested_stddev);
  visit("/init/zeros", &InitRecord::zeros);
  visit("/init/effective_rank", &InitRecord::effective_rank);
  visit("/init/source_sha256", &InitRecord::source_sha256);
  visit("/init/sha256_first_step", &InitRecord::sha256_first_step);
  visit("/init/calibration_rounds", &InitRecord::calibration_rounds);
  visit("/init/calibrated_std", &InitRecord::calibrated_stddev);
}

// What older files lack: read as unknown or empty there.
inline bool may_be_absent(std::string_view name) {
  for (const std::string_view late : {"/comparison/design",
                                      "/comparison/gain_from",
                                      "/comparison/gain_to",
                                      "/init/place",
                                      "/init/stream",
                                      "/init/requested_mean",
                                      "/init/requested_std",
                                      "/init/zeros",
                                      "/init/effective_rank",
                                      "/init/source_sha256",
                                      "/init/sha256_first_step",
                                      "/init/calibration_rounds",
                                      "/init/calibrated_std",
                                      "/provenance/unused/key",
                                      "/provenance/unused/tensor",
                                      "/provenance/resumed",
                                      "/provenance/role",
                                      "/provenance/tuning",
                                      "/provenance/checkpoint_replicate",
                                      "/provenance/cores"})
    if (name == late) return true;
  return false;
}

// Columns of /train: one row a step; /train/examples stands beside them.
template <class Visit>
void step_columns(Visit&& visit) {
  using record::StepRecord;
  visit("/train/step", &StepRecord::step);
  visit("/train/loss", &StepRecord::loss);
  visit("/train/learning_rate", &StepRecord::learning_rate);
  visit("/train/grad_norm", &StepRecord::grad_norm);
  visit("/train/tokens", &StepRecord::tokens);
  visit("/train/seconds", &StepRecord::seconds);
}

// Columns of /eval: one row an evaluation; the metrics, one column each, and /eval/predictions stand beside them.
template <class Visit>
void eval_columns(Visit&& visit) {
  using record::EvalRecord;
  visit("/eval/step", &EvalRecord::step);
  visit("/eval/loss", &EvalRecord::loss);
  visit("/eval/degenerate", &EvalRecord::degenerate);
  visit("/eval/seconds", &EvalRecord::seconds);
}

// Columns of /diagnostics/parts: one row a part of the model, layer and measured step.
template <class Visit>
void part_columns(Visit&& visit) {
  using record::PartDiagnosis;
  visit("/diagnostics/parts/step", &PartDiagnosis::step);
  visit("/diagnostics/parts/part", &PartDiagnosis::part);
  visit("/diagnostics/parts/layer", &PartDiagnosis::layer);
  visit("/diagnostics/parts/grad_norm", &PartDiagnosis::grad_norm);
  visit("/diagnostics/parts/update_norm", &PartDiagnosis::update_norm);
  visit("/diagnostics/parts/weight_norm", &PartDiagnosis::weight_norm);
  visit("/diagnostics/parts/distance_initial", &PartDiagnosis::distance_initial);
  visit("/diagnostics/parts/cosine_initial", &PartDiagnosis::cosine_initial);
  visit("/diagnostics/parts/distance_pretrained", &PartDiagnosis::distance_pretrained);
  visit("/diagnostics/parts/cosine_pretrained", &PartDiagnosis::cosine_pretrained);
  visit("/diagnostics/parts/sign_flips", &PartDiagnosis::sign_flips);
}

// Columns of /diagnostics/layers: one row a layer and measured step.
template <class Visit>
void layer_columns(Visit&& visit) {
  using record::LayerDiagnosis;
  visit("/diagnostics/layers/step", &LayerDiagnosis::step);
  visit("/diagnostics/layers/layer", &LayerDiagnosis::layer);
  visit("/diagnostics/layers/mean", &LayerDiagnosis::mean);
  visit("/diagnostics/layers/std", &LayerDiagnosis::stddev);
  visit("/diagnostics/layers/attention_branch", &LayerDiagnosis::attention_branch);
  visit("/diagnostics/layers/ffn_branch", &LayerDiagnosis::ffn_branch);
  visit("/diagnostics/layers/cosine", &LayerDiagnosis::cosine);
  visit("/diagnostics/layers/entropy", &LayerDiagnosis::entropy);
  visit("/diagnostics/layers/entropy_share", &LayerDiagnosis::entropy_share);
}

// Beside both: names of the parts, and how many rows of parts and of layers have certainly reached the file. Older
// files have none of all this.
inline constexpr const char* kPartNames = "/diagnostics/part_names";
inline constexpr const char* kDiagnosticsWhole = "/diagnostics/whole";

}  // namespace initlab::log::schema
