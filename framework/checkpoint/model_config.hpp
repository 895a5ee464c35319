// config.json, as Hugging Face and google-research/bert write it, to and from our ModelConfig.
#pragma once

#include <string>

#include "base/json.hpp"
#include "config/config.hpp"

namespace initlab::checkpoint {

// The five sizes of the stack must be there; positions (512), segments (2), activation (gelu) and epsilon (1e-12) have
// BERT's defaults. Keys that do not change the mathematics are ignored. Throws Error at `place` where the JSON
// describes no BERT that this program computes.
config::ModelConfig model_from_json(const base::Json& json, const std::string& place);

// "model_type": "bert", or "initlab_bert" for a model that transformers' BERT does not compute: its Auto classes refuse
// that, its BERT classes warn.
const char* model_type(const config::ModelConfig& model);

// Adds the keys that model_from_json reads to an object.
void add_model(base::Json& json, const config::ModelConfig& model);

}  // namespace initlab::checkpoint
