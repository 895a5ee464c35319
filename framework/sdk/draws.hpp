// Whole numbers and permutations from the host's uniform stream. Exact double arithmetic: the same on every CPU.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include "sdk/plugin.hpp"

namespace initlab::sdk {

// A whole number below `bound`, from draws 2i and 2i + 1 of the tensor's uniform stream: 48 bits, so the bias is below
// bound / 2^48.
inline std::uint64_t below(const Host& host, const char* tensor, std::uint64_t i, std::uint64_t bound) {
  std::array<float, 2> draw;
  host.uniform(tensor, 2 * i, draw);
  const double u = static_cast<double>(draw[0]) + static_cast<double>(draw[1]) * 0x1p-24;  // exact: 48 bits
  return std::min(static_cast<std::uint64_t>(u * static_cast<double>(bound)), bound - 1);
}

// 0 .. n-1 in random order: Fisher and Yates 1938, as Durstenfeld 1964. Takes the draws of `below` from `first` on.
inline std::vector<std::uint32_t> permutation(const Host& host, const char* tensor, std::uint64_t first,
                                              std::uint32_t n) {
  std::vector<std::uint32_t> order(n);
  std::iota(order.begin(), order.end(), 0u);
  for (std::uint32_t i = n; i > 1; --i) std::swap(order[i - 1], order[below(host, tensor, first + i - 1, i)]);
  return order;
}

}  // namespace initlab::sdk
