// A pre-trained BERT as Hugging Face writes it: config.json, vocab.txt, model.safetensors. Read lazily, never trusted.
//
// Names are brought to today's Hugging Face names with the "bert." prefix: a missing prefix is added,
// LayerNorm.gamma/beta become weight/bias, position_ids is a buffer and no weight. F32, F16 and BF16 are read as f32.
// Not for: pickles, TF bundles.
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

// Text beside a file's tensors, by key.
using Metadata = std::map<std::string, std::string>;

// Elements of a tensor; its shape was checked against overflow.
std::uint64_t element_count(const TensorInfo& tensor);
// "(2, 128)"; "()" for a scalar; "n" for a negative size, which stands for any.
std::string shape_text(std::span<const std::int64_t> shape);

// A safetensors file: the header is parsed and checked on opening (length, overlaps, holes, overflow, depth, duplicate
// names, at most 100 MB of header and 16384 tensors); data is read on demand, from the file that was opened even if its
// path changes. Format: u64 header length (little-endian), JSON {name: {dtype, shape, data_offsets}}, data;
// github.com/huggingface/safetensors.
class SafetensorsFile {
 public:
  explicit SafetensorsFile(const std::filesystem::path& path);  // throws Error
  const std::filesystem::path& path() const { return path_; }
  const std::vector<TensorInfo>& tensors() const { return tensors_; }  // in the order of their data
  const TensorInfo* find(std::string_view key) const;
  const Metadata& metadata() const { return metadata_; }
  // F32, F16 or BF16 -> f32, row-major. Infinities and NaN are passed on. Throws Error for other types and a short
  // file.
  std::vector<float> read(const TensorInfo& tensor) const;
  // n bytes of a tensor from its byte `offset` on, as they are in the file. Throws Error.
  void read_bytes(const TensorInfo& tensor, std::uint64_t offset, void* dst, std::size_t n) const;

 private:
  struct Handle;  // an open file; copies share it
  std::filesystem::path path_;
  std::shared_ptr<const Handle> handle_;
  std::uint64_t data_start_ = 0;
  std::vector<TensorInfo> tensors_;
  Metadata metadata_;
};

// A folder with a BERT checkpoint.
class Checkpoint {
 public:
  // Opens config.json and model.safetensors (vocab.txt is only located). Throws Error where config.json describes no
  // BERT that this program computes (model_type, position_embedding_type, activation), a tensor's shape contradicts it,
  // a weight is not F32, F16 or BF16, or two keys mean one tensor. Tensors may be absent: find() tells.
  static Checkpoint open(const std::filesystem::path& folder);

  const std::filesystem::path& folder() const { return folder_; }
  const std::filesystem::path& weights_file() const { return file_->path(); }
  std::filesystem::path vocabulary_file() const { return folder_ / "vocab.txt"; }
  const config::ModelConfig& model() const { return model_; }
  // From tokenizer_config.json's do_lower_case, where there is one.
  std::optional<bool> cased() const { return cased_; }
  const std::string& sha256() const { return sha256_; }  // of the weights file

  // By this model's name ("bert.encoder.layer.0..."): null where the file has none. The decoder weight and bias of the
  // MLM head are found under their tied names too (cls.predictions.decoder.bias for cls.predictions.bias,
  // cls.predictions.decoder.weight for bert.embeddings.word_embeddings.weight, and back). A decoder that differs from
  // what it should be tied to is a tensor of its own, which no model here uses.
  const TensorInfo* find(std::string_view name) const;
  // Values as f32. Throws Error where there is none, the shape differs from the expected one, or a value is not finite.
  std::vector<float> read(std::string_view name, std::span<const std::int64_t> expected_shape) const;
  // Keys of the file that none of `names` uses, buffers (position_ids) left out.
  std::vector<std::string> unused(std::span<const std::string> names) const;

 private:
  void take_names(bool tied);  // names, ties and shapes of the file's tensors

  std::filesystem::path folder_;
  std::shared_ptr<const SafetensorsFile> file_;
  config::ModelConfig model_;
  std::optional<bool> cased_;
  std::string sha256_;
  std::vector<std::string> names_;                           // of file_->tensors(): this model's name, "" for a buffer
  std::map<std::string, std::size_t, std::less<>> by_name_;  // this model's name -> index into file_->tensors()
};

// A tensor to be written; values are row-major.
struct NamedTensor {
  std::string name;
  std::vector<std::int64_t> shape;
  std::span<const float> values;
};
// Writes a safetensors file of F32 tensors, in the order of their names, so that the same values give the same bytes;
// they are on the disk when this returns. Throws Error, also where the file exists.
void write_safetensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors,
                       const Metadata& metadata);

// Writes config.json, vocab.txt (tokens, a line each) and model.safetensors so that
// BertForSequenceClassification.from_pretrained (classifier, regressor) or BertForMaskedLM.from_pretrained (mlm) loads
// it without missing or unexpected keys; `tensors` must be exactly that model's. Pooling "mean", which transformers'
// class does not know, is kept as "initlab_pooling" in config.json; a model with other residual sums than BERT's has
// the "model_type" initlab_bert, which transformers' Auto classes refuse. The folder appears whole or not at all: it is
// written beside its place and renamed. A folder that holds a saved model and nothing else is replaced, any other is
// left alone. Throws Error. num_labels: rows of the classifier; the regressor has one row, whatever it says.
void save(const std::filesystem::path& folder, const config::ModelConfig& model, config::HeadKind head,
          std::int64_t num_labels, bool cased, std::span<const std::string> vocabulary,
          std::span<const NamedTensor> tensors);

}  // namespace initlab::checkpoint
