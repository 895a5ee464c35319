// The parameter table: name, role, shape, fans, layer -> slice of one flat block of floats.
//
// Initializers, loader, optimizer, audit, diagnostics and log all walk this one table. Values, gradients and both
// moments are flat blocks with the same layout. Names are Hugging Face's. Query, key and value of a layer stand one
// after another, weights then biases, so that they can be read as one (3H, H) matrix and one (3H) bias.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.hpp"

namespace initlab::params {

enum class Role { matrix, embedding, bias, norm_scale, norm_shift, residual_scale };
const char* to_text(Role role);

struct Parameter {
  std::string name;
  Role role = Role::matrix;
  std::vector<std::int64_t> shape;       // matrices (out, in); embeddings (rows, width); vectors (n)
  std::int64_t fan_in = 1, fan_out = 1;  // of two dimensions: shape[1], shape[0], as torch.nn.init counts
  std::int64_t weight_fan_in = 0;        // of a bias: fan_in of the matrix that it is added to; 0 where there is none
  std::int64_t layer = -1;               // 0-based, -1 outside the stack
  bool head = false;                     // the task head (classifier.*, cls.*), not the encoder (bert.*)
  std::int64_t offset = 0;               // in floats, into the flat block
  std::int64_t size = 0;                 // in floats
  bool decays() const {
    return role == Role::matrix || role == Role::embedding;
  }  // weight decay: none on biases, norms, residual scales
};

// The parts of a model, for rules and for training settings. Each parameter is in exactly one:
//   embeddings  bert.embeddings.*, its LayerNorm included
//   attention   query, key, value and output projection of all layers, weights and biases
//   ffn         both dense layers of the feed-forward blocks, weights and biases
//   norms       the LayerNorms of the layers, and what scales their residual sums
//   pooler      bert.pooler.*
//   head        the task head
enum class Part { embeddings, attention, ffn, norms, pooler, head };  // in the order of config::part_names()
const char* to_text(Part part);
Part part_of(const Parameter& parameter);

class ParameterTable {
 public:
  void add(std::string name, Role role, std::vector<std::int64_t> shape, std::int64_t layer, bool head);
  const std::vector<Parameter>& all() const { return all_; }
  std::int64_t size() const { return size_; }          // floats in a flat block
  const Parameter* find(std::string_view name) const;  // null where absent
  const Parameter& at(std::string_view name) const;    // programmer error where absent

 private:
  std::vector<Parameter> all_;
  std::int64_t size_ = 0;
};

// All trainable tensors of a BERT with one head. classifier: bert.pooler and classifier (num_labels rows); regressor:
// the same with one row; mlm: no pooler, cls.predictions.{bias, transform.*}, decoder tied to the word embedding (no
// tensor). Pooling "mean" with a classifier has the pooler too: it reads the mean instead of [CLS]. With
// trained_residual_scale each residual sum of a layer has a residual_scale (H) beside its LayerNorm; without norms it
// has a branch_scale (1) in its place.
ParameterTable bert_parameters(const config::ModelConfig& model, config::HeadKind head, std::int64_t num_labels);

}  // namespace initlab::params
