#include "compute/gelu.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "compute/gelu.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "compute/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace initlab::compute::HWY_NAMESPACE {

constexpr float kRootTwoOverPi = 0.79788456f;
constexpr float kCubic = 0.044715f;
constexpr float kInverseRootTwoPi = 0.39894228f;

struct ErfForm {
  // x Phi(x) = max(x, 0) - |x| P(Z > |x|)
  template <class D, class V>
  static HWY_INLINE V value(D d, V x) {
    const auto a = hn::Abs(x);
    return hn::NegMulAdd(a, hn::Mul(bell(d, x), scaled_tail(d, a)), hn::Max(x, hn::Zero(d)));
  }
  // Phi(x) + x phi(x): g = P(Z > |x|) - |x| phi(x) for x < 0, else 1 - g
  template <class D, class V>
  static HWY_INLINE V slope(D d, V x) {
    const auto a = hn::Abs(x);
    const auto g = hn::Mul(bell(d, x), hn::NegMulAdd(hn::Set(d, kInverseRootTwoPi), a, scaled_tail(d, a)));
    return hn::IfThenElse(hn::Lt(x, hn::Zero(d)), g, hn::Sub(hn::Set(d, 1.0f), g));
  }
};

// (1 + tanh u) / 2 = 1 / (1 + exp(-2u)), which cancels nowhere.
struct TanhForm {
  template <class D, class V>
  static HWY_INLINE V gate(D d, V x) {
    const auto one = hn::Set(d, 1.0f);
    const auto cubic = hn::MulAdd(hn::Mul(hn::Mul(hn::Set(d, kCubic), x), x), x, x);
    return hn::Div(one, hn::Add(one, fast_exp(d, hn::Mul(hn::Set(d, -2 * kRootTwoOverPi), cubic))));
  }
  template <class D, class V>
  static HWY_INLINE V value(D d, V x) {
    return hn::Mul(x, gate(d, x));
  }
  template <class D, class V>
  static HWY_INLINE V slope(D d, V x) {
    const auto one = hn::Set(d, 1.0f), s = gate(d, x);
    const auto du = hn::MulAdd(hn::Mul(hn::Set(d, 3 * kCubic), x), x, one);
    const auto ds = hn::Mul(hn::Mul(s, hn::Sub(one, s)), hn::Mul(hn::Set(d, 2 * kRootTwoOverPi), du));
    return hn::MulAdd(x, ds, s);
  }
};

template <class Form, class X, class Y>
HWY_INLINE void forward(std::int64_t rows, std::int64_t n, const X* x, const float* bias, Y* y) {
  for (std::int64_t r = 0; r < rows; ++r, x += n, y += n)
    for_lanes(n, [&](auto d, std::int64_t i)
                     HWY_ATTR { store(d, Form::value(d, hn::Add(load(d, x + i), load(d, bias + i))), y + i); });
}

void forward_rows(Gelu kind, std::int64_t rows, std::int64_t n, ConstCells x, const float* bias, Cells y) {
  with_pointer(x, [&](const auto* from) HWY_ATTR {
    with_pointer(y, [&](auto* to) HWY_ATTR {
      kind == Gelu::erf ? forward<ErfForm>(rows, n, from, bias, to) : forward<TanhForm>(rows, n, from, bias, to);
    });
  });
}

// `columns` columns of matrices with rows of n; sums (columns) += column sums of dx, kRows rows at a time.
template <class Form, int kRows, class X, class Dy>
HWY_INLINE void backward(std::int64_t columns, std::int64_t n, const X* x, const float* bias, Dy* dy, float* sums) {
  for_lanes(columns, [&](auto d, std::int64_t i) HWY_ATTR {
    const auto b = load(d, bias + i);
    auto sum = load(d, sums + i);
    for (int k = 0; k < kRows; ++k) {
      const auto dx = hn::Mul(load(d, dy + k * n + i), Form::slope(d, hn::Add(load(d, x + k * n + i), b)));
      store(d, dx, dy + k * n + i);
      sum = hn::Add(sum, dx);
    }
    store(d, sum, sums + i);
  });
}

template <class Form, class X, class Dy>
HWY_INLINE void backward_panel(std::int64_t rows, std::int64_t columns, std::int64_t n, const X* x, const float* bias,
                               Dy* dy, float* sums) {
  std::int64_t r = 0;
  for (; r + 4 <= rows; r += 4) backward<Form, 4>(columns, n, x + r * n, bias, dy + r * n, sums);
  for (; r < rows; ++r) backward<Form, 1>(columns, n, x + r * n, bias, dy + r * n, sums);
}

void backward_columns(Gelu kind, std::int64_t rows, std::int64_t columns, std::int64_t n, ConstCells x,
                      const float* bias, Cells dy, float* dbias) {
  for_panels(rows, columns, dbias,
             [&](std::int64_t row, std::int64_t height, std::int64_t column, std::int64_t width, float* sums) HWY_ATTR {
               const std::int64_t at = row * n + column;
               with_pointer(x, [&](const auto* from) HWY_ATTR {
                 with_pointer(dy, [&](auto* to) HWY_ATTR {
                   kind == Gelu::erf
                       ? backward_panel<ErfForm>(height, width, n, from + at, bias + column, to + at, sums)
                       : backward_panel<TanhForm>(height, width, n, from + at, bias + column, to + at, sums);
                 });
               });
             });
}

}  // namespace initlab::compute::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "compute/parallel.hpp"

namespace initlab::compute {
namespace {

HWY_EXPORT(forward_rows);
HWY_EXPORT(backward_columns);

}  // namespace

void bias_gelu_forward(Gelu kind, std::int64_t rows, std::int64_t n, ConstCells x, const float* bias, Cells y) {
  for_shares(rows, 8, [&](std::int64_t begin, std::int64_t end) {
    HWY_DYNAMIC_DISPATCH(forward_rows)(kind, end - begin, n, x + begin * n, bias, y + begin * n);
  });
}

void bias_gelu_backward(Gelu kind, std::int64_t rows, std::int64_t n, ConstCells x, const float* bias, Cells dy,
                        float* dbias) {
  for_shares(n, 64, [&](std::int64_t begin, std::int64_t end) {
    HWY_DYNAMIC_DISPATCH(backward_columns)
    (kind, rows, end - begin, n, x + begin, bias + begin, dy + begin, dbias + begin);
  });
}

}  // namespace initlab::compute
#endif
