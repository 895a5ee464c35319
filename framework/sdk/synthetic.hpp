// A stand-in for the program: parameters of every role, random streams and a checkpoint, without a model. For tests of
// plugins. Its draws are not the program's, only like them: pure functions of (seed, tensor, i).
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "abi/initlab_plugin.h"

namespace initlab::sdk {

// The residual sums of the model: LayerNorm(residual_scale x + f(x)), 0 for tensors in its place, or no LayerNorm.
struct SyntheticModel {
  std::int32_t layers = 2;
  double residual_scale = 1;
  bool normed = true;
};
// BERT's first; strategies may be made for one of the others alone.
inline std::vector<SyntheticModel> synthetic_models() {
  SyntheticModel deepnorm, trained, without;
  deepnorm.residual_scale = std::sqrt(std::sqrt(2.0 * deepnorm.layers));
  trained.residual_scale = 0;
  without.normed = false;
  return {{}, deepnorm, trained, without};
}

// One parameter and the texts and sizes that its il_param points to.
class SyntheticParameter {
 public:
  SyntheticParameter(std::string name, std::uint32_t role, std::vector<std::int64_t> dims, std::int32_t layer)
      : name_(std::move(name)), dims_(std::move(dims)), role_(role), layer_(layer) {}

  void in(const SyntheticModel& model) { model_ = model; }

  // Valid while this object stays where it is.
  il_param param() const {
    il_param p{};
    p.size = sizeof p;
    p.rank = static_cast<std::uint32_t>(dims_.size());
    p.dims = dims_.data();
    p.name = name_.c_str();
    p.role = role_;
    p.layer = layer_;
    p.num_layers = model_.layers;
    p.heads = 4;
    p.fan_in = dims_.size() > 1 ? dims_[1] : 1;
    p.fan_out = dims_[0];
    p.hidden = 32;
    p.weight_fan_in = role_ == IL_ROLE_BIAS ? 32 : 0;
    p.residual_scale = model_.residual_scale;
    p.normed = model_.normed ? 1 : 0;
    return p;
  }
  const std::string& name() const { return name_; }
  std::uint32_t role() const { return role_; }
  const std::vector<std::int64_t>& dims() const { return dims_; }
  std::uint64_t size() const {
    std::uint64_t n = 1;
    for (const std::int64_t dim : dims_) n *= static_cast<std::uint64_t>(dim);
    return n;
  }

