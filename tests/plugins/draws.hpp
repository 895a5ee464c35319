// Draws of the shipped strategies through the program's own streams, and the measures that tests hold against them.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <numbers>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "config/config.hpp"
#include "init/init.hpp"
#include "params/params.hpp"
#include "paths.hpp"

namespace initlab::draws {

constexpr std::int64_t kRows = 6000, kWidth = 200, kLayers = 6;  // 1.2 million elements; fans differ
inline const std::string kName = "bert.embeddings.word_embeddings.weight";

inline const init::Catalog& catalog() {
  static const init::Catalog loaded = [] {
    init::Catalog c;
    for (const std::string& file : init::find_plugins({}, initlab::paths::binary_dir() + "/initlab")) c.load(file);
    return c;
  }();
  return loaded;
}

// One large tensor, filled by a strategy.
inline std::vector<float> draw(const std::string& use, std::vector<std::pair<std::string, std::string>> options = {},
                               params::Role role = params::Role::embedding, std::uint64_t seed = 2025) {
  params::ParameterTable table;
  table.add(kName, role, {kRows, kWidth}, -1, false);
  config::RunPlan plan;
  plan.seeds.init = seed;
  config::InitRule rule;
  rule.use = use;
  rule.options = std::move(options);
  plan.init = {rule};
  config::ModelConfig model;
  model.hidden = kWidth;
  model.layers = kLayers;
  std::vector<float> values(static_cast<std::size_t>(table.size()));
  init::apply(catalog(), init::assign(catalog(), plan, table, nullptr, model), plan, model, nullptr, values);
  return values;
}

// A whole model, filled by one rule.
class Model {
 public:
  Model(const config::ModelConfig& shape, const std::string& use,
        std::vector<std::pair<std::string, std::string>> options = {}, std::vector<std::string> roles = {},
        config::HeadKind head = config::HeadKind::classifier)
      : table_(params::bert_parameters(shape, head, 3)), values_(static_cast<std::size_t>(table_.size())) {
    config::RunPlan plan;
    plan.seeds.init = 2025;
    plan.seeds.head = 2026;
    config::InitRule rule;
    rule.use = use;
    rule.options = std::move(options);
    rule.roles = std::move(roles);
    rule.place = "x.yaml:7:5";
    plan.init = plan.head = {rule};
    init::apply(catalog(), init::assign(catalog(), plan, table_, nullptr, shape), plan, shape, nullptr, values_);
  }
  const std::vector<params::Parameter>& parameters() const { return table_.all(); }
  std::span<const float> of(const std::string& name) const { return of(table_.at(name)); }
  std::span<const float> of(const params::Parameter& p) const {
    return std::span(values_).subspan(static_cast<std::size_t>(p.offset), static_cast<std::size_t>(p.size));
  }

 private:
  params::ParameterTable table_;
  std::vector<float> values_;
};

struct Moments {
  double mean, stddev, mean_error, stddev_error;  // errors: one standard error each, from the sample's moments
};

inline Moments moments(const std::vector<float>& values) {
  const double n = static_cast<double>(values.size());
  double sum = 0, second = 0, fourth = 0;
  for (const float x : values) sum += x;
  const double mean = sum / n;
  for (const float x : values) {
    const double d2 = (x - mean) * (x - mean);
    second += d2;
    fourth += d2 * d2;
  }
  const double variance = second / n, stddev = std::sqrt(variance);
  return {mean, stddev, stddev / std::sqrt(n), std::sqrt((fourth / n - variance * variance) / n) / (2 * stddev)};
}

inline void expect_moments(const std::vector<float>& values, double mean, double stddev) {
  const Moments m = moments(values);
  EXPECT_NEAR(m.mean, mean, 5 * m.mean_error);
  EXPECT_NEAR(m.stddev, stddev, 5 * m.stddev_error);
  EXPECT_LT(m.stddev_error, 0.001 * stddev);  // the check can tell 0.02 from 0.0176 and a variance from a deviation
}

// Kolmogorov-Smirnov: the largest distance between sample and distribution is above 2.2 / sqrt(n) with probability
// 1e-4.
inline void expect_distribution(std::vector<float> values, const std::function<double(double)>& cdf) {
  std::ranges::sort(values);
  const double n = static_cast<double>(values.size());
  double distance = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double p = cdf(static_cast<double>(values[i]));
    distance = std::max({distance, p - static_cast<double>(i) / n, static_cast<double>(i + 1) / n - p});
  }
  EXPECT_LT(distance, 2.2 / std::sqrt(n));
}

inline double normal_cdf(double z) { return std::erfc(-z / std::numbers::sqrt2) / 2; }

}  // namespace initlab::draws
