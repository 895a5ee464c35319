// A pre-trained BERT as Hugging Face writes it: config.json, vocab.txt, model.safetensors. Read lazily, never trusted.
//
// Names are brought to today's Hugging Face names with the "bert." prefix: a missing prefix is added, LayerNorm.gamma/beta
// become weight/bias, position_ids is a buffer and no weight. F32, F16 and BF16 are read as f32. Not for: pickles, TF bundles.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"
#include "config/config.hpp"

namespace initlab::checkpoint {

// One tensor as the file's header states it, checked against the file's size.
struct TensorInfo {
  std::string key;    // name in the file
  std::string dtype;  // F32, F16, BF16, I64, ...
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0, end = 0;  // bytes from the start of the data section
};

// A safetensors file: the header is parsed and checked on opening (length, overlaps, holes, overflow, depth, duplicate names,
// at most 100 MB of header); data is read on demand.
class SafetensorsFile {
 public:
  explicit SafetensorsFile(const std::filesystem::path& path);  // throws Error
  const std::filesystem::path& path() const { return path_; }
  const std::vector<TensorInfo>& tensors() const { return tensors_; }
  const TensorInfo* find(std::string_view key) const;
  std::vector<float> read(const TensorInfo& tensor) const;  // F32, F16 or BF16 -> f32; throws Error for other types

 private:
  std::filesystem::path path_;
  std::uint64_t data_start_ = 0;
  std::vector<TensorInfo> tensors_;
};

// A folder with a BERT checkpoint.
class Checkpoint {
 public:
  // Opens config.json and model.safetensors (vocab.txt is only located). Throws Error where config.json describes no BERT that
  // this program computes (model_type, position_embedding_type, activation), or a tensor's shape contradicts it.
  static Checkpoint open(const std::filesystem::path& folder);

  const std::filesystem::path& folder() const { return folder_; }
  const std::filesystem::path& weights_file() const { return file_->path(); }
  std::filesystem::path vocabulary_file() const { return folder_ / "vocab.txt"; }
  const config::ModelConfig& model() const { return model_; }
  std::optional<bool> cased() const { return cased_; }     // from tokenizer_config.json's do_lower_case, where there is one
  const std::string& sha256() const { return sha256_; }    // of the weights file

  // By this model's name ("bert.encoder.layer.0..."): null where the file has none. The decoder weight and bias of the MLM
  // head are found under their tied names too (cls.predictions.decoder.bias for cls.predictions.bias).
  const TensorInfo* find(std::string_view name) const;
  // Values as f32. Throws Error where the shape differs from the expected one.
  std::vector<float> read(std::string_view name, std::span<const std::int64_t> expected_shape) const;
  // Keys of the file that none of `names` uses, buffers (position_ids) left out.
  std::vector<std::string> unused(std::span<const std::string> names) const;

 private:
  std::filesystem::path folder_;
  std::shared_ptr<const SafetensorsFile> file_;
  config::ModelConfig model_;
  std::optional<bool> cased_;
  std::string sha256_;
  std::map<std::string, std::size_t, std::less<>> by_name_;  // this model's name -> index into file_->tensors()
};

// What save() needs beside the values.
struct NamedTensor {
  std::string name;
  std::vector<std::int64_t> shape;
  std::span<const float> values;
};
// Writes config.json, vocab.txt (tokens, a line each) and model.safetensors so that
// BertForSequenceClassification.from_pretrained (classifier, regressor) or BertForMaskedLM.from_pretrained (mlm) loads it
// without missing or unexpected keys. The folder appears whole or not at all. Throws Error.
void save(const std::filesystem::path& folder, const config::ModelConfig& model, config::HeadKind head,
          std::int64_t num_labels, bool cased, std::span<const std::string> vocabulary, std::span<const NamedTensor> tensors);

}  // namespace initlab::checkpoint