 private:
  std::string name_;
  std::vector<std::int64_t> dims_;
  std::uint32_t role_;
  std::int32_t layer_;
  SyntheticModel model_;
};

// The tensors of that model: without those that it lacks, with those that it adds.
inline std::vector<SyntheticParameter> parameters_in(const SyntheticModel& model,
                                                     std::vector<SyntheticParameter> parameters) {
  const std::string block = "bert.encoder.layer.1.output.";
  if (!model.normed) {
    std::erase_if(parameters,
                  [](const SyntheticParameter& p) { return p.name().find("LayerNorm") != std::string::npos; });
    parameters.emplace_back(block + "branch_scale", IL_ROLE_RESIDUAL_SCALE, std::vector<std::int64_t>{1}, 1);
  } else if (model.residual_scale == 0) {
    parameters.emplace_back(block + "residual_scale", IL_ROLE_RESIDUAL_SCALE, std::vector<std::int64_t>{32}, 1);
  }
  for (SyntheticParameter& p : parameters) p.in(model);
  return parameters;
}

// Small ones of every role, odd sizes and a single element among them.
inline std::vector<SyntheticParameter> small_parameters() {
  const std::string layer = "bert.encoder.layer.1.";
  return {
      {"bert.embeddings.word_embeddings.weight", IL_ROLE_EMBEDDING, {67, 32}, -1},
      {"bert.embeddings.LayerNorm.weight", IL_ROLE_NORM_SCALE, {32}, -1},
      {"bert.embeddings.LayerNorm.bias", IL_ROLE_NORM_SHIFT, {32}, -1},
      {layer + "attention.self.query.weight", IL_ROLE_MATRIX, {32, 32}, 1},
      {layer + "attention.self.query.bias", IL_ROLE_BIAS, {32}, 1},
      {layer + "intermediate.dense.weight", IL_ROLE_MATRIX, {101, 32}, 1},
      {layer + "output.dense.weight", IL_ROLE_MATRIX, {32, 101}, 1},
      {"classifier.weight", IL_ROLE_MATRIX, {1, 1}, -1},
      {"classifier.bias", IL_ROLE_BIAS, {1}, -1},
  };
}

// Large ones, for statistics: more than a million elements in all, and vectors.
inline std::vector<SyntheticParameter> large_parameters() {
  return {
      {"bert.embeddings.word_embeddings.weight", IL_ROLE_EMBEDDING, {2500, 200}, -1},
      {"bert.encoder.layer.0.intermediate.dense.weight", IL_ROLE_MATRIX, {1024, 512}, 0},
      {"bert.encoder.layer.0.intermediate.dense.bias", IL_ROLE_BIAS, {1024}, 0},
      {"bert.encoder.layer.0.output.LayerNorm.weight", IL_ROLE_NORM_SCALE, {1024}, 0},
      {"bert.encoder.layer.0.output.LayerNorm.bias", IL_ROLE_NORM_SHIFT, {1024}, 0},
  };
}

class SyntheticHost {
 public:
  enum class Checkpoint { none, like_the_parameters };

  SyntheticHost(std::uint64_t seed, Checkpoint checkpoint, const std::vector<SyntheticParameter>& parameters)
      : seed_(seed), parameters_(parameters) {
    if (checkpoint == Checkpoint::none) return;
    for (const SyntheticParameter& p : parameters_)
      for (std::string& name : names_in_the_checkpoint(p)) {
        Source& source = sources_.emplace_back(Source{std::move(name), p.dims(), std::vector<float>(p.size())});
        for (std::size_t i = 0; i < source.values.size(); ++i)
          source.values[i] = static_cast<float>(uniform_at("checkpoint " + source.name, i) - 0.5);
      }
  }
  SyntheticHost(const SyntheticHost&) = delete;
  SyntheticHost& operator=(const SyntheticHost&) = delete;

  il_host host() const { return {sizeof(il_host), this, &uniform, &normal, &source, &parameter, &source_shape}; }
  il_sources sources() const { return {sizeof(il_sources), this, &source_shape}; }

 private:
  struct Source {
    std::string name;
    std::vector<std::int64_t> dims;
    std::vector<float> values;
  };
  // A tensor of a layer stands there for each layer of the stack, as in a checkpoint.
  static std::vector<std::string> names_in_the_checkpoint(const SyntheticParameter& p) {
    const il_param param = p.param();
    if (param.layer < 0) return {p.name()};
    const std::string before = "layer.", own = before + std::to_string(param.layer) + ".";
    std::vector<std::string> names;
    for (std::int32_t layer = 0; layer < param.num_layers; ++layer) {
      std::string name = p.name();
      const std::size_t at = name.find(own);
      if (at != std::string::npos) name.replace(at, own.size(), before + std::to_string(layer) + ".");
      names.push_back(std::move(name));
    }
    return names;
  }
  static std::uint64_t mixed(std::uint64_t x) {  // the finaliser of SplitMix64 (Steele, Lea, Flood 2014)
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
  }
  std::uint64_t key(std::string_view tensor) const {
    std::uint64_t h = mixed(seed_ + 0x9e3779b97f4a7c15u);
    for (const char c : tensor) h = mixed(h ^ static_cast<unsigned char>(c));
    return h;
  }
  static double draw(std::uint64_t key, std::uint64_t i) {  // 24 bits, so that a float holds it exactly
    return static_cast<double>(mixed(key + i * 0x9e3779b97f4a7c15u) >> 40) * 0x1p-24;
  }
  double uniform_at(std::string_view tensor, std::uint64_t i) const { return draw(key(tensor), i); }

