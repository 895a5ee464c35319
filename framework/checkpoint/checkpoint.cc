// A folder with a BERT: names brought to ours, shapes held against config.json.
#include "checkpoint/checkpoint.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/hash.hpp"
#include "base/text.hpp"
#include "checkpoint/model_config.hpp"
#include "checkpoint/names.hpp"

namespace initlab::checkpoint {
namespace {

using base::Error;
using base::Json;

constexpr std::uint64_t kMostConfigBytes = 16 << 20;

bool is_there(const std::filesystem::path& path) {
  std::error_code error;  // a folder that may not be entered counts as absent
  return std::filesystem::exists(path, error);
}

std::string subject_of(std::string_view name, const TensorInfo& tensor) {
  std::string text = "tensor " + base::quote(name);
  if (tensor.key != name) text += " (" + base::quote(tensor.key) + " in the file)";
  return text;
}

std::filesystem::path find_weights(const std::filesystem::path& folder) {
  const std::filesystem::path file = folder / "model.safetensors";
  if (is_there(file)) return file;
  std::string hint = "check the folder; scripts/get_minilm fetches a whole one";
  for (const char* other : {"pytorch_model.bin", "model.safetensors.index.json", "bert_model.ckpt.index"})
    if (is_there(folder / other))
      hint = "there is " + std::string(other) +
             "; save the model as one model.safetensors (transformers: save_pretrained)";
  throw Error({file.string(), "", "the model's weights", "no such file", hint});
}

std::optional<bool> read_cased(const std::filesystem::path& file) {
  if (!is_there(file)) return std::nullopt;
  const Json json = base::parse_json(base::read_file(file, kMostConfigBytes), file.string());
  if (!json.is_object()) throw Error({file.string(), "", "a JSON object", base::quote(base::json_text(json)), ""});
  const auto value = json.find("do_lower_case");
  if (value == json.end() || value->is_null()) return std::nullopt;
  if (!value->is_boolean())
    throw Error({file.string(), "do_lower_case", "true or false", base::quote(base::json_text(*value)), ""});
  return !value->get<bool>();
}

bool shape_fits(const std::vector<std::int64_t>& expected, const std::vector<std::int64_t>& shape) {
  return std::equal(expected.begin(), expected.end(), shape.begin(), shape.end(),
                    [](std::int64_t e, std::int64_t n) { return e == kAnySize ? n > 0 : e == n; });
}

// Every tensor that this program knows has the shape that config.json says, and a type that can be read.
void check_known_tensors(const SafetensorsFile& file, const config::ModelConfig& model,
                         const std::map<std::string, std::size_t, std::less<>>& by_name) {
  bool any = false;
  for (const KnownTensor& known : known_tensors(model)) {
    const auto found = by_name.find(known.name);
    if (found == by_name.end()) continue;
    any = true;
    const TensorInfo& tensor = file.tensors()[found->second];
    if (!shape_fits(known.shape, tensor.shape))
      throw Error({file.path().string(), subject_of(known.name, tensor),
                   "shape " + shape_text(known.shape) + ", as config.json says", shape_text(tensor.shape),
                   "config.json and model.safetensors are of different models"});
    if (tensor.dtype != "F32" && tensor.dtype != "F16" && tensor.dtype != "BF16")
      throw Error({file.path().string(), subject_of(known.name, tensor), "F32, F16 or BF16", tensor.dtype,
                   "save the model in one of these types"});
  }
  if (!any)
    throw Error({file.path().string(), "", "tensors of a BERT (bert.embeddings.word_embeddings.weight, ...)",
                 file.tensors().empty() ? "none" : base::quote(file.tensors().front().key) + ", ...",
                 "is this the checkpoint of another model?"});
}

bool same_bytes(const SafetensorsFile& file, const TensorInfo& a, const TensorInfo& b) {
  if (a.dtype != b.dtype || a.shape != b.shape) return false;
  const std::uint64_t size = a.end - a.begin;
  std::vector<char> x(std::min<std::uint64_t>(size, 1 << 20)), y(x.size());
  for (std::uint64_t done = 0; done < size; done += x.size()) {
    const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(x.size(), size - done));
    file.read_bytes(a, done, x.data(), n);
    file.read_bytes(b, done, y.data(), n);
    if (std::memcmp(x.data(), y.data(), n) != 0) return false;
  }
  return true;
}

}  // namespace

