#include "params/params.hpp"

#include <cassert>
#include <cstdlib>

namespace initlab::params {

const char* to_text(Role role) {
  switch (role) {
    case Role::matrix:
      return "matrix";
    case Role::embedding:
      return "embedding";
    case Role::bias:
      return "bias";
    case Role::norm_scale:
      return "norm_scale";
    case Role::norm_shift:
      return "norm_shift";
    case Role::residual_scale:
      return "residual_scale";
  }
  return "";
}

const char* to_text(Part part) {
  switch (part) {
    case Part::embeddings:
      return "embeddings";
    case Part::attention:
      return "attention";
    case Part::ffn:
      return "ffn";
    case Part::norms:
      return "norms";
    case Part::pooler:
      return "pooler";
    case Part::head:
      return "head";
  }
  return "";
}

Part part_of(const Parameter& p) {
  if (p.head) return Part::head;
  if (p.layer < 0) return p.name.starts_with("bert.pooler.") ? Part::pooler : Part::embeddings;
  if (p.role == Role::norm_scale || p.role == Role::norm_shift || p.role == Role::residual_scale) return Part::norms;
  return p.name.find(".attention.") != std::string::npos ? Part::attention : Part::ffn;
}

void ParameterTable::add(std::string name, Role role, std::vector<std::int64_t> shape, std::int64_t layer, bool head) {
  Parameter p;
  p.name = std::move(name);
  p.role = role;
  p.shape = std::move(shape);
  p.layer = layer;
  p.head = head;
  p.offset = size_;
  p.size = 1;
  for (const std::int64_t n : p.shape) p.size *= n;
  p.fan_out = p.shape[0];
  if (p.shape.size() > 1) p.fan_in = p.shape[1];
  if (role == Role::bias && p.name.ends_with(".bias")) {
    const Parameter* weight = find(p.name.substr(0, p.name.size() - 4) + "weight");
    if (weight != nullptr) p.weight_fan_in = weight->fan_in;
  }
  size_ += p.size;
  all_.push_back(std::move(p));
}

const Parameter* ParameterTable::find(std::string_view name) const {
  for (const Parameter& p : all_)
    if (p.name == name) return &p;
  return nullptr;
}

const Parameter& ParameterTable::at(std::string_view name) const {
  const Parameter* p = find(name);
  assert(p != nullptr);
  if (p == nullptr) std::abort();
  return *p;
}

ParameterTable bert_parameters(const config::ModelConfig& model, config::HeadKind head, std::int64_t num_labels) {
  ParameterTable table;
  const std::int64_t h = model.hidden, i = model.intermediate;
  const auto dense = [&](const std::string& name, std::int64_t out, std::int64_t in, std::int64_t layer, bool is_head) {
    table.add(name + ".weight", Role::matrix, {out, in}, layer, is_head);
    table.add(name + ".bias", Role::bias, {out}, layer, is_head);
  };
  const auto norm = [&](const std::string& name, std::int64_t layer, bool is_head) {
    table.add(name + ".weight", Role::norm_scale, {h}, layer, is_head);
    table.add(name + ".bias", Role::norm_shift, {h}, layer, is_head);
  };
  // What ends a block of a layer: its LayerNorm, or the scale of the branch in a model without.
  const auto residual = [&](const std::string& block, std::int64_t layer) {
    if (model.norm == "none") return table.add(block + "branch_scale", Role::residual_scale, {1}, layer, false);
    norm(block + "LayerNorm", layer, false);
    if (model.trained_residual_scale) table.add(block + "residual_scale", Role::residual_scale, {h}, layer, false);
  };
  const std::string embeddings = "bert.embeddings.";
  table.add(embeddings + "word_embeddings.weight", Role::embedding, {model.vocabulary, h}, -1, false);
  table.add(embeddings + "position_embeddings.weight", Role::embedding, {model.max_positions, h}, -1, false);
  table.add(embeddings + "token_type_embeddings.weight", Role::embedding, {model.type_vocabulary, h}, -1, false);
  if (model.norm != "none") norm(embeddings + "LayerNorm", -1, false);
  for (std::int64_t l = 0; l < model.layers; ++l) {
    const std::string layer = "bert.encoder.layer." + std::to_string(l) + ".";
    const std::string self = layer + "attention.self.";
    for (const char* part : {"query", "key", "value"})
      table.add(self + part + ".weight", Role::matrix, {h, h}, l, false);
    for (const char* part : {"query", "key", "value"}) table.add(self + part + ".bias", Role::bias, {h}, l, false);
    dense(layer + "attention.output.dense", h, h, l, false);
    residual(layer + "attention.output.", l);
    dense(layer + "intermediate.dense", i, h, l, false);
    dense(layer + "output.dense", h, i, l, false);
    residual(layer + "output.", l);
  }
  if (head == config::HeadKind::mlm) {
    table.add("cls.predictions.bias", Role::bias, {model.vocabulary}, -1, true);
    dense("cls.predictions.transform.dense", h, h, -1, true);
    norm("cls.predictions.transform.LayerNorm", -1, true);
  } else {
    dense("bert.pooler.dense", h, h, -1, false);
    dense("classifier", head == config::HeadKind::regressor ? 1 : num_labels, h, -1, true);
  }
  return table;
}

}  // namespace initlab::params
