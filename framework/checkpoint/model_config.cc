// One table of keys serves reading and writing; ranges come from ModelConfig's own field list.
#include "checkpoint/model_config.hpp"

#include <string_view>
#include <type_traits>

#include "base/error.hpp"
#include "base/text.hpp"

namespace initlab::checkpoint {
namespace {

using base::Error;
using base::Json;

constexpr const char* kBert = "bert";
constexpr const char* kOwnType = "initlab_bert";

struct Key {
  const char* field;  // ModelConfig's
  const char* name;   // config.json's
  bool required;
};
constexpr Key kKeys[] = {
    {"layers", "num_hidden_layers", true},
    {"hidden", "hidden_size", true},
    {"heads", "num_attention_heads", true},
    {"intermediate", "intermediate_size", true},
    {"vocabulary", "vocab_size", true},
    {"max_positions", "max_position_embeddings", false},
    {"type_vocabulary", "type_vocab_size", false},
    {"activation", "hidden_act", false},
    {"layer_norm_epsilon", "layer_norm_eps", false},
    {"pooling", "initlab_pooling",
     false},  // ours: transformers has no name for it, and keeps keys that it does not know
    {"norm", "initlab_norm", false},
    {"residual_scale", "initlab_residual_scale", false},
    {"trained_residual_scale", "initlab_trained_residual_scale", false},
};

const Key& key_of(std::string_view field) {
  for (const Key& key : kKeys)
    if (field == key.field) return key;
  throw Error({"config.json", std::string(field), "a key for every field of ModelConfig", "none", "add it to kKeys"});
}

std::string got(const Json& value) { return base::quote(base::json_text(value)); }

// Takes one value over where it has the right type and range.
struct Reader {
  const Json& json;
  const std::string& place;

  template <class T>
  void operator()(const char* field, T& member, const char*, const config::Check& check) const {
    const Key& key = key_of(field);
    const auto value = json.find(key.name);
    if (value == json.end() || value->is_null()) {
      if (key.required)
        throw Error({place, key.name, config::describe(check, "an integer"), "no such key",
                     "is this the config.json of a BERT?"});
      return;
    }
    take(key, *value, member, check);
  }

  void take(const Key& key, const Json& value, std::int64_t& member, const config::Check& check) const {
    if (!value.is_number_integer() || !config::violation(check, value.get<double>(), "an integer").empty())
      throw Error({place, key.name, config::describe(check, "an integer"), got(value), ""});
    member = value.get<std::int64_t>();
  }
  void take(const Key& key, const Json& value, double& member, const config::Check& check) const {
    if (!value.is_number() || !config::violation(check, value.get<double>(), "a number").empty())
      throw Error({place, key.name, config::describe(check, "a number"), got(value), ""});
    member = value.get<double>();
  }
  void take(const Key& key, const Json& value, bool& member, const config::Check&) const {
    if (!value.is_boolean()) throw Error({place, key.name, "true or false", got(value), ""});
    member = value.get<bool>();
  }
  void take(const Key& key, const Json& value, std::string& member, const config::Check& check) const {
    std::string text = value.is_string() ? value.get<std::string>() : std::string();
    if (text == "gelu_pytorch_tanh") text = "gelu_new";  // two names of one function
    if (!config::violation(check, text).empty())
      throw Error({place, key.name, config::describe(check, "text"), got(value), "initlab computes no other"});
    member = text;
  }
};

// A key that changes what the model computes must be absent or have the value that this program computes.
void require(const Json& json, const char* key, const Json& only, const char* hint, const std::string& place) {
  const auto value = json.find(key);
  if (value != json.end() && !value->is_null() && *value != only)
    throw Error({place, key, base::json_text(only), got(*value), hint});
}

}  // namespace

config::ModelConfig model_from_json(const Json& json, const std::string& place) {
  if (!json.is_object()) throw Error({place, "", "a JSON object", got(json), ""});
  if (json.value("model_type", Json()) != kOwnType)
    require(json, "model_type", kBert, "initlab computes BERT only", place);
  require(json, "position_embedding_type", "absolute", "initlab computes BERT's absolute positions only", place);
  require(json, "is_decoder", false, "initlab computes encoders only", place);
  require(json, "add_cross_attention", false, "initlab computes encoders only", place);
  require(json, "pruned_heads", Json::object(), "initlab computes whole attention layers only", place);
  config::ModelConfig model;
  config::ModelConfig::fields(model, Reader{json, place});
  if (model.hidden % model.heads != 0)
    throw Error({place, "hidden_size", "a multiple of num_attention_heads (" + std::to_string(model.heads) + ")",
                 std::to_string(model.hidden), ""});
  return model;
}

const char* model_type(const config::ModelConfig& model) {
  const bool bert = model.norm == "post" && model.residual_scale == 1 && !model.trained_residual_scale;
  return bert ? kBert : kOwnType;
}

void add_model(Json& json, const config::ModelConfig& model) {
  const Json fields = config::to_json(model);
  for (const Key& key : kKeys) {
    if (!fields.contains(key.field)) continue;
    if (std::string_view(key.field) == "pooling" && model.pooling == "cls") continue;  // BERT's own needs no word
    json[key.name] = fields[key.field];
  }
}

}  // namespace initlab::checkpoint