Checkpoint Checkpoint::open(const std::filesystem::path& folder) {
  std::error_code error;
  if (!std::filesystem::is_directory(folder, error))
    throw Error({folder.string(), "", "a folder with config.json, vocab.txt and model.safetensors",
                 is_there(folder) ? "a file" : "no such folder",
                 "check the path; scripts/get_minilm fetches such a folder"});
  Checkpoint checkpoint;
  checkpoint.folder_ = folder;
  const std::filesystem::path weights = find_weights(folder);
  const std::filesystem::path config_file = folder / "config.json";
  const std::string place = config_file.string();
  const Json json = base::parse_json(base::read_file(config_file, kMostConfigBytes), place);
  checkpoint.model_ = model_from_json(json, place);
  checkpoint.cased_ = read_cased(folder / "tokenizer_config.json");
  checkpoint.file_ = std::make_shared<const SafetensorsFile>(weights);
  checkpoint.take_names(json.value("tie_word_embeddings", Json(true)) != Json(false));
  checkpoint.sha256_ = base::sha256_hex_of_file(checkpoint.weights_file());
  return checkpoint;
}

void Checkpoint::take_names(bool tied) {
  const std::vector<TensorInfo>& tensors = file_->tensors();
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    names_.push_back(model_name(tensors[i].key));
    if (names_[i].empty()) continue;
    const auto [known, fresh] = by_name_.emplace(names_[i], i);
    if (!fresh)
      throw Error({weights_file().string(), "tensor " + base::quote(names_[i]), "one key for it",
                   base::quote(tensors[known->second].key) + " and " + base::quote(tensors[i].key),
                   "remove one of them"});
  }
  check_known_tensors(*file_, model_, by_name_);
  // A decoder that is tied is another key of the tensor it is tied to. Its bias always is: models differ in the key
  // only.
  for (const std::string_view decoder : {kDecoderWeight, kDecoderBias}) {
    const auto found = by_name_.find(decoder);
    if (found == by_name_.end()) continue;
    const std::size_t index = found->second;
    const std::string other(tied_name(decoder));
    const auto partner = by_name_.find(other);
    const bool alias = partner == by_name_.end() ? tied || decoder == kDecoderBias
                                                 : same_bytes(*file_, tensors[index], tensors[partner->second]);
    if (!alias) continue;
    by_name_.erase(found);
    by_name_.emplace(other, index);  // no effect where the partner is there
    names_[index] = other;
  }
}

const TensorInfo* Checkpoint::find(std::string_view name) const {
  auto found = by_name_.find(name);
  if (found == by_name_.end() && name.starts_with("cls.predictions.decoder.")) found = by_name_.find(tied_name(name));
  return found == by_name_.end() ? nullptr : &file_->tensors()[found->second];
}

std::vector<float> Checkpoint::read(std::string_view name, std::span<const std::int64_t> expected_shape) const {
  const TensorInfo* tensor = find(name);
  if (tensor == nullptr) {
    std::vector<std::string> names;
    for (const auto& [known, index] : by_name_) names.push_back(known);
    const std::string near = base::closest(name, names);
    throw Error({weights_file().string(), "tensor " + base::quote(name), "in the file", "no such tensor",
                 near.empty() ? "" : "the nearest name is " + base::quote(near)});
  }
  if (!std::equal(expected_shape.begin(), expected_shape.end(), tensor->shape.begin(), tensor->shape.end()))
    throw Error({weights_file().string(), subject_of(name, *tensor), "shape " + shape_text(expected_shape),
                 shape_text(tensor->shape), ""});
  std::vector<float> values = file_->read(*tensor);
  const auto bad = std::find_if(values.begin(), values.end(), [](float x) { return !std::isfinite(x); });
  if (bad != values.end())
    throw Error({weights_file().string(), subject_of(name, *tensor), "finite values",
                 base::number_text(*bad) + " at element " + std::to_string(bad - values.begin()),
                 "the model diverged before it was saved, or the file is damaged"});
  return values;
}

std::vector<std::string> Checkpoint::unused(std::span<const std::string> names) const {
  const std::set<std::string, std::less<>> used(names.begin(), names.end());
  std::vector<std::string> keys;
  for (std::size_t i = 0; i < names_.size(); ++i)
    if (!names_[i].empty() && !used.contains(names_[i])) keys.push_back(file_->tensors()[i].key);
  return keys;
}

}  // namespace initlab::checkpoint
