// What random strategies draw from: uniform, normal and truncated normal, filled from the host's streams, with their
// moments. All are pure functions of (seed, tensor, element). Not for: which tensor gets which scale; strategies say
// that.
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>
#include <span>

#include "sdk/plugin.hpp"

namespace initlab::sdk {

// x = centre + bound * (2 u - 1), u ~ U[0, 1): uniform within `bound` of the centre, standard deviation bound / sqrt 3.
struct Uniform {
  double centre;
  double bound;

  void fill(const char* tensor, const Host& host, std::span<float> values) const {
    host.uniform(tensor, 0, values);
    for (float& x : values) x = static_cast<float>(centre + bound * (2 * static_cast<double>(x) - 1));
  }
  Moments moments() const {
    return {.mean = centre, .stddev = bound / std::sqrt(3.0), .low = centre - bound, .high = centre + bound};
  }
};

// x = mean + stddev * z, z ~ N(0, 1). stddev is a standard deviation, not a variance; nothing is cut.
struct Normal {
  double mean;
  double stddev;

  void fill(const char* tensor, const Host& host, std::span<float> values) const {
    host.normal(tensor, 0, values);
    for (float& x : values) x = static_cast<float>(mean + stddev * static_cast<double>(x));
  }
  Moments moments() const { return {.mean = mean, .stddev = stddev}; }
};

// x = mean + stddev * z,   z ~ N(0, 1) given |z| <= c,   c = cut_sigmas (in units of stddev, not absolute)
//
// stddev is that of the normal before the cut. The result's is smaller: stddev * sqrt(1 - 2 c phi(c) / (2 Phi(c) - 1)),
// which is stddev * 0.8796 at c = 2. So "0.02" gives 0.0176, as in Google's BERT; PyTorch's trunc_normal_ agrees if its
// absolute bounds a, b are -+ c * stddev. Source: google-research/bert, modeling.py, create_initializer
// (tf.truncated_normal_initializer draws again what lies beyond two standard deviations).
//
// Redrawn, and still a pure function of the element: element i of n takes the first of the draws i, i + n, i + 2n, ...
// that is inside the cut.
struct TruncatedNormal {
  double mean;
  double stddev;
  double cut_sigmas;

  void fill(const char* tensor, const Host& host, std::span<float> values) const {
    host.normal(tensor, 0, values);
    for (std::size_t i = 0; i < values.size(); ++i) {
      float z = values[i];
      for (std::uint64_t draw = i + values.size(); std::fabs(static_cast<double>(z)) > cut_sigmas;
           draw += values.size())
        host.normal(tensor, draw, {&z, 1});
      values[i] = static_cast<float>(mean + stddev * static_cast<double>(z));
    }
  }

  Moments moments() const {
    const double c = cut_sigmas;
    const double density = std::exp(-c * c / 2) / std::sqrt(2 * std::numbers::pi);
    const double kept = std::erf(c / std::numbers::sqrt2);  // 2 Phi(c) - 1
    return {.mean = mean,
            .stddev = stddev * std::sqrt(1 - 2 * c * density / kept),
            .low = mean - stddev * c,
            .high = mean + stddev * c};
  }
};

// A strategy that draws every tensor from one of these. Derived::distribution(param) says which, or throws Refusal.
//
//   class Narrow : public sdk::DrawnFrom<Narrow> { ... sdk::Normal distribution(const il_param&) const; };
template <class Derived>
class DrawnFrom {
 public:
  void check(const il_param& param, const Sources&) const { self().distribution(param); }
  void fill(const il_param& param, const Host& host, std::span<float> values) const {
    self().distribution(param).fill(param.name, host, values);
  }
  Moments moments(const il_param& param) const { return self().distribution(param).moments(); }

 private:
  const Derived& self() const { return static_cast<const Derived&>(*this); }
};

}  // namespace initlab::sdk
