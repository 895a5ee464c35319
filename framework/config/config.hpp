// Plain structs: what a run is made of. Filled by spec/, read by everything above, changed by nobody after planning.
// Paths are as written in the spec with variables replaced; nothing here opens a file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/fields.hpp"

namespace initlab::config {

// The shape of a BERT (Devlin et al. 2018) and what its mathematics needs to know. Resolved: no field is open.
struct ModelConfig {
  std::int64_t layers = 0;
  std::int64_t hidden = 0;
  std::int64_t heads = 0;
  std::int64_t intermediate = 0;
  std::int64_t vocabulary = 0;  // rows of the word embedding
  std::int64_t max_positions = 512;
  std::int64_t type_vocabulary = 2;
  std::string activation = "gelu";  // "gelu": x Phi(x) by erf; "gelu_new": the tanh form of google-research/bert
  double layer_norm_epsilon = 1e-12;
  std::string pooling = "cls";  // "cls": BERT's; "mean": over the valid tokens, without the pooler's [CLS]
  // The residual sums of the layers: LayerNorm(residual_scale x + f(x)), residual_scale a number (BERT: 1) or trained
  // tensors (H), one a sum; or, with norm "none", x + branch_scale f(x), branch_scale trained numbers, and no LayerNorm
  // after the embeddings either.
  std::string norm = "post";
  double residual_scale = 1;
  bool trained_residual_scale = false;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("layers", self.layers, "encoder layers", between(1, 1000));
    visit("hidden", self.hidden, "width of a hidden state; a multiple of heads", between(1, 1 << 20));
    visit("heads", self.heads, "attention heads", between(1, 1 << 16));
    visit("intermediate", self.intermediate, "width of the feed-forward layer", between(1, 1 << 22));
    visit("vocabulary", self.vocabulary, "rows of the word embedding", between(1, 1 << 26));
    visit("max_positions", self.max_positions, "rows of the position embedding", between(1, 1 << 20));
    visit("type_vocabulary", self.type_vocabulary, "rows of the segment embedding", between(1, 1 << 16));
    visit("activation", self.activation, "gelu (erf) or gelu_new (tanh)", one_of({"gelu", "gelu_new"}));
    visit("layer_norm_epsilon", self.layer_norm_epsilon, "added to the variance", positive());
    visit("pooling", self.pooling, "what the classifier reads: cls or mean", one_of({"cls", "mean"}));
    visit("norm", self.norm, "LayerNorm after each residual sum, or none", later(one_of({"post", "none"})));
    visit("residual_scale", self.residual_scale, "factor on x in LayerNorm(x + f(x))", later(positive()));
    visit("trained_residual_scale", self.trained_residual_scale, "tensors instead of that factor", later());
  }
};

// The factor of DeepNorm for a model that is all encoder, (2 L)^(1/4) (Wang et al. 2022, arXiv 2203.00555, figure 2).
double deepnorm_residual_scale(std::int64_t layers);
// Takes `model.residual_scale` of a spec over: a number above 0, "deepnorm" or "trained". False where it is none of
// them. The model's layers must be known by then.
bool set_residual_scale(ModelConfig& model, const std::string& text);

// Named shapes (google-research/bert's 24 small models, and MiniLM-L6): layers, hidden, heads, intermediate.
// "micro" is the embedded default's: tiny with 64 positions. Returns nothing for an unknown name.
std::optional<ModelConfig> named_shape(const std::string& name);
std::vector<std::string> shape_names();

enum class HeadKind { classifier, regressor, mlm };
const char* to_text(HeadKind kind);

// The run that a checkpoint comes from: an experiment with one arm, whose final weights are kept.
struct ExperimentRef {
  std::string file;                                      // absolute or relative to the spec that names it
  std::vector<std::pair<std::string, std::string>> set;  // path -> YAML scalar, as --set
  std::optional<std::int64_t>
      replicates;              // of the experiment, in place of its own seeds.replicates; absent: it has one
  std::int64_t replicate = 0;  // the one that this run starts from
  std::string place;           // file:line:column of the reference
};

