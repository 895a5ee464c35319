// What diagnostics say about a layer's activations, from an observed pass: scale, share of the branches, rank collapse,
// attention. And the statistics that they are made of. All sums are double, in the order of the rows.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/observe.hpp"
#include "record/record.hpp"

namespace initlab::model {

// Mean cosine of all pairs of different rows of x (rows, columns): 1 where all point the same way, as where attention
// has collapsed all tokens to one (Dong et al. 2021, arXiv 2103.03404). With u the rows of length 1 it is
// (|sum of u|^2 - n) / (n (n - 1)). Rows of zeros have no direction and do not count; NaN where fewer than two are
// left.
double mean_cosine(std::int64_t columns, std::span<const float> x);

// Mean over the rows of -sum p ln p, in nats; p (rows, columns), each row a distribution. 0 ln 0 is 0.
double mean_entropy(std::int64_t columns, std::span<const float> p);

// The observer of one pass over a batch. Of the embeddings, as layer -1, and of each encoder layer:
//   mean, stddev      of its output, all rows
//   attention_branch  std of the attention branch over std of the layer's input, to which it is added
//   ffn_branch        std of the feed-forward branch over std of attention.output, to which it is added
//   cosine            mean_cosine of the output's rows within a sequence, mean over sequences
//   entropy           mean_entropy of the attention weights, mean over sequences and heads
//   entropy_share     likewise, each divided by ln S: 1 is uniform attention; sequences of one token do not count
// NaN where there is nothing to measure: embeddings have no branches, an input that does not vary has no ratio.
class LayerStatistics {
 public:
  explicit LayerStatistics(const batch::Batch& batch) : batch_(batch) {}  // must outlive it
  void operator()(const Activation& activation);
  const std::vector<record::LayerDiagnosis>& layers() const { return layers_; }  // their step is 0

 private:
  struct Mean {
    double sum = 0;
    std::int64_t count = 0;
    void add(double value);  // NaN does not count
    double value() const;    // NaN of nothing
  };
  void begin_layer(std::int32_t layer);
  void add_weights(const Activation& weights);
  void end_layer(const Activation& output);
  double branch_ratio(const Activation& branch) const;

  const batch::Batch& batch_;
  std::vector<record::LayerDiagnosis> layers_;  // the last one is under way
  double input_stddev_ = 0;                     // of what the next branch is added to
  Mean entropy_, entropy_share_;                // of the layer under way
};

}  // namespace initlab::model
