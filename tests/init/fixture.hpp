// A small BERT's table, the built plugins, and a checkpoint written byte by byte.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/json.hpp"
#include "checkpoint/checkpoint.hpp"
#include "config/config.hpp"
#include "init/init.hpp"
#include "params/params.hpp"
#include "paths.hpp"

namespace initlab::init {

inline config::ModelConfig small_model() {
  config::ModelConfig model;
  model.layers = 2;
  model.hidden = 8;
  model.heads = 2;
  model.intermediate = 16;
  model.vocabulary = 20;
  model.max_positions = 16;
  return model;
}

inline const Catalog& built_catalog() {
  static const Catalog catalog = [] {
    Catalog c;
    for (const std::string& file : find_plugins({}, initlab::paths::binary_dir() + "/initlab")) c.load(file);
    return c;
  }();
  return catalog;
}

inline config::InitRule rule(std::string use, std::vector<std::pair<std::string, std::string>> options = {}) {
  config::InitRule r;
  r.text = "{use: " + use + "}";
  r.use = std::move(use);
  r.options = std::move(options);
  r.place = "x.yaml:7:5";
  return r;
}

// What a checkpoint holds: value of element i of tensor t is t + i / 1024, exact in f32 for the sizes used here.
inline float source_value(std::size_t tensor, std::size_t i) {
  return static_cast<float>(tensor) + static_cast<float>(i) / 1024;
}

// A folder that goes away with the object.
class TemporaryFolder {
 public:
  TemporaryFolder()
      : path_(std::filesystem::path(testing::TempDir()) /
              ("initlab_init_" + std::to_string(getpid()) + "_" + std::to_string(count_++))) {
    std::filesystem::create_directories(path_);
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  static inline int count_ = 0;
};

// Writes config.json, vocab.txt and model.safetensors of the table's tensors but `left_out`.
inline void write_checkpoint(const std::filesystem::path& folder, const config::ModelConfig& m,
                             const params::ParameterTable& table, const std::string& left_out = "") {
  base::Json config = {{"model_type", "bert"},
                       {"architectures", {"BertForSequenceClassification"}},
                       {"num_hidden_layers", m.layers},
                       {"hidden_size", m.hidden},
                       {"num_attention_heads", m.heads},
                       {"intermediate_size", m.intermediate},
                       {"vocab_size", m.vocabulary},
                       {"max_position_embeddings", m.max_positions},
                       {"type_vocab_size", m.type_vocabulary},
                       {"hidden_act", m.activation},
                       {"layer_norm_eps", m.layer_norm_epsilon}};
  base::write_file(folder / "config.json", base::json_text(config));
  base::write_file(folder / "vocab.txt", "[PAD]\n");
  base::Json header = base::Json::object();
  std::string data;
  for (std::size_t t = 0; t < table.all().size(); ++t) {
    const params::Parameter& p = table.all()[t];
    if (p.name == left_out) continue;
    const std::size_t begin = data.size();
    for (std::size_t i = 0; i < static_cast<std::size_t>(p.size); ++i) {
      const float x = source_value(t, i);
      data.append(reinterpret_cast<const char*>(&x), sizeof x);
    }
    header[p.name] = {{"dtype", "F32"}, {"shape", p.shape}, {"data_offsets", {begin, data.size()}}};
  }
  std::string text = base::json_text(header);
  text.append((8 - text.size() % 8) % 8, ' ');
  std::uint64_t length = text.size();
  std::string bytes(sizeof length, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  base::write_file(folder / "model.safetensors", bytes + text + data);
}

class InitTest : public testing::Test {
 protected:
  std::vector<Assignment> assigned(const checkpoint::Checkpoint* checkpoint = nullptr) const {
    const std::optional<SourceShapes> shapes =
        checkpoint == nullptr ? std::nullopt : std::optional(shapes_of(*checkpoint));
    return assign(built_catalog(), plan_, table_, shapes ? &*shapes : nullptr, model_);
  }
  std::vector<record::InitRecord> filled(std::vector<float>& values,
                                         const checkpoint::Checkpoint* checkpoint = nullptr) const {
    values.assign(static_cast<std::size_t>(table_.size()), -7.0f);
    return apply(built_catalog(), assigned(checkpoint), plan_, model_, checkpoint, values);
  }
  std::string fault(const checkpoint::Checkpoint* checkpoint = nullptr) const {
    try {
      assigned(checkpoint);
    } catch (const base::Error& error) {
      return error.what();
    }
    return "accepted";
  }
  std::span<const float> slice(const std::vector<float>& values, const std::string& name) const {
    const params::Parameter& p = table_.at(name);
    return std::span(values).subspan(static_cast<std::size_t>(p.offset), static_cast<std::size_t>(p.size));
  }

  config::ModelConfig model_ = small_model();
  params::ParameterTable table_ = params::bert_parameters(model_, config::HeadKind::classifier, 2);
  config::RunPlan plan_;
};

}  // namespace initlab::init
