#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "data/data.hpp"
#include "data/masking.hpp"

namespace initlab::data {
namespace {

Baseline variance_of(const std::vector<Example>& examples) {
  const auto n = static_cast<double>(examples.size());
  double mean = 0, variance = 0;
  for (const Example& example : examples) mean += static_cast<double>(example.target) / n;
  for (const Example& example : examples) variance += std::pow(static_cast<double>(example.target) - mean, 2) / n;
  return {variance, std::numeric_limits<double>::quiet_NaN()};
}

}  // namespace

Baseline constant_baseline(const TaskData& data) {
  if (data.info.head == config::HeadKind::regressor) return variance_of(data.train);
  std::map<std::int32_t, double> counts;
  double total = 0;
  const auto count = [&](std::int32_t label) {
    ++counts[label];
    ++total;
  };
  const Masker masker(data.special, data.vocabulary, /*probability=*/1);
  for (const Example& example : data.train) {
    if (data.info.head == config::HeadKind::classifier) count(example.label);
    if (data.info.head != config::HeadKind::mlm) continue;
    for (const std::int32_t id : example.ids)
      if (masker.is_ordinary(id)) count(id);
  }
  Baseline baseline;
  for (const auto& [label, n] : counts) {
    baseline.loss -= n / total * std::log(n / total);
    baseline.accuracy = std::max(baseline.accuracy, n / total);
  }
  return baseline;
}

}  // namespace initlab::data
