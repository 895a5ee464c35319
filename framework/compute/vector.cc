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

// tanh(x) with a relative error below 4e-7; NaN stays NaN. For |x| < 0.55 x + x^3 q(x^2), q fitted to least relative
// error (4e-8), where the other form, 1 - 2 / (e^2|x| + 1), would cancel.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V fast_tanh(D d, V x) {
  const auto a = hn::Abs(x), one = hn::Set(d, 1.0f), z = hn::Mul(x, x);
  auto q = hn::Set(d, 0.016437609f);
  q = hn::MulAdd(q, z, hn::Set(d, -0.052671883f));
  q = hn::MulAdd(q, z, hn::Set(d, 0.13320728f));
  q = hn::MulAdd(q, z, hn::Set(d, -0.33332947f));
  const auto near = hn::MulAdd(hn::Mul(x, z), q, x);
  const auto far = hn::Sub(one, hn::Div(hn::Set(d, 2.0f), hn::Add(fast_exp(d, hn::Add(a, a)), one)));
  return hn::IfThenElse(hn::Lt(a, hn::Set(d, 0.55f)), near, hn::CopySign(far, x));
}

void tanh_rows(std::int64_t rows, std::int64_t n, const float* bias, float* x) {
  for (std::int64_t r = 0; r < rows; ++r, x += n)
    for_lanes(n, [&](auto d, std::int64_t i)
                     HWY_ATTR { store(d, fast_tanh(d, hn::Add(load(d, x + i), load(d, bias + i))), x + i); });
}

void tanh_slopes(std::int64_t n, const float* y, float* dy) {
  for_lanes(n, [&](auto d, std::int64_t i) HWY_ATTR {
    const auto v = load(d, y + i);
    store(d, hn::Mul(load(d, dy + i), hn::NegMulAdd(v, v, hn::Set(d, 1.0f))), dy + i);
  });
}

}  // namespace initlab::compute::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

#include "compute/parallel.hpp"

namespace initlab::compute {
namespace {

HWY_EXPORT(sum_columns);
HWY_EXPORT(tanh_rows);
HWY_EXPORT(tanh_slopes);

}  // namespace

void bias_tanh_forward(std::int64_t rows, std::int64_t n, const float* bias, float* x) {
  for_shares(rows, 8, [&](std::int64_t begin, std::int64_t end) {
    HWY_DYNAMIC_DISPATCH(tanh_rows)(end - begin, n, bias, x + begin * n);
  });
}

void bias_tanh_backward(std::int64_t rows, std::int64_t n, const float* y, float* dy, float* dbias) {
  HWY_DYNAMIC_DISPATCH(tanh_slopes)(rows * n, y, dy);
  add_column_sums(rows, n, dy, n, dbias);
}

void add_column_sums(std::int64_t rows, std::int64_t n, ConstCells x, std::int64_t row, float* sums) {
  for_shares(n, 64, [&](std::int64_t begin, std::int64_t end) {
    HWY_DYNAMIC_DISPATCH(sum_columns)(rows, end - begin, x + begin, row, sums + begin);
  });
}

}  // namespace initlab::compute
#endif
