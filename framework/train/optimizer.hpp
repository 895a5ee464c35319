// Adam with decoupled weight decay, over the flat blocks of the parameter table.
//
// "adamw" (Loshchilov & Hutter 2019, arXiv 1711.05101, as torch.optim.AdamW computes it):
//   w -= lr wd w;  m = b1 m + (1-b1) g;  v = b2 v + (1-b2) g^2;  w -= lr / (1-b1^t)  m / (sqrt(v / (1-b2^t)) + eps)
// "bert_adam" (google-research/bert, optimization.py): no bias correction, the decay joins the update:
//   w -= lr (m / (sqrt(v) + eps) + wd w)
// Weight decay falls on matrices and embeddings only, never on biases and LayerNorm. With `weight_decay_to: initial` it
// pulls towards the weights w0 that the run started from: w - w0 stands where w stands above (Lee et al. 2020, arXiv
// 1909.11299: wd(pre); Zhang et al. 2021, arXiv 2006.05987: prior weight decay).
// Frozen parameters, rates by part and layer: groups.hpp. Word rows without a gradient:
// lazy_rows.hpp.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "compute/adam.hpp"
#include "compute/arena.hpp"
#include "config/config.hpp"
#include "params/params.hpp"
#include "train/groups.hpp"
#include "train/lazy_rows.hpp"

namespace initlab::train {

// What clipping multiplies the gradient by: min(1, clip / (norm + 1e-6)), as torch.nn.utils.clip_grad_norm_; 1 where
// clip is 0.
double clip_factor(double norm, double clip);

// How the word embedding is updated: row by row as batches need it, to the same bits as all rows at each step. Dense
// where each row has a gradient (mlm), where lazy_rows.hpp says that lazy is not exact, and where the run asks for it
// (`without: [lazy_embeddings]`).
enum class WordRows { dense, lazy };
WordRows word_rows(const config::TrainingConfig& training, config::HeadKind head);

class Adam {
 public:
  // Books both moments (zero). `initial`: the flat block that the weights decay to with `weight_decay_to: initial`; it
  // must outlive the optimizer, and may be empty otherwise. Throws base::Error as update_groups.
  Adam(const config::TrainingConfig& training, const params::ParameterTable& table, std::span<const float> initial = {},
       WordRows words = WordRows::dense);
  // Before the forward pass of a step: the ids of all tokens that will give a gradient, micro-batches included. With
  // lazy word rows, brings theirs to the present; nothing otherwise.
  void expect(std::span<const std::int32_t> ids, std::span<float> values);
  // Global L2 norm of the gradient of all that moves: not of frozen parameters, as in PyTorch, where they have none.
  // Accumulated in double, in an order that neither the number of threads nor laziness changes.
  double norm(std::span<const float> gradients);
  // One update: values -= ..., each group at its peak rate times `rate_factor` (the schedule's), with the gradient
  // scaled by `gradient_scale` (clipping). The gradient block is set to zero.
  void step(std::span<float> values, std::span<float> gradients, double rate_factor, double gradient_scale);
  // Brings all lazy word rows to the present: before anyone but the next step reads the values. Changes no bit of what
  // later steps make.
  void catch_up(std::span<float> values);
  std::int64_t steps() const { return steps_; }
  // Both moments, flat blocks: with the values, after catch_up(), all that later steps depend on.
  std::span<float> first_moments() { return {first_, static_cast<std::size_t>(size_)}; }
  std::span<float> second_moments() { return {second_, static_cast<std::size_t>(size_)}; }
  // Goes on after so many steps: values and moments have been filled with what they were then.
  void resume(std::int64_t steps, std::span<float> values);

 private:
  // The word embedding in the flat block; empty where the model has none.
  struct WordTable {
    std::int64_t begin = 0, rows = 0, width = 0;
    std::size_t group = 0;
    std::int64_t end() const { return begin + rows * width; }
  };
  static WordTable find_words(const params::ParameterTable& table, std::span<const Group> groups);
  std::vector<compute::Piece>& list_of(std::size_t group) { return groups_[group].frozen ? frozen_ : moving_; }
  void list_tensors();
  void list_word_row(std::int64_t row);
  void book_moments();
  compute::AdamBlocks blocks(std::span<float> values, float* gradients = nullptr);

  config::OptimizerConfig config_;
  std::vector<Group> groups_;
  WordTable table_;
  std::optional<LazyRows> lazy_;
  std::span<const float> anchor_;  // empty: decay to zero
  std::int64_t size_;              // floats in a flat block
  compute::Arena arena_;
  float* first_ = nullptr;  // moments: flat blocks
  float* second_ = nullptr;
  std::vector<compute::AdamConstants> constants_;  // of each group
  // What is walked: tensors in pieces, then rows of the word embedding, all or the batch's, each a piece of its own, so
  // that the norm is added up alike however many there are.
  std::vector<compute::Piece> moving_, frozen_;
  std::size_t tensor_pieces_ = 0;  // before the word rows, in the list that has them
  std::vector<double> sums_;       // a number a moving piece
  std::int64_t steps_ = 0;
};

}  // namespace initlab::train
