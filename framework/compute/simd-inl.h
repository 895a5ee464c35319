// What vectorised kernels share, once per instruction set (Highway): loads and stores of f32 and bf16, loops and sums
// with a rest, exp and the normal tail. Internal to compute/; include after hwy/highway.h, within a file that
// foreach_target includes again.
//
// A kernel is written for any vector: `D` is a descriptor (hn::ScalableTag<float>, or one lane for the rest of a row).
// OpenMP regions stand outside, in ordinary functions that call the kernel of the chosen target.

// Toggled so that each instruction set gets its own copy.
#if defined(INITLAB_COMPUTE_SIMD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef INITLAB_COMPUTE_SIMD_INL_H_
#undef INITLAB_COMPUTE_SIMD_INL_H_
#else
#define INITLAB_COMPUTE_SIMD_INL_H_
#endif

#include <cstddef>
#include <cstdint>

#include <hwy/highway.h>
#include "compute/element.hpp"

HWY_BEFORE_NAMESPACE();
namespace initlab::compute::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Lanes = hn::ScalableTag<float>;
using OneLane = hn::CappedTag<float, 1>;

template <class D>
HWY_INLINE hn::Vec<D> load(D d, const float* x) {
  return hn::LoadU(d, x);
}
template <class D>
HWY_INLINE hn::Vec<D> load(D d, const Bf16* x) {
  const hn::Rebind<std::uint16_t, D> half;
  const hn::RebindToUnsigned<D> whole;
  const auto bits = hn::LoadU(half, reinterpret_cast<const std::uint16_t*>(x));
  return hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(whole, bits)));
}

template <class D, class V>
HWY_INLINE void store(D d, V v, float* y) {
  hn::StoreU(v, d, y);
}
// To nearest, ties to even. (Highway 1.0.3's own conversion truncates.) NaN stays NaN.
template <class D, class V>
HWY_INLINE void store(D, V v, Bf16* y) {
  const hn::RebindToUnsigned<D> whole;
  const hn::RebindToSigned<D> integer;
  const hn::Rebind<std::uint16_t, D> half;
  const auto bits = hn::BitCast(whole, v);
  const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(whole, 1u));
  const auto rounded = hn::Add(bits, hn::Add(odd, hn::Set(whole, 0x7FFFu)));
  const auto quiet = hn::Or(bits, hn::Set(whole, 0x00400000u));
  const auto chosen = hn::IfThenElse(hn::RebindMask(whole, hn::IsNaN(v)), quiet, rounded);
  hn::StoreU(hn::DemoteTo(half, hn::BitCast(integer, hn::ShiftRight<16>(chosen))), half,
             reinterpret_cast<std::uint16_t*>(y));
}

// Calls body(d, i) for whole vectors and then, one lane at a time, for the rest of 0 .. n-1. The body is a generic
// lambda, marked HWY_ATTR.
template <class Body>
HWY_INLINE void for_lanes(std::int64_t n, const Body& body) {
  const Lanes d;
  const auto width = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t i = 0;
  for (; i + width <= n; i += width) body(d, i);
  const OneLane one;
  for (; i < n; ++i) body(one, i);
}

// The sum of term(d, i) over 0 .. n-1, in four sums a lane. The term is a generic lambda, marked HWY_ATTR.
template <class Term>
HWY_INLINE float sum_lanes(std::int64_t n, const Term& term) {
  const Lanes d;
  const auto width = static_cast<std::int64_t>(hn::Lanes(d));
  auto a = hn::Zero(d), b = a, c = a, e = a;
  std::int64_t i = 0;
  for (; i + 4 * width <= n; i += 4 * width) {
    a = hn::Add(a, term(d, i));
    b = hn::Add(b, term(d, i + width));
    c = hn::Add(c, term(d, i + 2 * width));
    e = hn::Add(e, term(d, i + 3 * width));
  }
  for (; i + width <= n; i += width) a = hn::Add(a, term(d, i));
  float sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(a, b), hn::Add(c, e))));
  const OneLane one;
  for (; i < n; ++i) sum += hn::GetLane(term(one, i));
  return sum;
}

