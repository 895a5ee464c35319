// What tests of kernels share: random values, bf16 by the scalar twin, and the distance between float results and a
// double reference.
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "compute/reference/element.hpp"

namespace initlab::testing_tools {

constexpr double kEps = 0x1p-24;  // largest relative error of one rounding to float

// N(0, 1) times scale; the same values for the same name.
inline std::vector<float> random_values(std::int64_t n, const std::string& name, double scale = 1) {
  const base::Stream stream(7, name);
  std::vector<float> x(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(scale * stream.normal(i));
  return x;
}

inline std::vector<compute::Bf16> rounded(const std::vector<float>& x) {
  std::vector<compute::Bf16> y;
  for (const float v : x) y.push_back(compute::reference::round_to_bf16(v));
  return y;
}

inline std::vector<float> widened(const std::vector<compute::Bf16>& x) {
  std::vector<float> y;
  for (const compute::Bf16 v : x) y.push_back(compute::reference::widen(v));
  return y;
}

inline std::vector<std::uint16_t> bits_of(const std::vector<compute::Bf16>& x) {
  std::vector<std::uint16_t> bits;
  for (const compute::Bf16 v : x) bits.push_back(v.bits);
  return bits;
}

inline double length(std::span<const double> x) {
  double sum = 0;
  for (const double v : x) sum += v * v;
  return std::sqrt(sum);
}

// || x - reference || / || reference ||
inline double relative_distance(std::span<const float> x, std::span<const double> reference) {
  std::vector<double> difference;
  for (std::size_t i = 0; i < x.size(); ++i) difference.push_back(static_cast<double>(x[i]) - reference[i]);
  return length(difference) / length(reference);
}

}  // namespace initlab::testing_tools
