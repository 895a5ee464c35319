#include "train/diagnostics.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <utility>

#include "compute/pair_sums.hpp"
#include "model/layer_statistics.hpp"

namespace initlab::train {
namespace {

using compute::PairSums;
using record::PartDiagnosis;

using Place = std::pair<std::int64_t, std::int64_t>;  // part and layer

Place place_of(const params::Parameter& p) { return {static_cast<std::int64_t>(params::part_of(p)), p.layer}; }

std::span<const float> slice(const params::Parameter& p, std::span<const float> block) {
  return block.subspan(static_cast<std::size_t>(p.offset), static_cast<std::size_t>(p.size));
}

struct PartSums : PairSums {
  double size = 0;  // numbers
};

// Sums of two flat blocks by part and layer.
std::map<Place, PartSums> sums_by_part(const params::ParameterTable& table, std::span<const float> x,
                                       std::span<const float> y) {
  std::map<Place, PartSums> sums;
  for (const params::Parameter& p : table.all()) {
    PartSums& part = sums[place_of(p)];
    part += compute::pair_sums(slice(p, x), slice(p, y));
    part.size += static_cast<double>(p.size);
  }
  return sums;
}

double cosine(const PairSums& sums) { return sums.xy / std::sqrt(sums.xx * sums.yy); }  // NaN where one is 0

std::vector<PartDiagnosis> parts_of(const params::ParameterTable& table) {
  std::map<Place, PartDiagnosis> parts;
  for (const params::Parameter& p : table.all()) {
    const auto [part, layer] = place_of(p);
    parts[{part, layer}] = {.part = part, .layer = layer};
  }
  std::vector<PartDiagnosis> list;
  for (const auto& [place, part] : parts) list.push_back(part);
  return list;
}

}  // namespace

std::vector<PartDiagnosis> gradient_norms(const params::ParameterTable& table, std::span<const float> gradients) {
  const auto sums = sums_by_part(table, gradients, gradients);
  std::vector<PartDiagnosis> parts = parts_of(table);
  for (PartDiagnosis& part : parts) part.grad_norm = std::sqrt(sums.at({part.part, part.layer}).xx);
  return parts;
}

bool is_diagnosed(std::int64_t step, std::int64_t total) {
  return std::has_single_bit(static_cast<std::uint64_t>(step)) || step == total;
}

Diagnostics::Diagnostics(const DiagnosticsSource& source, const params::ParameterTable& table,
                         const data::BatchStream& batches, std::span<const float> initial)
    : source_(source), table_(table), head_(batches.data().info.head), initial_(initial.begin(), initial.end()) {
  const batch::Batch first = batches.train(0);
  batch_ = data::slice(first, 0, std::min(first.sequences(), kDiagnosedSequences));
}

record::Diagnosis Diagnostics::begin() const { return {weights(initial_), activations(initial_)}; }

void Diagnostics::before(std::span<const float> values) { before_.assign(values.begin(), values.end()); }

void Diagnostics::gradient(std::span<const float> gradients) { gradients_ = gradient_norms(table_, gradients); }

record::Diagnosis Diagnostics::after(std::int64_t step, std::span<const float> values) {
  record::Diagnosis diagnosis{weights(values), activations(values)};
  const auto update = sums_by_part(table_, values, before_);
  before_ = {};
  for (std::size_t i = 0; i < diagnosis.parts.size(); ++i) {
    PartDiagnosis& part = diagnosis.parts[i];
    part.step = step;
    part.grad_norm = gradients_[i].grad_norm;
    part.update_norm = std::sqrt(update.at({part.part, part.layer}).difference);
  }
  for (record::LayerDiagnosis& layer : diagnosis.layers) layer.step = step;
  return diagnosis;
}

std::vector<PartDiagnosis> Diagnostics::weights(std::span<const float> values) const {
  const auto sums = sums_by_part(table_, values, initial_);
  std::vector<PartDiagnosis> parts = parts_of(table_);
  for (PartDiagnosis& part : parts) {
    const PartSums& s = sums.at({part.part, part.layer});
    part.weight_norm = std::sqrt(s.xx);
    part.distance_initial = std::sqrt(s.difference);
    part.cosine_initial = cosine(s);
    part.sign_flips = s.opposite / s.size;
  }
  if (source_.pretrained) compare_pretrained(values, parts);
  return parts;
}

void Diagnostics::compare_pretrained(std::span<const float> values, std::vector<PartDiagnosis>& parts) const {
  std::map<Place, PartSums> sums;
  std::map<Place, bool> lacking;
  for (const params::Parameter& p : table_.all()) {
    const std::vector<float> pretrained = source_.pretrained(p);  // one tensor at a time
    if (pretrained.empty())
      lacking[place_of(p)] = true;
    else
      sums[place_of(p)] += compute::pair_sums(slice(p, values), pretrained);
  }
  for (PartDiagnosis& part : parts) {
    const Place place{part.part, part.layer};
    if (lacking.contains(place)) continue;
    part.distance_pretrained = std::sqrt(sums.at(place).difference);
    part.cosine_pretrained = cosine(sums.at(place));
  }
}

std::vector<record::LayerDiagnosis> Diagnostics::activations(std::span<const float> values) const {
  model::LayerStatistics statistics(batch_);
  model::observe(source_.model, head_, source_.num_labels, table_, values, batch_, std::ref(statistics));
  return statistics.layers();
}

}  // namespace initlab::train
