// Dropout whose bits are a pure function of (stream, step, site, slot, position, feature): never of T, packed row,
// vector width, thread or micro-batch.
//
// Philox4x32-10 (base::philox) with the stream's key and the counter
//   word 0: feature / 8 + (site >> 12) << 18    word 1: position    word 2: (site & 4095) << 20 | slot    word 3: step
// gives eight 16-bit uniforms, low halves of words first: feature f takes number f % 8 and is dropped where it is below
// round(p * 65536). What is kept is scaled by 65536 / (65536 - round(p * 65536)), so the mean is exact.
#pragma once

#include <cstdint>

namespace initlab::compute {

// One place of one step. Slots and positions are below 2^20, sites below 2^26, features below 2^21.
struct DropoutSite {
  std::uint64_t key = 0;
  std::uint32_t step = 0;
  std::uint32_t site = 0;
  std::uint32_t threshold = 0;  // of 65536; 0: no dropout
  float scale = 1;              // of what is kept

  bool active() const { return threshold != 0; }
  // The same place of another layer or head.
  DropoutSite at(std::uint32_t other) const {
    DropoutSite result = *this;
    result.site = other;
    return result;
  }
};

// probability in [0, 1).
DropoutSite dropout_site(double probability, std::uint64_t key, std::uint32_t step, std::uint32_t site);

// Who a row is: its sequence's slot and its position.
struct RowNames {
  const std::int32_t* slots = nullptr;      // (rows)
  const std::int32_t* positions = nullptr;  // (rows)
};

constexpr std::int64_t kDropoutBlock = 128;  // features whose factors are made at a time

// factors[i], i < n <= kDropoutBlock: 0 where feature first + i is dropped, else the scale. first is a multiple of 8;
// all kDropoutBlock factors are written. The site must be active.
void dropout_factors(const DropoutSite& site, std::int32_t slot, std::int32_t position, std::int64_t first,
                     float* factors);

// x (rows, n) times the factors, in place; does nothing where the site is inactive. It is its own backward.
void dropout_apply(const DropoutSite& site, const RowNames& names, std::int64_t rows, std::int64_t n, float* x);

}  // namespace initlab::compute
