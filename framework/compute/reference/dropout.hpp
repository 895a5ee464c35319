// The scalar twin of compute/dropout.hpp: one bit at a time, from base::philox.
#pragma once

#include <cmath>
#include <cstdint>

#include "base/random.hpp"

namespace initlab::compute::reference {

struct Place {  // one value that dropout may drop
  std::uint64_t key = 0;
  std::uint32_t step = 0, site = 0, slot = 0, position = 0, feature = 0;
};

// 0 where the value is dropped, else the inverse of the probability of keeping it.
inline double dropout_factor(double probability, const Place& p) {
  const double dropped = std::round(probability * 65536);  // of 65536
  if (dropped == 0) return 1;
  const auto words = base::philox(
      {p.feature / 8 + ((p.site >> 12) << 18), p.position, ((p.site & 4095) << 20) | p.slot, p.step}, p.key);
  const std::uint32_t number = p.feature % 8;
  const std::uint32_t word = words[number / 2];
  const std::uint32_t uniform = number % 2 == 0 ? word & 0xFFFF : word >> 16;
  return uniform < dropped ? 0 : 65536 / (65536 - dropped);
}

}  // namespace initlab::compute::reference
