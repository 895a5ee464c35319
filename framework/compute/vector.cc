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

double squares_of_block(std::int64_t n, const float* x) {
  const hn::ScalableTag<double> d;
  const hn::Rebind<float, decltype(d)> half;
  const auto width = static_cast<std::int64_t>(hn::Lanes(d));
  const auto wide = [&](std::int64_t i) HWY_ATTR { return hn::PromoteTo(d, hn::LoadU(half, x + i)); };
  auto a = hn::Zero(d), b = a, c = a, e = a;
  std::int64_t i = 0;
  for (; i + 4 * width <= n; i += 4 * width) {
    const auto p = wide(i), q = wide(i + width), r = wide(i + 2 * width), s = wide(i + 3 * width);
    a = hn::MulAdd(p, p, a);
    b = hn::MulAdd(q, q, b);
    c = hn::MulAdd(r, r, c);
    e = hn::MulAdd(s, s, e);
  }
  double sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(a, b), hn::Add(c, e))));
  for (; i < n; ++i) sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  return sum;
}

}  // namespace initlab::compute::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>
#include <array>
#include <cmath>

#include "compute/parallel.hpp"

namespace initlab::compute {
namespace {

HWY_EXPORT(sum_columns);
HWY_EXPORT(squares_of_block);

constexpr std::int64_t kMostBlocks = 256;
constexpr std::int64_t kLeastBlock = 4096;

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

double sum_of_squares(std::int64_t n, const float* x) {
  const std::int64_t block = std::max(kLeastBlock, (n + kMostBlocks - 1) / kMostBlocks);
  const std::int64_t blocks = (n + block - 1) / block;
  std::array<double, kMostBlocks> sums{};
  for_shares(blocks, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t b = begin; b < end; ++b)
      sums[static_cast<std::size_t>(b)] =
          HWY_DYNAMIC_DISPATCH(squares_of_block)(std::min(block, n - b * block), x + b * block);
  });
  double sum = 0;
  for (std::int64_t b = 0; b < blocks; ++b) sum += sums[static_cast<std::size_t>(b)];
  return sum;
}

}  // namespace initlab::compute
#endif