// `model:` of a spec, before the checkpoint's config.json is read.
struct ModelSpec {
  std::optional<std::string> checkpoint;    // a folder with config.json, vocab.txt and model.safetensors
  std::optional<ExperimentRef> experiment;  // or another experiment that makes one
  std::optional<std::string> shape;         // or a named shape
  std::optional<std::string> vocabulary;    // vocab.txt; "microworld" for the generated language
  bool cased = false;
  std::optional<std::int64_t> layers, hidden, heads, intermediate, max_positions, type_vocabulary;
  std::optional<std::string> activation, pooling, norm, residual_scale;
  std::optional<double> layer_norm_epsilon;
  std::string place;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {  // `checkpoint` is a text or a map; spec/ reads it by hand
    visit("shape", self.shape, "a named shape: tiny, mini, small, medium, base, minilm, micro", one_of(shape_names()));
    visit("vocabulary", self.vocabulary, "vocab.txt, or \"microworld\"");
    visit("cased", self.cased, "keep case and accents");
    visit("layers", self.layers, "encoder layers", between(1, 1000));
    visit("hidden", self.hidden, "width of a hidden state; a multiple of heads", between(1, 1 << 20));
    visit("heads", self.heads, "attention heads", between(1, 1 << 16));
    visit("intermediate", self.intermediate, "width of the feed-forward layer", between(1, 1 << 22));
    visit("max_positions", self.max_positions, "rows of the position embedding", between(1, 1 << 20));
    visit("type_vocabulary", self.type_vocabulary, "rows of the segment embedding", between(1, 1 << 16));
    visit("activation", self.activation, "gelu (erf) or gelu_new (tanh)", one_of({"gelu", "gelu_new"}));
    visit("pooling", self.pooling, "what the classifier reads: cls or mean", one_of({"cls", "mean"}));
    visit("layer_norm_epsilon", self.layer_norm_epsilon, "added to the variance", positive());
    visit("norm", self.norm, "post: LayerNorm after each residual sum; none: none in the stack",
          later(one_of({"post", "none"})));
    visit("residual_scale", self.residual_scale, "factor on x in LayerNorm(x + f(x)): a number, deepnorm or trained",
          later());
  }
};

// `task:`: what the model learns. data/ knows the names.
struct TaskConfig {
  std::string name;                        // mrpc, sst2, cola, stsb, rte; sentiment, ...; mlm
  std::optional<std::string> data;         // folder or text file; "microworld": generated from `world`
  std::int64_t world = 1;                  // seed of the generated language
  std::optional<std::int64_t> train_size;  // first n of a seeded permutation of the training split
  std::int64_t tokens = 1'500'000;         // mlm on microworld: training tokens to generate
  double mask_probability = 0.15;  // mlm: share of tokens predicted; of these 80 % [MASK], 10 % random, 10 % kept
  std::string place;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("name", self.name, "mrpc, sst2, cola, stsb, rte, sentiment, acceptability, paraphrase, entailment or mlm");
    visit("data", self.data, "folder of the task's files, a text file for mlm, or \"microworld\"");
    visit("world", self.world, "seed of the generated language", at_least(0));
    visit("train_size", self.train_size, "training examples used: the first n of a seeded permutation", at_least(1));
    visit("tokens", self.tokens, "mlm on microworld: training tokens to generate", between(1000, 1e9));
    visit("mask_probability", self.mask_probability, "mlm: share of tokens that are predicted",
          Check{.low = 0, .high = 1, .low_open = true});
  }
};

struct OptimizerConfig {
  std::string name = "adamw";
  double learning_rate = 5e-5;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0.01;
  std::string weight_decay_to = "zero";

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("name", self.name, "adamw (PyTorch's) or bert_adam (no bias correction)", one_of({"adamw", "bert_adam"}));
    visit("learning_rate", self.learning_rate, "peak learning rate", at_least(0));
    visit("beta1", self.beta1, "decay of the first moment", fraction());
    visit("beta2", self.beta2, "decay of the second moment", fraction());
    visit("epsilon", self.epsilon, "added to the root of the second moment", at_least(0));
    visit("weight_decay", self.weight_decay, "decoupled; none on biases and LayerNorm", at_least(0));
    visit("weight_decay_to", self.weight_decay_to,
          "what weights decay to: zero, or initial (the run's initial weights)", one_of({"zero", "initial"}));
  }
};

struct ScheduleConfig {
  std::string name = "linear";
  double warmup = 0.0;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("name", self.name, "after warmup: linear to 0, constant, or cosine to 0",
          one_of({"linear", "constant", "cosine"}));
    visit("warmup", self.warmup, "share of the steps with a rising rate", fraction());
  }
};

