#include "train/groups.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>

#include "base/error.hpp"
#include "base/text.hpp"

namespace initlab::train {
namespace {

bool is_part(const std::string& name) {
  const std::vector<std::string> parts = config::part_names();
  return std::ranges::find(parts, name) != parts.end();
}

bool names(const std::string& entry, const params::Parameter& p) {
  return is_part(entry) ? params::to_text(params::part_of(p)) == entry : base::glob_match(entry, p.name);
}

bool is_frozen(const config::TrainingConfig& training, const params::Parameter& p) {
  return std::ranges::any_of(training.freeze, [&](const std::string& entry) { return names(entry, p); });
}

std::string why_nothing(const std::string& entry, const params::ParameterTable& table) {
  if (is_part(entry)) return "this model has no such part";
  std::vector<std::string> known = config::part_names();
  for (const params::Parameter& p : table.all()) known.push_back(p.name);
  const std::string near = base::closest(entry, known);
  if (!near.empty()) return "did you mean " + base::quote(near) + "?";
  return "parts are " + base::join(config::part_names(), ", ") + "; names look like " + table.all().front().name +
         ", * is any run of characters";
}

// A setting without effect is a mistake of the person who wrote it.
void check_freeze(const config::TrainingConfig& training, const params::ParameterTable& table) {
  for (const std::string& entry : training.freeze)
    if (std::ranges::none_of(table.all(), [&](const auto& p) { return names(entry, p); }))
      throw base::Error({training.place, "training.freeze", "a part of the model or a pattern of tensor names",
                         base::quote(entry), why_nothing(entry, table)});
  if (std::ranges::all_of(table.all(), [&](const auto& p) { return is_frozen(training, p); }))
    throw base::Error({training.place, "training.freeze", "at least one tensor that may move", "all of them frozen",
                       "epochs: 0 evaluates without training"});
}

std::optional<double> own_rate(const config::TrainingConfig& training, params::Part part) {
  const config::PartRates& rates = training.learning_rates;
  switch (part) {
    case params::Part::embeddings:
      return rates.embeddings;
    case params::Part::attention:
      return rates.attention;
    case params::Part::ffn:
      return rates.ffn;
    case params::Part::norms:
      return rates.norms;
    case params::Part::pooler:
      return rates.pooler;
    case params::Part::head:
      return rates.head;
  }
  return std::nullopt;
}

void check_rates(const config::TrainingConfig& training, const params::ParameterTable& table) {
  for (std::size_t i = 0; i < config::part_names().size(); ++i) {
    const auto part = static_cast<params::Part>(i);
    if (!own_rate(training, part)) continue;
    if (std::ranges::none_of(table.all(), [&](const auto& p) { return params::part_of(p) == part; }))
      throw base::Error({training.place, std::string("training.learning_rates.") + params::to_text(part),
                         "a part of the model", "this model has none of it", "remove it"});
  }
}

// Factors of `layer_decay` between the head and this parameter.
std::int64_t depth(const params::Parameter& p, std::int64_t layers) {
  if (p.layer >= 0) return layers - p.layer;
  return params::part_of(p) == params::Part::embeddings ? layers + 1 : 0;
}

Group group_of(const config::TrainingConfig& training, const params::Parameter& p, std::int64_t layers) {
  Group group;
  group.begin = static_cast<std::size_t>(p.offset);
  group.count = static_cast<std::size_t>(p.size);
  group.frozen = is_frozen(training, p);
  if (group.frozen) return group;
  group.learning_rate = own_rate(training, params::part_of(p)).value_or(training.optimizer.learning_rate) *
                        std::pow(training.layer_decay, static_cast<double>(depth(p, layers)));
  group.weight_decay = p.decays() ? training.optimizer.weight_decay : 0;
  return group;
}

bool alike(const Group& a, const Group& b) {
  return a.frozen == b.frozen && a.learning_rate == b.learning_rate && a.weight_decay == b.weight_decay;
}

}  // namespace

std::vector<Group> update_groups(const config::TrainingConfig& training, const params::ParameterTable& table) {
  check_freeze(training, table);
  check_rates(training, table);
  std::int64_t layers = 0;
  for (const params::Parameter& p : table.all()) layers = std::max(layers, p.layer + 1);
  std::vector<Group> groups;
  for (const params::Parameter& p : table.all()) {
    const Group group = group_of(training, p, layers);
    if (!groups.empty() && alike(groups.back(), group)) {
      groups.back().count += group.count;
    } else {
      groups.push_back(group);
    }
  }
  return groups;
}

}  // namespace initlab::train
