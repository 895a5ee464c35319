// "0:1,1:0": which layer of the checkpoint fills a layer of the model.
#pragma once

#include <charconv>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "sdk/plugin.hpp"

namespace initlab::plugins {

using LayerMap = std::map<std::int32_t, std::int32_t>;  // layer of the model -> layer of the checkpoint, from 0

// Throws Refusal that names the option on anything but pairs MODEL:CHECKPOINT with commas between, each layer of the
// model once.
inline LayerMap parse_layer_map(std::string_view text) {
  const auto refuse = [text](const std::string& why) -> sdk::Refusal {
    return sdk::Refusal("option \"map\": expected pairs MODEL_LAYER:CHECKPOINT_LAYER from 0 on, as in 0:1,1:0, got " +
                        sdk::detail::in_quotes(text) + why);
  };
  LayerMap map;
  const char* at = text.data();
  const char* const end = at + text.size();
  const auto number = [&](char after) {
    std::int32_t value = -1;
    const auto [next, fault] = std::from_chars(at, end, value);
    if (fault != std::errc{} || value < 0 || (after != '\0' && (next == end || *next != after))) throw refuse("");
    at = next;
    return value;
  };
  for (;;) {
    const std::int32_t model = number(':');
    ++at;
    if (!map.emplace(model, number('\0')).second) throw refuse(": layer " + std::to_string(model) + " twice");
    if (at == end) return map;
    if (*at++ != ',') throw refuse("");
  }
}

// The name of the same tensor in another layer: "...layer.3.output..." -> "...layer.<layer>.output...".
inline std::string name_in_layer(const il_param& param, std::int32_t layer) {
  std::string name(param.name);
  const std::string own = ".layer." + std::to_string(param.layer) + ".";
  const std::size_t at = name.find(own);
  if (at == std::string::npos) throw sdk::Refusal("its name holds no \"" + own + "\"");
  return name.replace(at, own.size(), ".layer." + std::to_string(layer) + ".");
}

// The largest layer of the model that the map names; -1 for an empty one.
inline std::int32_t largest_model_layer(const LayerMap& map) { return map.empty() ? -1 : map.rbegin()->first; }

}  // namespace initlab::plugins