// Peak rates of single parts, instead of optimizer.learning_rate; params::part_of says what is in a part.
struct PartRates {
  std::optional<double> embeddings, attention, ffn, norms, pooler, head;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("embeddings", self.embeddings, "peak rate of the embeddings; optimizer.learning_rate where absent",
          at_least(0));
    visit("attention", self.attention, "likewise, of the attention projections", at_least(0));
    visit("ffn", self.ffn, "likewise, of the feed-forward layers", at_least(0));
    visit("norms", self.norms, "likewise, of the layers' LayerNorms", at_least(0));
    visit("pooler", self.pooler, "likewise, of the pooler", at_least(0));
    visit("head", self.head, "likewise, of the task head", at_least(0));
  }
};

struct EvaluateConfig {
  std::optional<std::int64_t> every;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("every", self.every, "steps between evaluations; there is always one at the end", at_least(1));
  }
};

// A run that has learned nothing by then need not go on. Off where `after` is absent.
struct HopelessConfig {
  std::optional<std::int64_t> after;
  std::optional<std::string> metric;  // the task's first one where absent
  double margin = 0;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("after", self.after, "the first evaluation at or after this step decides", at_least(1));
    visit("metric", self.metric, "a metric of the task; its first one where absent");
    visit("margin", self.margin, "by how much an evaluation so far must exceed the constant class", at_least(0));
  }
};

// `training.stop:`. What ends a run before its last step. By what the run itself has shown, so that its bits are those
// of its plan.
struct StopConfig {
  std::optional<double> diverged;
  HopelessConfig hopeless;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("diverged", self.diverged,
          "the mean loss of 20 steps, over that of the first 20, above which a run has failed",
          Check{.low = 1, .low_open = true});
    visit("hopeless", self.hopeless, "");
  }
};

// What `training.without` can switch off, to measure what each is worth; docs/PERFORMANCE.md has the numbers.
//   last_layer_rows  the top layer computes only the rows that the head reads
//   streamed_loss    mlm: logits of the whole vocabulary are not kept where they are large
//   lazy_embeddings  word rows that a batch lacks make up for its update when they are next read
//   packed_weights   weights are laid out anew for each matrix product, where that pays
//   huge_pages       the model's memory asks for huge pages and is touched before the first step
//   vector_kernels   kernels use vector instructions
std::vector<std::string> optimization_names();

// `training:`. Exactly one of epochs, steps and seconds is set after parsing (epochs: 3 where none is given).
struct TrainingConfig {
  std::optional<double> epochs;
  std::optional<std::int64_t> steps;
  std::optional<double> seconds;
  std::int64_t batch = 32;
  std::int64_t accumulate = 1;
  std::int64_t max_length = 128;
  OptimizerConfig optimizer;
  ScheduleConfig schedule;
  double dropout = 0.1;
  std::optional<double> attention_dropout;  // as dropout where absent
  double clip = 1.0;                        // 0: no clipping
  std::vector<std::string> freeze;          // parts, or patterns of tensor names
  PartRates learning_rates;
  double layer_decay = 1.0;
  double mixout = 0.0;
  std::string mixout_unit = "weight";
  EvaluateConfig evaluate;
  StopConfig stop;
  std::string precision = "f32";
  std::vector<std::string> without;  // optimization_names() that are switched off
  std::string place;                 // file:line:column, for messages

  bool uses(std::string_view optimization) const;  // one of optimization_names()

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("epochs", self.epochs, "passes over the training examples; 0 evaluates without training", at_least(0));
    visit("steps", self.steps, "optimizer steps, instead of epochs", at_least(0));
    visit("seconds", self.seconds, "time budget, instead of epochs; not repeatable bit for bit", positive());
    visit("batch", self.batch, "sequences an optimizer step", between(1, 1 << 20));
    visit("accumulate", self.accumulate, "micro-batches a step is computed in; same gradient, less memory",
          between(1, 1 << 20));
    visit("max_length", self.max_length, "tokens of a sequence, [CLS] and [SEP] included", between(3, 1 << 20));
    visit("optimizer", self.optimizer, "");
    visit("schedule", self.schedule, "");
    visit("dropout", self.dropout, "probability, at all of BERT's places", fraction());
    visit("attention_dropout", self.attention_dropout, "probability on attention weights; as dropout where absent",
          fraction());
    visit("clip", self.clip, "largest global gradient norm; 0 for no clipping", at_least(0));
    visit("freeze", self.freeze, "parts, or patterns of tensor names, that keep their initial values");
    visit("learning_rates", self.learning_rates, "");
    visit("layer_decay", self.layer_decay, "factor on the learning rate from each layer to the one below",
          Check{.low = 0, .high = 1, .low_open = true});
    visit("mixout", self.mixout, "probability that a step sees an initial weight of the encoder instead", fraction());
    visit("mixout_unit", self.mixout_unit, "what mixout replaces together: one weight, or all that leave a neuron",
          one_of({"weight", "neuron"}));
    visit("evaluate", self.evaluate, "");
    visit("stop", self.stop, "", later());
    visit("precision", self.precision, "numbers that enter matrix products; sums and weights are f32 in both",
          one_of({"f32", "bf16"}));
    visit("without", self.without, "optimizations to switch off: same gradient up to rounding, slower",
          one_of(optimization_names()));
  }
};

