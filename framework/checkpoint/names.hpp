// The tensors of a BERT by their Hugging Face names: what older files call them, which are tied, and what shape each
// has.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.hpp"

namespace initlab::checkpoint {

// This model's name of a key: prefix "bert." added to embeddings, encoder and pooler; LayerNorm.gamma/beta are
// weight/bias.
// "" for a buffer (position_ids). Keys that mean nothing here come back as they are.
std::string model_name(std::string_view key);

// The other name of a tensor that the MLM decoder shares with another one, "" for all others:
// cls.predictions.decoder.weight <-> bert.embeddings.word_embeddings.weight, cls.predictions.decoder.bias <->
// cls.predictions.bias.
std::string_view tied_name(std::string_view name);
inline constexpr std::string_view kDecoderWeight = "cls.predictions.decoder.weight";
inline constexpr std::string_view kDecoderBias = "cls.predictions.decoder.bias";

inline constexpr std::int64_t kAnySize = -1;  // of the classifier's rows

enum class Part { encoder, pooler, classifier, predictions, decoder, next_sentence };

struct KnownTensor {
  std::string name;
  std::vector<std::int64_t> shape;  // (out, in) for matrices, (rows, width) for embeddings
  Part part = Part::encoder;
};

// All tensors that a BERT of this shape may have, every head included.
std::vector<KnownTensor> known_tensors(const config::ModelConfig& model);

}  // namespace initlab::checkpoint
