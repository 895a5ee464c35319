#include "init/strategy.hpp"

#include <algorithm>
#include <optional>

#include "base/error.hpp"
#include "base/text.hpp"

namespace initlab::init {
namespace {

std::string words_of(il_error& error) {
  error.text[sizeof error.text - 1] = '\0';
  return error.text[0] == '\0' ? "it gives no reason" : error.text;
}

std::vector<std::string> keys_of(const il_strategy& strategy) {
  std::vector<std::string> keys;
  for (std::uint32_t i = 0; i < strategy.num_options; ++i) keys.emplace_back(strategy.options[i].key);
  return keys;
}

}  // namespace

OptionTexts complete_options(const il_strategy& strategy, const OptionTexts& given, const std::string& place) {
  const std::vector<std::string> keys = keys_of(strategy);
  for (const auto& [key, value] : given) {
    if (std::ranges::find(keys, key) != keys.end()) continue;
    const std::string id = strategy.id;
    throw base::Error({place, "option " + base::quote(key),
                       keys.empty() ? "no option: " + id + " has none" : "an option of " + id, base::quote(key),
                       base::did_you_mean(key, keys)});
  }
  OptionTexts options;
  for (std::uint32_t i = 0; i < strategy.num_options; ++i) {
    const il_option_info& info = strategy.options[i];
    const auto found = std::ranges::find_if(given, [&](const auto& option) { return option.first == info.key; });
    if (found != given.end()) {
      options.push_back(*found);
    } else if (info.default_value != nullptr) {
      options.emplace_back(info.key, info.default_value);
    } else {
      throw base::Error({place, std::string("strategy ") + strategy.id, "option " + base::quote(info.key), "none",
                         std::string(info.key) + ": " + info.summary});
    }
  }
  return options;
}

base::Json options_json(const il_strategy& strategy, const OptionTexts& options) {
  base::Json object = base::Json::object();
  for (std::uint32_t i = 0; i < strategy.num_options && i < options.size(); ++i) {
    const std::string type = strategy.options[i].type;
    const auto& [key, text] = options[i];
    const auto number = base::to_number(text);
    const auto integer = base::to_integer(text);
    if (type == "number" && number) {
      object[key] = *number;
    } else if (type == "integer" && integer) {
      object[key] = *integer;
    } else if (type == "flag" && (text == "true" || text == "false")) {
      object[key] = text == "true";
    } else {
      object[key] = text;
    }
  }
  return object;
}

il_param describe_parameter(const params::Parameter& p, const config::ModelConfig& model) {
  il_param param{};
  param.size = sizeof param;
  param.rank = static_cast<std::uint32_t>(p.shape.size());
  param.dims = p.shape.data();
  param.name = p.name.c_str();
  param.role = role_bit(p.role);
  param.layer = static_cast<std::int32_t>(p.layer);
  param.num_layers = static_cast<std::int32_t>(model.layers);
  param.heads = static_cast<std::int32_t>(model.heads);
  param.fan_in = p.fan_in;
  param.fan_out = p.fan_out;
  param.hidden = model.hidden;
  param.weight_fan_in = p.weight_fan_in;
  param.residual_scale = model.trained_residual_scale ? 0 : model.residual_scale;
  param.normed = model.norm == "none" ? 0 : 1;
  return param;
}

std::string describe(const Catalog& catalog, const CatalogEntry& entry) {
  return std::string("strategy ") + entry.strategy->id + " of " + catalog.libraries()[entry.library].file;
}

Strategy::Strategy(const Catalog& catalog, const CatalogEntry& entry, const OptionTexts& given,
                   const std::string& place)
    : strategy_(*entry.strategy), options_(complete_options(*entry.strategy, given, place)) {
  std::vector<il_option> options;
  for (const auto& [key, value] : options_) options.push_back({key.c_str(), value.c_str()});
  il_error error{};
  error.size = sizeof error;
  if (strategy_.create(options.data(), static_cast<std::uint32_t>(options.size()), &self_, &error) != 0)
    throw base::Error({place, describe(catalog, entry) + ": " + words_of(error), "", "", ""});
}

Strategy::~Strategy() { strategy_.destroy(self_); }

std::string Strategy::fill(const il_param& param, const il_host& host, std::span<float> values) const {
  il_error error{};
  error.size = sizeof error;
  return strategy_.fill(self_, &param, &host, values.data(), values.size(), &error) == 0 ? std::string()
                                                                                         : words_of(error);
}

namespace {

const void* extension_of(const il_strategy& strategy, const char* id) {
  return strategy.extension == nullptr ? nullptr : strategy.extension(id);
}

}  // namespace

bool extends(const CatalogEntry& entry, const char* id) { return extension_of(*entry.strategy, id) != nullptr; }

bool Strategy::checks() const { return extension_of(strategy_, IL_EXT_CHECK) != nullptr; }

Strategy::Answer Strategy::check(const il_param& param, const il_sources* sources) const {
  const auto* extension = static_cast<const il_check*>(extension_of(strategy_, IL_EXT_CHECK));
  if (extension == nullptr) return {};
  il_error error{};
  error.size = sizeof error;
  const int status = extension->check(self_, &param, sources, &error);
  return {status, status == IL_CHECK_OK ? std::string() : words_of(error)};
}

bool Strategy::calibrates() const { return extension_of(strategy_, IL_EXT_CALIBRATE) != nullptr; }

std::int64_t Strategy::calibration_batches() const {
  return static_cast<const il_calibrate*>(extension_of(strategy_, IL_EXT_CALIBRATE))->batches(self_);
}

std::string Strategy::calibrate(const il_param& param, const il_activations& activations, std::span<float> values,
                                bool& again) const {
  const auto* extension = static_cast<const il_calibrate*>(extension_of(strategy_, IL_EXT_CALIBRATE));
  il_error error{};
  error.size = sizeof error;
  int wish = 0;
  const int status = extension->calibrate(self_, &param, &activations, values.data(), values.size(), &wish, &error);
  again = wish != 0;
  return status == 0 ? std::string() : words_of(error);
}

std::optional<std::pair<double, double>> Strategy::moments(const il_param& param) const {
  const auto* extension = static_cast<const il_moments*>(extension_of(strategy_, IL_EXT_MOMENTS));
  double mean = 0, stddev = 0, low = 0, high = 0;
  if (extension == nullptr || extension->moments(self_, &param, &mean, &stddev, &low, &high) != 0) return std::nullopt;
  return std::pair(mean, stddev);
}

}  // namespace initlab::init