// `training.tune:`: every arm tries these learning rates on a part of the training set and trains with the best one.
// Not a field of TrainingConfig: what a run trains with, and is identified by, is the rate that was chosen.
struct TuneConfig {
  std::vector<double> learning_rate;
  std::string budget = "equal";
  double share = 0.2;
  std::int64_t replicates = 1;
  std::string place;  // file:line:column, for messages

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("learning_rate", self.learning_rate, "peak rates that every arm tries; at least two", positive());
    visit("budget", self.budget, "equal: every arm tries all rates, with the same steps and seeds", one_of({"equal"}));
    visit("share", self.share, "share of the training examples that are held out, to choose on",
          Check{.low = 0, .high = 0.5, .low_open = true});
    visit("replicates", self.replicates, "tuning runs per arm and rate, each with its own seeds", between(1, 100));
  }
};

// Which encoder layers a rule speaks of. Text forms: "top(2)", "bottom(1)", "3..5", "4".
struct LayerRange {
  enum class Kind { top, bottom, span } kind = Kind::span;
  std::int64_t first = 0;  // span: 0-based; top and bottom: how many
  std::int64_t last = 0;   // span: inclusive
  std::string text;
  bool covers(std::int64_t layer, std::int64_t num_layers) const;  // layer -1 (outside the stack) is never covered
};
std::optional<LayerRange> parse_layer_range(const std::string& text);

// One initialization rule: which tensors, and what fills them.
struct InitRule {
  std::string use;                                           // strategy name, without or with "/revision"
  std::vector<std::pair<std::string, std::string>> options;  // the strategy's own keys, YAML scalar text
  std::vector<std::string> roles;                            // empty: the strategy's natural roles
  std::vector<std::string> parts;                            // of the model; empty: all
  std::optional<std::string> match;                          // name pattern with * and ?
  std::optional<LayerRange> layers;
  std::optional<std::string> missing;  // strategy for what the checkpoint lacks
  std::string place;                   // file:line:column of the rule
  std::string text;                    // the rule as one line of YAML, for tables and the log
};
base::Json to_json(const InitRule& rule);  // without place: part of a run's identity

std::vector<std::string> role_names();  // matrix, embedding, bias, norm_scale, norm_shift, residual_scale
std::vector<std::string>
part_names();  // embeddings, attention, ffn, norms, pooler, head; params::part_of says what is in them

// One seed per named stream; all arms of a replicate share them, so comparisons are paired.
struct Seeds {
  std::uint64_t init = 0, head = 0, order = 0, mask = 0, dropout = 0;
  std::uint64_t subset = 0;  // which training examples train_size keeps; the same for all replicates

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("init", self.init, "initial weights of the encoder");
    visit("head", self.head, "initial weights of the task head");
    visit("order", self.order, "order of the training examples");
    visit("mask", self.mask, "masked positions and their replacement");
    visit("dropout", self.dropout, "dropout bits");
    visit("subset", self.subset, "which examples train_size keeps");
  }
};

// The arms whose difference is a gain, of which the others keep a share. Both are set or none.
struct GainConfig {
  std::optional<std::string> from, to;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("from", self.from, "the arm with none of the gain");
    visit("to", self.to, "the arm with all of it; what share the others keep is reported");
  }
};

// What a claim and an anchor call the score of a model that always gives the training majority (or mean).
inline constexpr const char* kConstantClass = "constant_class";

