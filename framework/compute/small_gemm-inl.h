// The micro-kernel of small matrix products, once per instruction set (Highway). Internal to compute/; include after
// hwy/highway.h, within a file that foreach_target includes again.
//
// A tile of C, a few rows by a few vectors of columns, stays in registers while k runs: each step loads one row of B's
// panel and multiplies it with one number of A for each row of the tile. A is read where it lies, by any strides.

// Toggled so that each instruction set gets its own copy.
#if defined(INITLAB_COMPUTE_SMALL_GEMM_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef INITLAB_COMPUTE_SMALL_GEMM_INL_H_
#undef INITLAB_COMPUTE_SMALL_GEMM_INL_H_
#else
#define INITLAB_COMPUTE_SMALL_GEMM_INL_H_
#endif

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include <hwy/highway.h>
#include "compute/simd-inl.h"
#include "compute/small_gemm.hpp"

HWY_BEFORE_NAMESPACE();
namespace initlab::compute::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_SCALAR
constexpr int kVectorRegisters = 16;
constexpr int kMostVectors = 2;  // of columns in a tile
#else
constexpr int kVectorRegisters = 32;
constexpr int kMostVectors = 4;
#endif

// Rows of the highest tile: its sums, one row of B and one number of A fill the registers. More than 12 gain nothing.
constexpr int highest_tile(int vectors) { return std::min(12, (kVectorRegisters - 1 - vectors) / vectors); }

// `height` rows of C. kPartial: the last vector has ops.rest columns only; others are neither read nor written.
template <int kHeight, int kVectors, bool kAdjacent, bool kPartial>
void tile(const SmallProduct& ops, const float* a, const float* b, float* c, const float* factors) {
  const Lanes d;
  using V = hn::Vec<Lanes>;
  const auto width = static_cast<std::int64_t>(hn::Lanes(d));
  const auto rest = hn::FirstN(d, static_cast<std::size_t>(kPartial ? ops.n % width : width));
  const std::int64_t a_row = kAdjacent ? 1 : ops.a.row;
  V sums[kHeight][kVectors];
  HWY_UNROLL(12)
  for (int i = 0; i < kHeight; ++i) {
    HWY_UNROLL(4)
    for (int j = 0; j < kVectors; ++j) sums[i][j] = hn::Zero(d);
  }
  for (std::int64_t p = 0; p < ops.k; ++p, a += ops.a.column, b += ops.b_row) {
    V row[kVectors];
    HWY_UNROLL(4)
    for (int j = 0; j < kVectors; ++j)
      row[j] = kPartial && j == kVectors - 1 ? hn::MaskedLoad(rest, d, b + j * width) : hn::LoadU(d, b + j * width);
    HWY_UNROLL(12)
    for (int i = 0; i < kHeight; ++i) {
      const V number = hn::Set(d, a[i * a_row]);
      HWY_UNROLL(4)
      for (int j = 0; j < kVectors; ++j) sums[i][j] = hn::MulAdd(number, row[j], sums[i][j]);
    }
  }
  const auto write = [&](int j, V sum, float* to) HWY_ATTR {
    if (kPartial && j == kVectors - 1)
      hn::BlendedStore(sum, rest, d, to);
    else
      hn::StoreU(sum, d, to);
  };
  if (!ops.accumulate && factors == nullptr) {
    HWY_UNROLL(12)
    for (int i = 0; i < kHeight; ++i, c += ops.c_row) {
      HWY_UNROLL(4)
      for (int j = 0; j < kVectors; ++j) write(j, sums[i][j], c + j * width);
    }
    return;
  }
  const bool accumulate = ops.accumulate;
  HWY_UNROLL(12)
  for (int i = 0; i < kHeight; ++i, c += ops.c_row) {
    const V factor = hn::Set(d, factors == nullptr ? 1.0f : factors[i]);
    HWY_UNROLL(4)
    for (int j = 0; j < kVectors; ++j) {
      const float* from = c + j * width;
      V before = hn::Zero(d);
      if (accumulate) before = kPartial && j == kVectors - 1 ? hn::MaskedLoad(rest, d, from) : hn::LoadU(d, from);
      write(j, hn::MulAdd(sums[i][j], factor, before), c + j * width);
    }
  }
}

// All rows of kVectors vectors of columns, in tiles of nearly equal height.
template <int kVectors, bool kAdjacent, bool kPartial>
void panel(const SmallProduct& ops, const float* b, float* c) {
  using Tile = void (*)(const SmallProduct&, const float*, const float*, float*, const float*);
  constexpr int kHighest = highest_tile(kVectors);
  static constexpr auto kTiles = []<int... kBelow>(std::integer_sequence<int, kBelow...>) {
    return std::array<Tile, sizeof...(kBelow)>{&tile<kBelow + 1, kVectors, kAdjacent, kPartial>...};
  }
  (std::make_integer_sequence<int, kHighest>());
  const std::int64_t tiles = (ops.m + kHighest - 1) / kHighest;
  const std::int64_t a_row = kAdjacent ? 1 : ops.a.row;
  for (std::int64_t t = 0; t < tiles; ++t) {
    const std::int64_t begin = ops.m * t / tiles, height = ops.m * (t + 1) / tiles - begin;
    kTiles[static_cast<std::size_t>(height - 1)](ops, ops.a.data + begin * a_row, b, c + begin * ops.c_row,
                                                 ops.factors == nullptr ? nullptr : ops.factors + begin);
  }
}

template <int kVectors, bool kPartial>
void panel_of(const SmallProduct& ops, std::int64_t column) {
  if (ops.a.row == 1)
    panel<kVectors, true, kPartial>(ops, ops.b + column, ops.c + column);
  else
    panel<kVectors, false, kPartial>(ops, ops.b + column, ops.c + column);
}

// `vectors` vectors from `column` on, the last of which is partial or not.
template <bool kPartial>
void panel_of(const SmallProduct& ops, std::int64_t column, std::int64_t vectors) {
  if (vectors == 1) panel_of<1, kPartial>(ops, column);
  if (vectors == 2) panel_of<2, kPartial>(ops, column);
  if constexpr (kMostVectors > 2) {
    if (vectors == 3) panel_of<3, kPartial>(ops, column);
    if (vectors == 4) panel_of<4, kPartial>(ops, column);
  }
}

HWY_INLINE void multiply(const SmallProduct& ops) {
  const auto width = static_cast<std::int64_t>(hn::Lanes(Lanes()));
  const bool partial = ops.n % width != 0;
  const std::int64_t vectors = (ops.n + width - 1) / width;
  for (std::int64_t first = 0; first < vectors; first += kMostVectors) {
    const std::int64_t count = std::min<std::int64_t>(kMostVectors, vectors - first);
    if (partial && first + count == vectors)
      panel_of<true>(ops, first * width, count);
    else
      panel_of<false>(ops, first * width, count);
  }
}

}  // namespace initlab::compute::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target guard
