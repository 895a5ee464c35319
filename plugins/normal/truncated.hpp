// The truncated normal distribution, shared by truncated_normal and bert_default.
//
//   x = mean + stddev * z,   z ~ N(0, 1) given |z| <= c,   c = cut_sigmas (in units of stddev, not absolute)
//
// stddev is that of the normal before the cut. The result's is smaller: stddev * sqrt(1 - 2 c phi(c) / (2 Phi(c) - 1)),
// which is stddev * 0.8796 at c = 2. So "0.02" gives 0.0176, as in Google's BERT; PyTorch's trunc_normal_ agrees if its
// absolute bounds a, b are -+ c * stddev. Source: google-research/bert, modeling.py, create_initializer
// (tf.truncated_normal_initializer draws again what lies beyond two standard deviations).
//
// Redrawn, and still a pure function of the element: element i of n takes the first of the draws i, i + n, i + 2n, ...
// that is inside the cut.
#pragma once

#include <cmath>
#include <numbers>

#include "sdk/plugin.hpp"

namespace initlab::plugins {

struct TruncatedNormal {
  double mean;
  double stddev;
  double cut_sigmas;

  void fill(const char* tensor, const sdk::Host& host, std::span<float> values) const {
    host.normal(tensor, 0, values);
    for (std::size_t i = 0; i < values.size(); ++i) {
      float z = values[i];
      for (std::uint64_t draw = i + values.size(); std::fabs(static_cast<double>(z)) > cut_sigmas;
           draw += values.size())
        host.normal(tensor, draw, {&z, 1});
      values[i] = static_cast<float>(mean + stddev * static_cast<double>(z));
    }
  }

  sdk::Moments moments() const {
    const double c = cut_sigmas;
    const double density = std::exp(-c * c / 2) / std::sqrt(2 * std::numbers::pi);
    const double kept = std::erf(c / std::numbers::sqrt2);  // 2 Phi(c) - 1
    return {.mean = mean,
            .stddev = stddev * std::sqrt(1 - 2 * c * density / kept),
            .low = mean - stddev * c,
            .high = mean + stddev * c};
  }
};

}  // namespace initlab::plugins
