#include "compute/vector.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "compute/vector.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "compute/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace initlab::compute::HWY_NAMESPACE {

// sums (columns) += kRows rows that are `row` apart.
template <int kRows, class X>
HWY_INLINE void add_rows(std::int64_t columns, std::int64_t row, const X* x, float* sums) {
  for_lanes(columns, [&](auto d, std::int64_t i) HWY_ATTR {
    auto sum = load(d, sums + i);
    for (int k = 0; k < kRows; ++k) sum = hn::Add(sum, load(d, x + k * row + i));
    store(d, sum, sums + i);
  });
}

void sum_columns(std::int64_t rows, std::int64_t columns, ConstCells x, std::int64_t row, float* total) {
  with_pointer(x, [&](const auto* from) HWY_ATTR {
    for_panels(rows, columns, total,
               [&](std::int64_t first, std::int64_t height, std::int64_t column, std::int64_t width, float* sums)
                   HWY_ATTR {
                     const auto* panel = from + first * row + column;
                     std::int64_t r = 0;
                     for (; r + 4 <= height; r += 4) add_rows<4>(width, row, panel + r * row, sums);
                     for (; r < height; ++r) add_rows<1>(width, row, panel + r * row, sums);
                   });
  });
}

}  // namespace initlab::compute::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <cmath>

#include "compute/parallel.hpp"

namespace initlab::compute {
namespace {

HWY_EXPORT(sum_columns);

}  // namespace

void bias_tanh_forward(std::int64_t rows, std::int64_t n, const float* bias, float* x) {
  for_shares(rows, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r)
      for (std::int64_t i = 0; i < n; ++i) x[r * n + i] = std::tanh(x[r * n + i] + bias[i]);
  });
}

void bias_tanh_backward(std::int64_t rows, std::int64_t n, const float* y, float* dy, float* dbias) {
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t i = 0; i < n; ++i) dy[r * n + i] *= 1 - y[r * n + i] * y[r * n + i];
  add_column_sums(rows, n, dy, n, dbias);
}

void add_column_sums(std::int64_t rows, std::int64_t n, ConstCells x, std::int64_t row, float* sums) {
  for_shares(n, 64, [&](std::int64_t begin, std::int64_t end) {
    HWY_DYNAMIC_DISPATCH(sum_columns)(rows, end - begin, x + begin, row, sums + begin);
  });
}

}  // namespace initlab::compute
#endif