// Walks down a matrix for column sums: calls body(row, height, column, width, sums) for panels that cover (rows,
// columns), and adds what the body has added to sums (width) to total. A panel is short, so the rounding error grows
// with height + rows / height, and narrow, so its sums stay close. Each column's order depends on rows alone.
template <class Body>
HWY_INLINE void for_panels(std::int64_t rows, std::int64_t columns, float* total, const Body& body) {
  constexpr std::int64_t kHeight = 64, kWidth = 512;
  HWY_ALIGN float sums[kWidth];
  for (std::int64_t row = 0; row < rows; row += kHeight) {
    for (std::int64_t column = 0; column < columns; column += kWidth) {
      const std::int64_t width = HWY_MIN(kWidth, columns - column);
      for_lanes(width, [&](auto d, std::int64_t i) HWY_ATTR { store(d, hn::Zero(d), sums + i); });
      body(row, HWY_MIN(kHeight, rows - row), column, width, static_cast<float*>(sums));
      float* to = total + column;
      for_lanes(width, [&](auto d, std::int64_t i)
                           HWY_ATTR { store(d, hn::Add(load(d, to + i), load(d, sums + i)), to + i); });
    }
  }
}

// Calls body with the pointer that the cells hold: float or Bf16.
template <class Body>
HWY_INLINE void with_pointer(ConstCells x, const Body& body) {
  x.element() == Element::f32 ? body(x.f32()) : body(x.bf16());
}
template <class Body>
HWY_INLINE void with_pointer(Cells x, const Body& body) {
  x.element() == Element::f32 ? body(x.f32()) : body(x.bf16());
}

// e^x with a relative error below 2e-7 for -87 <= x <= 88; constant outside (about 1e-38 and 2e38); NaN stays NaN.
// x = n ln 2 + r with |r| <= ln(2) / 2; e^r by its Taylor polynomial (the remainder r^8 / 8! is below 6e-9); 2^n by the
// exponent bits.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V fast_exp(D d, V x) {
  const hn::RebindToUnsigned<D> whole;
  x = hn::IfThenElse(hn::Lt(x, hn::Set(d, -87.0f)), hn::Set(d, -87.0f), x);
  x = hn::IfThenElse(hn::Gt(x, hn::Set(d, 88.0f)), hn::Set(d, 88.0f), x);
  const auto round =
      hn::Set(d, 12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer, which stands in the low bits
  const auto shifted = hn::MulAdd(x, hn::Set(d, 1.44269504f), round);
  const auto n = hn::Sub(shifted, round);
  // ln 2 in two parts; n times the first is exact
  const auto r = hn::MulAdd(n, hn::Set(d, 2.12194440e-4f), hn::NegMulAdd(n, hn::Set(d, 0.693359375f), x));
  auto p = hn::Set(d, 1.0f / 5040);
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f / 720));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f / 120));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f / 24));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f / 6));
  p = hn::MulAdd(p, r, hn::Set(d, 0.5f));
  p = hn::MulAdd(hn::Mul(p, r), r, r);
  const auto exponent = hn::Add(hn::ShiftLeft<23>(hn::BitCast(whole, shifted)), hn::Set(whole, 0x3f800000u));
  const auto power = hn::BitCast(d, exponent);
  return hn::MulAdd(power, p, power);
}

// Given a >= 0 and e = exp(-a^2 / 2): P(Z > a) for a standard normal Z, with a relative error below 5e-7 beside that of
// e. P(Z > a) = e t q(t), t = 1 / (1 + 0.26 a); q fitted to least relative error on 0 <= a <= 14 (2.5e-8), where exp
// has long reached the smallest floats.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V normal_tail(D d, V a, V e) {
  const auto one = hn::Set(d, 1.0f);
  const auto t = hn::Div(one, hn::MulAdd(hn::Set(d, 0.26f), a, one));
  auto q = hn::Set(d, 0.030504873f);
  q = hn::MulAdd(q, t, hn::Set(d, -0.15282878f));
  q = hn::MulAdd(q, t, hn::Set(d, 0.25149125f));
  q = hn::MulAdd(q, t, hn::Set(d, -0.15094894f));
  q = hn::MulAdd(q, t, hn::Set(d, 0.16094786f));
  q = hn::MulAdd(q, t, hn::Set(d, 0.051027674f));
  q = hn::MulAdd(q, t, hn::Set(d, 0.10303026f));
  q = hn::MulAdd(q, t, hn::Set(d, 0.10301675f));
  q = hn::MulAdd(q, t, hn::Set(d, 0.10375906f));
  return hn::Mul(e, hn::Mul(t, q));
}

}  // namespace initlab::compute::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target guard
