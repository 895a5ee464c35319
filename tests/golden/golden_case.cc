#include "golden/golden_case.hpp"

#include <algorithm>
#include <filesystem>

#include "base/file.hpp"
#include "paths.hpp"

namespace initlab::golden {
namespace {

std::filesystem::path path_of(const std::string& name) {
  return std::filesystem::path(initlab::paths::source_dir()) / "tests" / "golden" / "data" / name;
}

config::HeadKind head_of(const std::string& text) {
  if (text == "mlm") return config::HeadKind::mlm;
  return text == "regressor" ? config::HeadKind::regressor : config::HeadKind::classifier;
}

}  // namespace

Case::Case(const std::string& name) : tensors(path_of(name + ".safetensors")) {
  const std::filesystem::path path = path_of(name + ".json");
  json = base::parse_json(base::read_file(path), path.string());
  const base::Json& shape = json["model"];
  model.layers = shape["layers"];
  model.hidden = shape["hidden"];
  model.heads = shape["heads"];
  model.intermediate = shape["intermediate"];
  model.vocabulary = shape["vocabulary"];
  model.max_positions = shape["max_positions"];
  model.type_vocabulary = shape["type_vocabulary"];
  model.activation = shape["activation"];
  model.layer_norm_epsilon = shape["layer_norm_epsilon"];
  head = head_of(json["head"]);
  labels = json["labels"];
}

batch::Batch Case::batch(std::size_t i) const {
  batch::Batch result;
  result.offsets = {0};
  for (const base::Json& sequence : json["batches"][i]) {
    const std::int32_t first = result.offsets.back();
    const auto ids = sequence["ids"].get<std::vector<std::int32_t>>();
    const auto types = sequence["types"].get<std::vector<std::int32_t>>();
    const auto length = static_cast<std::int32_t>(ids.size());
    result.ids.insert(result.ids.end(), ids.begin(), ids.end());
    result.types.insert(result.types.end(), types.begin(), types.end());
    for (std::int32_t t = 0; t < length; ++t) result.positions.push_back(t);
    result.slots.push_back(static_cast<std::int32_t>(result.slots.size()));
    result.examples.push_back(result.slots.back());
    result.offsets.push_back(first + length);
    if (sequence.contains("label")) result.classes.push_back(sequence["label"]);
    if (sequence.contains("target")) result.targets.push_back(sequence["target"]);
    if (!sequence.contains("masked")) continue;
    for (const base::Json& masked : sequence["masked"]) {
      result.masked_rows.push_back(first + masked[0].get<std::int32_t>());
      result.masked_labels.push_back(masked[1]);
    }
  }
  return result;
}

double Case::count(const batch::Batch& batch) const {
  return static_cast<double>(head == config::HeadKind::mlm ? batch.masked_rows.size() : batch.slots.size());
}

std::unique_ptr<model::Bert> Case::bert(const model::Options& options) const {
  model::Capacity capacity{.longest = model.max_positions};
  for (std::size_t i = 0; i < batches(); ++i) {
    const batch::Batch one = batch(i);
    capacity.tokens = std::max(capacity.tokens, one.tokens());
    capacity.sequences = std::max(capacity.sequences, one.sequences());
    capacity.predictions = std::max(capacity.predictions, static_cast<std::int64_t>(one.masked_rows.size()));
  }
  auto bert = std::make_unique<model::Bert>(model, head, labels, capacity, options);
  for (const params::Parameter& p : bert->parameters().all()) {
    const checkpoint::TensorInfo* info = tensors.find(p.name);
    if (info == nullptr) throw std::runtime_error("the golden file lacks " + p.name);
    const std::vector<float> values = tensors.read(*info);
    std::copy(values.begin(), values.end(), bert->values().begin() + p.offset);
  }
  return bert;
}

std::vector<float> Case::gradient(const std::string& parameter) const {
  const checkpoint::TensorInfo* info = tensors.find("gradient/" + parameter);
  if (info == nullptr) throw std::runtime_error("the golden file lacks the gradient of " + parameter);
  return tensors.read(*info);
}

}  // namespace initlab::golden
