#include "config/config.hpp"

#include <algorithm>
#include <cassert>
#include <charconv>
#include <cmath>

#include "base/text.hpp"

namespace initlab::config {

std::string describe(const Check& check, std::string_view kind) {
  if (!check.choices.empty()) return "one of " + base::join(check.choices, ", ");
  std::string text(kind);
  const bool low = std::isfinite(check.low), high = std::isfinite(check.high);
  if (low && high) {
    text += (check.low_open ? " above " : " from ") + base::number_text(check.low);
    text += (check.high_open ? " to below " : " to ") + base::number_text(check.high);
  } else if (low) {
    text += (check.low_open ? " above " : " of at least ") + base::number_text(check.low);
  } else if (high) {
    text += (check.high_open ? " below " : " of at most ") + base::number_text(check.high);
  }
  return text;
}

std::string violation(const Check& check, double value, std::string_view kind) {
  const bool low = check.low_open ? value > check.low : value >= check.low;
  const bool high = check.high_open ? value < check.high : value <= check.high;
  return low && high ? std::string() : describe(check, kind);
}

std::string violation(const Check& check, const std::string& value) {
  if (check.choices.empty()) return {};
  for (const std::string& choice : check.choices)
    if (choice == value) return {};
  return describe(check, "text");
}

namespace {

struct NamedShape {
  const char* name;
  std::int64_t layers, hidden, heads, max_positions;
};
constexpr NamedShape kShapes[] = {
    {"micro", 2, 128, 2, 64},   {"tiny", 2, 128, 2, 512},    {"mini", 4, 256, 4, 512},   {"small", 4, 512, 8, 512},
    {"medium", 8, 512, 8, 512}, {"minilm", 6, 384, 12, 512}, {"base", 12, 768, 12, 512},
};

}  // namespace

std::optional<ModelConfig> named_shape(const std::string& name) {
  for (const NamedShape& shape : kShapes) {
    if (name != shape.name) continue;
    ModelConfig config;
    config.layers = shape.layers;
    config.hidden = shape.hidden;
    config.heads = shape.heads;
    config.intermediate = 4 * shape.hidden;
    config.max_positions = shape.max_positions;
    return config;
  }
  return std::nullopt;
}

std::vector<std::string> shape_names() {
  std::vector<std::string> names;
  for (const NamedShape& shape : kShapes) names.emplace_back(shape.name);
  return names;
}

double deepnorm_residual_scale(std::int64_t layers) { return std::sqrt(std::sqrt(2.0 * static_cast<double>(layers))); }

bool set_residual_scale(ModelConfig& model, const std::string& text) {
  const std::optional<double> number = base::to_number(text);
  model.trained_residual_scale = text == "trained";
  model.residual_scale = text == "deepnorm" ? deepnorm_residual_scale(model.layers) : number.value_or(1);
  return text == "deepnorm" || text == "trained" || (number && *number > 0);
}

std::vector<std::string> optimization_names() {
  return {"last_layer_rows", "streamed_loss", "lazy_embeddings", "packed_weights", "huge_pages", "vector_kernels"};
}

bool TrainingConfig::uses(std::string_view optimization) const {
  [[maybe_unused]] const std::vector<std::string> known = optimization_names();
  assert(std::ranges::find(known, optimization) != known.end());
  return std::ranges::find(without, optimization) == without.end();
}

const char* to_text(HeadKind kind) {
  switch (kind) {
    case HeadKind::classifier:
      return "classifier";
    case HeadKind::regressor:
      return "regressor";
    case HeadKind::mlm:
      return "mlm";
  }
  return "";
}

const char* to_text(Role role) {
  switch (role) {
    case Role::run:
      return "run";
    case Role::tuning:
      return "tuning";
  }
  return "";
}

bool LayerRange::covers(std::int64_t layer, std::int64_t num_layers) const {
  if (layer < 0) return false;
  switch (kind) {
    case Kind::top:
      return layer >= num_layers - first;
    case Kind::bottom:
      return layer < first;
    case Kind::span:
      return layer >= first && layer <= last;
  }
  return false;
}

std::optional<LayerRange> parse_layer_range(const std::string& text) {
  LayerRange range;
  range.text = text;
  const auto counted = [&](std::string_view word, LayerRange::Kind kind) -> bool {
    if (text.size() < word.size() + 3 || text.compare(0, word.size(), word) != 0) return false;
    if (text[word.size()] != '(' || text.back() != ')') return false;
    const auto n = base::to_integer(std::string_view(text).substr(word.size() + 1, text.size() - word.size() - 2));
    if (!n || *n < 0) return false;
    range.kind = kind;
    range.first = *n;
    return true;
  };
  if (counted("top", LayerRange::Kind::top) || counted("bottom", LayerRange::Kind::bottom)) return range;
  const std::size_t dots = text.find("..");
  const auto first = base::to_integer(std::string_view(text).substr(0, dots));
  const auto last = dots == std::string::npos ? first : base::to_integer(std::string_view(text).substr(dots + 2));
  if (!first || !last || *first < 0 || *last < *first) return std::nullopt;
  range.first = *first;
  range.last = *last;
  return range;
}

base::Json to_json(const InitRule& rule) {
  base::Json object = base::Json::object();
  object["use"] = rule.use;
  base::Json options = base::Json::object();
  for (const auto& [key, value] : rule.options) options[key] = value;
  object["options"] = std::move(options);
  object["roles"] = rule.roles;
  object["parts"] = rule.parts;
  object["match"] = rule.match ? base::Json(*rule.match) : base::Json(nullptr);
  object["layers"] = rule.layers ? base::Json(rule.layers->text) : base::Json(nullptr);
  object["missing"] = rule.missing ? base::Json(*rule.missing) : base::Json(nullptr);
  return object;
}

std::vector<std::string> role_names() {
  return {"matrix", "embedding", "bias", "norm_scale", "norm_shift", "residual_scale"};
}

std::vector<std::string> part_names() { return {"embeddings", "attention", "ffn", "norms", "pooler", "head"}; }

}  // namespace initlab::config