  static void uniform(const void* self, const char* tensor, std::uint64_t first, float* dst, std::uint64_t n) {
    const std::uint64_t k = static_cast<const SyntheticHost*>(self)->key(tensor);
    for (std::uint64_t i = 0; i < n; ++i) dst[i] = static_cast<float>(draw(k, first + i));
  }
  static void normal(const void* self, const char* tensor, std::uint64_t first, float* dst, std::uint64_t n) {
    const std::uint64_t k = mixed(static_cast<const SyntheticHost*>(self)->key(tensor));
    for (std::uint64_t i = 0; i < n; ++i) {  // Box and Muller 1958, one of the pair
      const double u = draw(k, 2 * (first + i)), v = draw(k, 2 * (first + i) + 1);
      dst[i] = static_cast<float>(std::sqrt(-2 * std::log(1 - u)) * std::cos(2 * std::numbers::pi * v));
    }
  }
  static int parameter(const void* self, std::uint64_t i, il_param* param) {
    const auto& host = *static_cast<const SyntheticHost*>(self);
    if (i >= host.parameters_.size()) return 1;
    *param = host.parameters_[i].param();
    return 0;
  }
  static int source_shape(const void* self, const char* tensor, il_view* view) {
    if (source(self, tensor, view) != 0) return 1;
    view->data = nullptr;
    return 0;
  }
  static int source(const void* self, const char* tensor, il_view* view) {
    const auto& host = *static_cast<const SyntheticHost*>(self);
    for (const Source& s : host.sources_) {
      if (s.name != tensor) continue;
      view->rank = static_cast<std::uint32_t>(s.dims.size());
      view->dims = s.dims.data();
      view->data = s.values.data();
      return 0;
    }
    return 1;
  }

  std::uint64_t seed_;
  const std::vector<SyntheticParameter>& parameters_;
  std::vector<Source> sources_;
};

// A forward pass without a model: the standard deviation of a weight's product is `gain` times the root mean square of
// its values, plus `rest`, as of a bias that no scaling moves. Other weights' products have 1/2. Norms, embeddings and
// vectors have no product; what ends with output.dense.weight is added to a residual of standard deviation 1.
class SyntheticActivations {
 public:
  SyntheticActivations(const SyntheticParameter& parameter, std::span<const float> values, double gain, double rest)
      : parameter_(parameter), values_(values), gain_(gain), rest_(rest) {}

  il_activations round(std::uint32_t number) const { return {sizeof(il_activations), number, this, &output}; }

 private:
  static bool has_product(std::string_view name) {
    return name.ends_with(".weight") && name.find("LayerNorm") == name.npos && name.find("embeddings") == name.npos;
  }
  double stddev() const {
    double squares = 0;
    for (const float x : values_) squares += static_cast<double>(x) * static_cast<double>(x);
    return gain_ * std::sqrt(squares / static_cast<double>(values_.size())) + rest_;
  }
  static int output(const void* self, const char* weight, il_activation* activation) {
    const auto& pass = *static_cast<const SyntheticActivations*>(self);
    const std::string_view name(weight);
    if (!has_product(name)) return 1;
    const bool branch = name.ends_with("output.dense.weight");
    activation->count = 4096;
    activation->mean = 0;
    activation->stddev = name == pass.parameter_.name() ? pass.stddev() : 0.5;
    activation->residual_mean = branch ? 0 : std::numeric_limits<double>::quiet_NaN();
    activation->residual_stddev = branch ? 1 : std::numeric_limits<double>::quiet_NaN();
    return 0;
  }

  const SyntheticParameter& parameter_;
  std::span<const float> values_;
  double gain_, rest_;
};

}  // namespace initlab::sdk