// One statement about arms, made before the runs: `equal`, `to` and `margin`; or `better` and `than`; or `order`.
struct ClaimConfig {
  std::optional<std::string> equal, to;  // an arm; an arm or kConstantClass
  std::optional<double> margin;          // in the metric's unit
  std::optional<std::string> better, than;
  std::vector<std::string> order;  // arms, best first

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("equal", self.equal, "an arm that scores as `to` does, give or take `margin`");
    visit("to", self.to, "an arm, or constant_class");
    visit("margin", self.margin, "the largest difference that counts as none, in the metric's unit", positive());
    visit("better", self.better, "an arm that scores better than `than`");
    visit("than", self.than, "an arm, or constant_class");
    visit("order", self.order, "arms (or constant_class), best first; each is better than the next");
  }
};

// A number that somebody published, shown beside ours. Nothing is computed from it.
struct AnchorConfig {
  std::string text;
  double value = 0;
  std::string source;
  std::optional<std::string> arm, metric;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("text", self.text, "what was measured");
    visit("value", self.value, "the published number, in the metric's unit");
    visit("source", self.source, "who published it, and where");
    visit("arm", self.arm, "the arm that it stands beside");
    visit("metric", self.metric, "its metric; the comparison's where absent");
  }
};

struct CompareConfig {
  std::optional<std::string> baseline;  // an arm; the first one where absent
  std::optional<std::string> metric;    // the task's first metric where absent
  std::optional<std::string> better;    // by the metric where absent: lower for loss, higher otherwise
  std::optional<double> threshold;
  bool threshold_of_baseline = false;  // `threshold: baseline`: the median that the baseline's runs end with
  std::string at = "last";             // last, best, step:N
  std::optional<std::int64_t> planned_seeds;
  GainConfig gain;
  std::vector<ClaimConfig> claims;
  std::vector<AnchorConfig> anchors;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("baseline", self.baseline, "the arm that others are compared with");
    visit("metric", self.metric, "loss, accuracy, f1, mcc, pearson or spearman");
    visit("better", self.better, "higher or lower", one_of({"higher", "lower"}));
    visit("threshold", self.threshold, "steps until the metric reaches this are reported");
    visit("at", self.at, "last, best, or step:N");
    visit("planned_seeds", self.planned_seeds,
          "seeds an arm that are planned in all, where `compare --look` looks before", at_least(2));
    visit("gain", self.gain, "");
    visit("claims", self.claims, "what the runs are to show");
    visit("anchors", self.anchors, "published numbers to show beside");
  }
};

struct KeepConfig {
  std::vector<std::string> weights;  // "initial", "final": saved beside the run file in Hugging Face form
};

// `resume:`. When a run's state is kept, so that it can go on where it was stopped; a run that is told to stop keeps it
// too. Changes no bit of a run.
struct ResumeConfig {
  double every_seconds = 300;
  std::optional<std::int64_t> every_steps;
  bool keep = false;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("every_seconds", self.every_seconds, "seconds between two kept states", positive());
    visit("every_steps", self.every_steps, "steps between two kept states, beside every_seconds", at_least(1));
    visit("keep", self.keep, "the last two states stay when the run has finished");
  }
};

// `log:`. What a run writes beside its result: no part of its identity, and no bit of its training depends on it.
struct LogConfig {
  std::string diagnostics = "log2";

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("diagnostics", self.diagnostics, "log2: measured at steps 0, 1, 2, 4, 8, ... and the last; or off",
          one_of({"log2", "off"}));
  }
};

// What a run is for: a value of its arm, or the choice of its arm's learning rate.
enum class Role { run, tuning };
const char* to_text(Role role);

// One point of a sweep: everything that decides its bits but the machine.
struct RunPlan {
  std::string experiment;
  std::string arm;
  std::int64_t replicate = 0;                                // 0-based
  std::vector<std::pair<std::string, base::Json>> settings;  // grid path -> value, in grid order
  ModelSpec model;
  TaskConfig task;
  TrainingConfig training;
  std::vector<InitRule> init;
  std::vector<InitRule> head;
  Seeds seeds;
  Role role = Role::run;
  std::optional<TuneConfig> tune;  // how the learning rate is chosen; of a tuning run: what it is part of
  base::Json tuned;                // how it was chosen, for the record (compare::Tuning); null: not yet
  CompareConfig compare;
  KeepConfig keep;
  ResumeConfig resume;
  LogConfig log;
  std::vector<std::string> plugins;  // further plugin files
  std::string spec_path;             // for messages and the command that repeats the run
  std::string spec_text;             // the composed spec, as YAML

  // Its learning rate is still to be chosen: it cannot be run, and has no identity yet.
  bool awaits_tuning() const { return role == Role::run && tune && tuned.is_null(); }
};

}  // namespace initlab::config
