// What a run says about itself: plain records that the trainer emits, log/ stores and compare/ reads.
// The trainer knows only RunSink; tests use a sink that remembers.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace initlab::record {

enum class State { running, finished, failed, interrupted };
const char* to_text(State state);

// One tensor, right after initialization.
struct InitRecord {
  std::string name;  // Hugging Face name
  std::string role;  // matrix, embedding, bias, norm_scale, norm_shift, residual_scale
  std::vector<std::int64_t> shape;
  std::string rule;         // the spec's rule as one line, with its place; "default" where no rule covered the tensor
  std::string strategy;     // id with revision
  std::string options;      // JSON of the options as understood, defaults included
  std::string source_file;  // checkpoint file, or empty
  std::string source_key;   // tensor name in that file, or empty
  double mean = 0, stddev = 0, min = 0, max = 0;
  std::string sha256;  // of the initial bits (little-endian f32)
  // The audit. What is not known is NaN or empty.
  std::string place = {};   // of the rule in the spec; empty where no rule covered the tensor
  std::string stream = {};  // names of the random streams that the strategy drew from; empty where it drew nothing
  double requested_mean = std::numeric_limits<double>::quiet_NaN();  // what the strategy declares for this tensor
  double requested_stddev = std::numeric_limits<double>::quiet_NaN();
  double zeros = std::numeric_limits<double>::quiet_NaN();           // share of elements that are 0
  double effective_rank = std::numeric_limits<double>::quiet_NaN();  // of matrices; init/measure.hpp
  std::string source_sha256 = {};       // of the source tensors' values as f32, in the order of source_key
  std::string sha256_first_step = {};   // of the bits that the first step, or the first evaluation, saw
  std::int64_t calibration_rounds = 0;  // forward passes that its strategy looked at; 0: it did not calibrate
  double calibrated_stddev =            // of this weight's product on the calibration batches, afterwards
      std::numeric_limits<double>::quiet_NaN();
};

// A tensor of the checkpoint that no strategy read in this run.
struct UnusedTensor {
  std::string key;     // its name in the file
  std::string tensor;  // the model's tensor of that name; empty where the model has no place for it
};

// A library that strategies came from.
struct PluginRecord {
  std::string name, version, file, sha256;
};

// RunHeader::role.
inline constexpr const char* kRunRole = "run";
inline constexpr const char* kTuningRole = "tuning";

// The birth certificate.
struct RunHeader {
  std::string run_id;  // 64 hex digits
  std::string experiment, arm;
  std::int64_t replicate = 0;
  std::string settings;         // JSON object: grid path -> value
  std::string command;          // repeats this run
  std::string spec;             // the composed spec, YAML
  std::string role = kRunRole;  // a value of its arm, or the choice of the arm's learning rate
  std::string tuning;      // JSON of compare::Tuning: how the learning rate was chosen; empty where the spec gives it
  std::string plan;        // JSON of the resolved plan: what the identity hashes
  std::string checkpoint;  // folder, or empty
  std::string checkpoint_sha256;
  std::string checkpoint_run;              // run id of the experiment that made the checkpoint, or empty
  std::int64_t checkpoint_replicate = -1;  // which of that experiment's replicates, from 0; -1: no experiment made it
  std::vector<UnusedTensor> checkpoint_unused;
  std::string data_sha256;
  std::string build;  // version, compiler, build type
  std::string cpu;    // model name and the features that decide kernels
  std::int64_t threads = 1;
  std::string cores;                 // that it was bound to, "0,2"; empty: to none
  std::string libraries;             // JSON: library -> version
  std::string started;               // ISO 8601, UTC
  std::vector<std::string> resumed;  // each time that the run went on after it was stopped: step, time, CPU, threads
  std::vector<PluginRecord> plugins;
  // How to read the numbers.
  std::string metric;  // the comparison's metric
  std::string better;  // higher | lower
  double threshold = std::numeric_limits<double>::quiet_NaN();
  std::string at;                  // last | best | step:N
  std::string baseline;            // the comparison's baseline arm
  std::string gain_from, gain_to;  // arms whose difference is the gain that others keep a share of; empty: none
  std::string design;  // JSON object: claims, anchors, threshold, planned_seeds of the spec's `compare:`, as stated
                       // before the run; empty in older files
  std::string task;
  std::vector<std::string> metric_names;  // columns of EvalRecord::metrics
  std::vector<double> constant_class;     // the same metrics for the training-majority label (or training mean)
  std::vector<float> labels;              // of the evaluation examples; class index or target; empty for mlm
  std::int64_t outputs = 0;               // numbers stored per prediction: classes, or 1; 0 for mlm
  std::int64_t batch = 0;                 // examples a step
};

