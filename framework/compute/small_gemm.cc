#include "compute/small_gemm.hpp"

#include <algorithm>
#include <cstring>

#include "compute/simd.hpp"

namespace initlab::compute {
namespace {

constexpr std::int64_t kLanes = 16;
constexpr int kRows =
    6;  // 6 x 16 sums fit the registers of AVX2 (12 of 16) and NEON, and keep AVX-512's two units busy

using Lanes = float __attribute__((vector_size(64), aligned(4)));  // the compiler splits it where registers are shorter

// kHeight rows of C, `width` <= kLanes columns. Columns beyond width are neither read nor written.
template <int kHeight, bool kWhole>
[[gnu::always_inline]] inline void tile(std::int64_t width, std::int64_t k, const float* a, std::int64_t a_row,
                                        std::int64_t a_column, const float* b, std::int64_t b_row, float* c,
                                        std::int64_t c_row) {
  const std::size_t bytes = kWhole ? sizeof(Lanes) : static_cast<std::size_t>(width) * sizeof(float);
  Lanes sums[kHeight] = {};
  for (std::int64_t p = 0; p < k; ++p) {
    Lanes row = {};
    std::memcpy(&row, b + p * b_row, bytes);
    for (int i = 0; i < kHeight; ++i) sums[i] += a[i * a_row + p * a_column] * row;
  }
  for (int i = 0; i < kHeight; ++i) std::memcpy(c + i * c_row, &sums[i], bytes);
}

// All rows of `width` columns of C.
template <bool kWhole>
[[gnu::always_inline]] inline void panel(std::int64_t m, std::int64_t width, std::int64_t k, const float* a,
                                         std::int64_t a_row, std::int64_t a_column, const float* b, std::int64_t b_row,
                                         float* c, std::int64_t c_row) {
  std::int64_t i = 0;
  for (; i + kRows <= m; i += kRows)
    tile<kRows, kWhole>(width, k, a + i * a_row, a_row, a_column, b, b_row, c + i * c_row, c_row);
  for (; i + 2 <= m; i += 2) tile<2, kWhole>(width, k, a + i * a_row, a_row, a_column, b, b_row, c + i * c_row, c_row);
  for (; i < m; ++i) tile<1, kWhole>(width, k, a + i * a_row, a_row, a_column, b, b_row, c + i * c_row, c_row);
}

INITLAB_CLONES void multiply(std::int64_t m, std::int64_t n, std::int64_t k, const float* a, std::int64_t a_row,
                             std::int64_t a_column, const float* b, std::int64_t b_row, float* c, std::int64_t c_row) {
  std::int64_t j = 0;
  for (; j + kLanes <= n; j += kLanes) panel<true>(m, kLanes, k, a, a_row, a_column, b + j, b_row, c + j, c_row);
  if (j < n) panel<false>(m, n - j, k, a, a_row, a_column, b + j, b_row, c + j, c_row);
}

}  // namespace

void small_gemm(std::int64_t m, std::int64_t n, std::int64_t k, const Strided& a, const float* b, std::int64_t b_row,
                float* c, std::int64_t c_row) {
  multiply(m, n, k, a.data, a.row, a.column, b, b_row, c, c_row);
}

}  // namespace initlab::compute
