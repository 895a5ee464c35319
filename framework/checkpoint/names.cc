// The one list of a BERT's tensors in this folder: opening checks shapes by it, saving checks completeness.
#include "checkpoint/names.hpp"

namespace initlab::checkpoint {
namespace {

constexpr std::string_view kWordEmbedding = "bert.embeddings.word_embeddings.weight";
constexpr std::string_view kPredictionsBias = "cls.predictions.bias";

// Puts `after` in the place of the ending `before`.
void replace_ending(std::string& name, std::string_view before, std::string_view after) {
  if (name.ends_with(before)) name.replace(name.size() - before.size(), before.size(), after);
}

}  // namespace

std::string model_name(std::string_view key) {
  std::string name(key);
  for (const std::string_view part : {"embeddings.", "encoder.", "pooler."})
    if (key.starts_with(part)) {
      name.insert(0, "bert.");
      break;
    }
  if (name == "bert.embeddings.position_ids") return {};
  replace_ending(name, ".LayerNorm.gamma", ".LayerNorm.weight");
  replace_ending(name, ".LayerNorm.beta", ".LayerNorm.bias");
  return name;
}

std::string_view tied_name(std::string_view name) {
  if (name == kDecoderWeight) return kWordEmbedding;
  if (name == kDecoderBias) return kPredictionsBias;
  if (name == kWordEmbedding) return kDecoderWeight;
  if (name == kPredictionsBias) return kDecoderBias;
  return {};
}

std::vector<KnownTensor> known_tensors(const config::ModelConfig& model) {
  std::vector<KnownTensor> known;
  const std::int64_t h = model.hidden, i = model.intermediate, v = model.vocabulary;
  const auto add = [&known](std::string name, std::vector<std::int64_t> shape, Part part) {
    known.push_back({std::move(name), std::move(shape), part});
  };
  const auto dense = [&add](const std::string& name, std::int64_t out, std::int64_t in, Part part) {
    add(name + ".weight", {out, in}, part);
    add(name + ".bias", {out}, part);
  };
  const auto norm = [&add, h](const std::string& name, Part part) {
    add(name + ".weight", {h}, part);
    add(name + ".bias", {h}, part);
  };
  // What ends a block of a layer; only Hugging Face's LayerNorm is known outside this program.
  const auto residual = [&](const std::string& block) {
    if (model.norm == "none") return add(block + "branch_scale", {1}, Part::encoder);
    norm(block + "LayerNorm", Part::encoder);
    if (model.trained_residual_scale) add(block + "residual_scale", {h}, Part::encoder);
  };
  const std::string embeddings = "bert.embeddings.";
  add(std::string(kWordEmbedding), {v, h}, Part::encoder);
  add(embeddings + "position_embeddings.weight", {model.max_positions, h}, Part::encoder);
  add(embeddings + "token_type_embeddings.weight", {model.type_vocabulary, h}, Part::encoder);
  if (model.norm != "none") norm(embeddings + "LayerNorm", Part::encoder);
  for (std::int64_t l = 0; l < model.layers; ++l) {
    const std::string layer = "bert.encoder.layer." + std::to_string(l) + ".";
    for (const char* projection : {"query", "key", "value"})
      dense(layer + "attention.self." + projection, h, h, Part::encoder);
    dense(layer + "attention.output.dense", h, h, Part::encoder);
    residual(layer + "attention.output.");
    dense(layer + "intermediate.dense", i, h, Part::encoder);
    dense(layer + "output.dense", h, i, Part::encoder);
    residual(layer + "output.");
  }
  dense("bert.pooler.dense", h, h, Part::pooler);
  dense("classifier", kAnySize, h, Part::classifier);
  add(std::string(kPredictionsBias), {v}, Part::predictions);
  dense("cls.predictions.transform.dense", h, h, Part::predictions);
  norm("cls.predictions.transform.LayerNorm", Part::predictions);
  dense("cls.predictions.decoder", v, h, Part::decoder);
  dense("cls.seq_relationship", 2, h, Part::next_sentence);
  return known;
}

}  // namespace initlab::checkpoint
