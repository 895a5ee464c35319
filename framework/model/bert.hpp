// BERT with one head (Devlin et al. 2018, arXiv 1810.04805): forward and backward by hand, on unpadded activations.
//
// Letters: B sequences, S positions of one, T valid tokens of the batch, H hidden, A heads, D = H/A, I intermediate,
// V vocabulary, L layers, P predicted positions, C outputs of the head. Activations are (T, H) row-major.
// Plan, then run: the constructor books all memory for the largest batch; forward and backward allocate nothing of
// their own.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "base/random.hpp"
#include "batch/batch.hpp"
#include "compute/element.hpp"
#include "compute/phases.hpp"
#include "config/config.hpp"
#include "params/params.hpp"

namespace initlab::model {

// The largest batch that will come.
struct Capacity {
  std::int64_t tokens = 0;       // T
  std::int64_t sequences = 0;    // B
  std::int64_t predictions = 0;  // P, mlm only
  std::int64_t longest = 0;      // S
};

// Dropout of one forward pass. A bit is a pure function of (stream, step, site, slot, position(s), feature).
struct Dropout {
  double hidden = 0;     // probability after embeddings, attention output, feed-forward output, and pooling
  double attention = 0;  // probability on attention weights
  const base::Stream* stream = nullptr;  // null: no dropout (evaluation)
  std::uint32_t step = 0;
};

// How the work is done: same loss and gradients, up to rounding. config::optimization_names() says what each means.
struct Options {
  compute::Element products = compute::Element::f32;  // what enters matrix products
  bool last_layer_rows = true;
  bool streamed_loss = true;
  // mlm: logits of all predicted positions that take no more bytes than this are kept after all: computing them twice
  // costs time, and so little memory is no reason to.
  std::int64_t kept_logits = std::int64_t{256} << 20;
  bool packed_weights = true;
  bool huge_pages = true;
};
Options options_of(const config::TrainingConfig& training);

class Bert {
 public:
  // Values and gradients start at zero. Throws base::Error where hidden is no multiple of heads or memory is missing.
  Bert(const config::ModelConfig& model, config::HeadKind head, std::int64_t num_labels, const Capacity& capacity,
       const Options& options = {});
  ~Bert();
  Bert(const Bert&) = delete;
  Bert& operator=(const Bert&) = delete;

  const params::ParameterTable& parameters() const;
  std::span<float> values();  // flat block, laid out by parameters()
  std::span<const float> values() const;
  std::span<float> gradients();  // same layout; backward adds to it

  // Builds the matrix products of training steps on batches of these numbers of tokens, which forward and backward
  // would else build when they first need them. Numbers of tokens up to the capacity.
  void plan(std::span<const std::int64_t> tokens);

  // Returns the *sum* of the losses over sequences (classifier: cross-entropy; regressor: squared error) or over
  // predicted positions (mlm: cross-entropy against the tied decoder). The batch must stay alive until backward
  // returns. Throws base::Error where an index of the batch is outside its table or the batch exceeds the capacity.
  double forward(const batch::Batch& batch, const Dropout& dropout);
  // classifier (B, C), regressor (B, 1): of the last forward. mlm: empty.
  std::span<const float> logits() const;
  // mlm: how many of the last forward's predicted positions had their label as the highest logit.
  std::int64_t correct_predictions() const;
  // mlm: logits (P, V) of the last forward's predicted positions, written to dst; computed again, from values as they
  // were. For tests and tools.
  void copy_mlm_logits(std::span<float> dst) const;
  // Adds d(scale * sum of losses)/d(parameters) of the last forward to gradients().
  void backward(float scale);
  // Adds up the time of each phase from now on; null: no longer.
  void measure(compute::PhaseTimes* times);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Floating-point operations of one training step that the loss needs (forward and backward, 2 per multiply-add):
// products only, valid tokens only, of the top layer what the rows that the head reads need, the mlm head for predicted
// positions. What the step does beyond that (rounded numbers of rows, attention scores computed twice) does not count.
double training_flops(const config::ModelConfig& model, config::HeadKind head, std::int64_t num_labels,
                      const batch::Batch& batch);

}  // namespace initlab::model
