#include "model/layer_statistics.hpp"

#include <cmath>
#include <limits>

#include "model/moments.hpp"

namespace initlab::model {
namespace {

constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();

}  // namespace

double mean_cosine(std::int64_t columns, std::span<const float> x) {
  const auto width = static_cast<std::size_t>(columns);
  std::vector<double> sum(width, 0.0);  // of the rows of length 1
  double n = 0;
  for (auto rest = x; !rest.empty(); rest = rest.subspan(width)) {
    const auto row = rest.first(width);
    double squares = 0;
    for (const float v : row) squares += static_cast<double>(v) * static_cast<double>(v);
    if (squares == 0) continue;
    const double length = std::sqrt(squares);
    for (std::size_t i = 0; i < width; ++i) sum[i] += static_cast<double>(row[i]) / length;
    ++n;
  }
  if (n < 2) return kNothing;
  double squares = 0;
  for (const double s : sum) squares += s * s;
  return (squares - n) / (n * (n - 1));
}

double mean_entropy(std::int64_t columns, std::span<const float> p) {
  double sum = 0;
  for (const float v : p)
    if (v > 0) sum -= static_cast<double>(v) * std::log(static_cast<double>(v));
  return sum * static_cast<double>(columns) / static_cast<double>(p.size());
}

void LayerStatistics::Mean::add(double value) {
  if (std::isnan(value)) return;
  sum += value;
  ++count;
}

double LayerStatistics::Mean::value() const { return count == 0 ? kNothing : sum / static_cast<double>(count); }

void LayerStatistics::operator()(const Activation& activation) {
  const std::string_view site = activation.site;
  if (site == "embeddings") {
    begin_layer(-1);
    end_layer(activation);
  } else if (site == "attention.query") {
    begin_layer(activation.layer);
  } else if (site == "attention.probabilities") {
    add_weights(activation);
  } else if (site == "attention.branch") {
    layers_.back().attention_branch = branch_ratio(activation);
  } else if (site == "attention.output") {
    input_stddev_ = Moments(activation.values).stddev();
  } else if (site == "ffn.branch") {
    layers_.back().ffn_branch = branch_ratio(activation);
  } else if (site == "ffn.output") {
    end_layer(activation);
  }
}

void LayerStatistics::begin_layer(std::int32_t layer) {
  layers_.push_back({.layer = layer});
  entropy_ = entropy_share_ = {};
}

void LayerStatistics::add_weights(const Activation& weights) {
  const double entropy = mean_entropy(weights.columns, weights.values);
  entropy_.add(entropy);
  if (weights.columns > 1) entropy_share_.add(entropy / std::log(static_cast<double>(weights.columns)));
}

double LayerStatistics::branch_ratio(const Activation& branch) const {
  return input_stddev_ == 0 ? kNothing : Moments(branch.values).stddev() / input_stddev_;
}

void LayerStatistics::end_layer(const Activation& output) {
  record::LayerDiagnosis& layer = layers_.back();
  const Moments of_all(output.values);
  layer.mean = of_all.mean();
  layer.stddev = input_stddev_ = of_all.stddev();
  Mean cosine;
  for (std::size_t b = 0; b + 1 < batch_.offsets.size(); ++b) {
    const auto first = static_cast<std::size_t>(batch_.offsets[b] * output.columns);
    const auto end = static_cast<std::size_t>(batch_.offsets[b + 1] * output.columns);
    cosine.add(mean_cosine(output.columns, output.values.subspan(first, end - first)));
  }
  layer.cosine = cosine.value();
  layer.entropy = entropy_.value();
  layer.entropy_share = entropy_share_.value();
}

}  // namespace initlab::model
