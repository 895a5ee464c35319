// The scalar twin of compute/element.hpp: rounding by comparing the two neighbours.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include "compute/element.hpp"

namespace initlab::compute::reference {

inline float widen(Bf16 x) { return std::bit_cast<float>(static_cast<std::uint32_t>(x.bits) << 16); }

inline Bf16 round_to_bf16(float x) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(x);
  const Bf16 towards_zero{static_cast<std::uint16_t>(bits >> 16)};
  if (std::isnan(x)) return Bf16{static_cast<std::uint16_t>(towards_zero.bits | 0x40u)};  // quiet, and never infinity
  if (std::isinf(x)) return towards_zero;
  const Bf16 away{static_cast<std::uint16_t>(towards_zero.bits + 1)};
  const std::uint32_t rest = bits & 0xFFFFu;  // of the distance between the neighbours, in 1 / 65536
  if (rest < 0x8000u) return towards_zero;
  if (rest > 0x8000u) return away;
  return towards_zero.bits % 2 == 0 ? towards_zero : away;
}

}  // namespace initlab::compute::reference