struct StepRecord {
  std::int64_t step = 0;  // 1-based: the update that this step made
  double loss = 0;        // mean over the step's examples (or predicted positions), before the update
  double learning_rate = 0;
  double grad_norm = 0;                // global, before clipping
  std::int64_t tokens = 0;             // valid tokens of this step
  double seconds = 0;                  // wall time of this step alone
  std::int64_t steps = 1;              // that tokens and seconds are of: more where earlier ones were left out
  std::vector<std::int64_t> examples;  // rows of the training split in batch order, `batch` long, -1 padded
};

struct EvalRecord {
  std::int64_t step = 0;  // updates made so far
  double loss = 0;
  std::vector<double> metrics;     // by RunHeader::metric_names
  bool degenerate = false;         // all predictions equal: correlation-like metrics are 0 by definition
  std::vector<float> predictions;  // (examples, outputs): logits, or the regression's value
  double seconds = 0;
};

inline constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

// Diagnostics: one part of the model (params::Part) in one layer. Norms and distances are Euclidean. What is not known
// is NaN.
struct PartDiagnosis {
  std::int64_t step = 0;               // updates made so far, this step's included; 0: before the first
  std::int64_t part = 0;               // index into config::part_names()
  std::int64_t layer = -1;             // 0-based, -1 outside the stack
  double grad_norm = kUnknown;         // of the step's gradient, before clipping
  double update_norm = kUnknown;       // of the step's change of the weights
  double weight_norm = kUnknown;       // of the weights after it, as is what follows
  double distance_initial = kUnknown;  // from the weights that the run started from
  double cosine_initial = kUnknown;
  double distance_pretrained = kUnknown;  // from the checkpoint's; unknown where it lacks one of the part's tensors
  double cosine_pretrained = kUnknown;
  double sign_flips = kUnknown;  // share of weights of the opposite sign than initially
};

// Likewise: the activations of one encoder layer, or of the embeddings. model/layer_statistics.hpp says what is what.
struct LayerDiagnosis {
  std::int64_t step = 0;
  std::int64_t layer = -1;  // 0-based, -1: embeddings
  double mean = kUnknown;
  double stddev = kUnknown;
  double attention_branch = kUnknown;
  double ffn_branch = kUnknown;
  double cosine = kUnknown;
  double entropy = kUnknown;  // nats
  double entropy_share = kUnknown;
};

// What diagnostics measured at one step.
struct Diagnosis {
  std::vector<PartDiagnosis> parts;
  std::vector<LayerDiagnosis> layers;
};

// Where a run's records go. One run: begin, then step, diagnose and eval in order, then finish.
class RunSink {
 public:
  virtual ~RunSink() = default;
  virtual void begin(const RunHeader& header, const std::vector<InitRecord>& init) = 0;
  virtual void step(const StepRecord& step) = 0;
  virtual void diagnose(const Diagnosis&) {}  // a sink that does not ask for diagnostics drops them
  virtual void eval(const EvalRecord& eval) = 0;
  virtual void finish(State state, const std::string& reason) = 0;
};

// A run as read back from a file.
struct Run {
  std::string file;
  RunHeader header;
  State state = State::running;
  std::string reason;
  std::vector<InitRecord> init;
  bool reads_checkpoint =
      false;  // a tensor's values came from one; known also where `init` was left out to save memory
  std::vector<StepRecord> steps;  // without examples
  std::vector<EvalRecord> evals;
  Diagnosis diagnostics;  // of all steps
};

// Ended by a rule of its own plan (training.stop) before its last step; the reason says by which.
inline bool stopped_early(const Run& run) { return run.state == State::finished && !run.reason.empty(); }

inline const char* to_text(State state) {
  switch (state) {
    case State::running:
      return "running";
    case State::finished:
      return "finished";
    case State::failed:
      return "failed";
    case State::interrupted:
      return "interrupted";
  }
  return "";
}

}  // namespace initlab::record
