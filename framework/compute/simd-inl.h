// What vectorised kernels share, once per instruction set (Highway): loads and stores of f32 and bf16, loops and sums
// with a rest, exp and the tail of the normal distribution. Internal to compute/; include after hwy/highway.h, within a
// file that foreach_target includes again.
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

// bf16 numbers of a CPU that rounds to them by one instruction (AVX512_BF16): as above, but for denormals, which become
// zero. Only with_pointer() hands them out.
struct NativeBf16 : Bf16 {};
static_assert(sizeof(NativeBf16) == sizeof(Bf16));
#if HWY_TARGET == HWY_AVX3
// Not an intrinsic: those ask for a target that Highway 1.0.3 does not know.
template <class V>
HWY_INLINE void store(Lanes, V v, NativeBf16* y) {
  __m256i half;
  asm("vcvtneps2bf16 %1, %0" : "=v"(half) : "v"(v.raw));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(y), half);
}
#endif

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
template <std::int64_t kWidth = 512, class Body>
HWY_INLINE void for_panels(std::int64_t rows, std::int64_t columns, float* total, const Body& body) {
  constexpr std::int64_t kHeight = 64;
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

// Calls body with the pointer that the cells hold: to float or Bf16; for cells to be written perhaps to NativeBf16.
template <class Body>
HWY_INLINE void with_pointer(ConstCells x, const Body& body) {
  x.element() == Element::f32 ? body(x.f32()) : body(x.bf16());
}
template <class Body>
HWY_INLINE void with_pointer(Cells y, const Body& body) {
#if HWY_TARGET == HWY_AVX3
  if (y.element() == Element::bf16 && has_bf16_rounding()) return body(static_cast<NativeBf16*>(y.bf16()));
#endif
  y.element() == Element::f32 ? body(y.f32()) : body(y.bf16());
}

// max(x, low) and min(x, high), in one instruction where there is one that keeps a NaN in x: x86's returns its second
// operand where either is NaN.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V at_least(D d, V x, float low) {
#if HWY_ARCH_X86 && HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128
  return hn::Max(hn::Set(d, low), x);
#else
  return hn::IfThenElse(hn::Lt(x, hn::Set(d, low)), hn::Set(d, low), x);
#endif
}
template <class D, class V = hn::Vec<D>>
HWY_INLINE V at_most(D d, V x, float high) {
#if HWY_ARCH_X86 && HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128
  return hn::Min(hn::Set(d, high), x);
#else
  return hn::IfThenElse(hn::Gt(x, hn::Set(d, high)), hn::Set(d, high), x);
#endif
}

// Adding it to a float below 2^22 rounds that to an integer, which stands in the low bits.
constexpr float kToInteger = 12582912.0f;  // 1.5 * 2^23

// p 2^n for p near 1, where shifted = n + kToInteger: adds n to the exponent. The result must be a normal number.
template <class D, class V>
HWY_INLINE V scale_by_power(D d, V p, V shifted) {
  const hn::RebindToUnsigned<D> whole;
  return hn::BitCast(d, hn::Add(hn::BitCast(whole, p), hn::ShiftLeft<23>(hn::BitCast(whole, shifted))));
}

// e^x with a relative error below 2e-7 for -87 <= x <= 88; constant outside (about 1e-38 and 2e38); NaN stays NaN.
// x = n ln 2 + r with |r| <= ln(2) / 2; e^r = 1 + r + r^2 q(r), q fitted to least relative error (4e-9).
template <class D, class V = hn::Vec<D>>
HWY_INLINE V fast_exp(D d, V x) {
  x = at_most(d, at_least(d, x, -87.0f), 88.0f);
  const auto one = hn::Set(d, 1.0f);
  const auto shifted = hn::MulAdd(x, hn::Set(d, 1.44269504f), hn::Set(d, kToInteger));
  const auto n = hn::Sub(shifted, hn::Set(d, kToInteger));
  // ln 2 in two parts; n times the first is exact
  const auto r = hn::MulAdd(n, hn::Set(d, 2.12194440e-4f), hn::NegMulAdd(n, hn::Set(d, 0.693359375f), x));
  auto p = hn::Set(d, 0.0013814606f);
  p = hn::MulAdd(p, r, hn::Set(d, 0.008368717f));
  p = hn::MulAdd(p, r, hn::Set(d, 0.04166839f));
  p = hn::MulAdd(p, r, hn::Set(d, 0.16666521f));
  p = hn::MulAdd(p, r, hn::Set(d, 0.49999994f));
  return scale_by_power(d, hn::MulAdd(hn::MulAdd(p, r, one), r, one), shifted);
}

// exp(-x^2 / 2) with a relative error below 1e-7 beside that of its argument, which is rounded three times: 3 eps x^2 /
// 2. Constant (2e-38) from |x| = 13.16 on. As 2^y, y = n + f with |f| <= 1/2; 2^f = 1 + f q(f), q fitted to least
// relative error (2e-8).
template <class D, class V = hn::Vec<D>>
HWY_INLINE V bell(D d, V x) {
  const auto y = at_least(d, hn::Mul(hn::Mul(x, x), hn::Set(d, -0.72134752f)), -125.0f);
  const auto shifted = hn::Add(y, hn::Set(d, kToInteger));
  const auto f = hn::Sub(y, hn::Sub(shifted, hn::Set(d, kToInteger)));
  auto p = hn::Set(d, 0.00015352506f);
  p = hn::MulAdd(p, f, hn::Set(d, 0.0013398889f));
  p = hn::MulAdd(p, f, hn::Set(d, 0.009618442f));
  p = hn::MulAdd(p, f, hn::Set(d, 0.055503324f));
  p = hn::MulAdd(p, f, hn::Set(d, 0.24022648f));
  p = hn::MulAdd(p, f, hn::Set(d, 0.6931472f));
  return scale_by_power(d, hn::MulAdd(p, f, hn::Set(d, 1.0f)), shifted);
}

// P(Z > a) exp(a^2 / 2) for a standard normal Z and 0 <= a <= 13.5, with a relative error below 5e-7. t q(t), t = 1 /
// (1
// + 0.3 a); q fitted to least relative error, 1.2e-7 on 0 <= a <= 9 and 2.5e-7 from there.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V scaled_tail(D d, V a) {
  const auto one = hn::Set(d, 1.0f);
  const auto t = hn::Div(one, hn::MulAdd(hn::Set(d, 0.3f), a, one));
  auto q = hn::Set(d, 0.03648771f);
  q = hn::MulAdd(q, t, hn::Set(d, -0.16058989f));
  q = hn::MulAdd(q, t, hn::Set(d, 0.21218733f));
  q = hn::MulAdd(q, t, hn::Set(d, -0.05904952f));
  q = hn::MulAdd(q, t, hn::Set(d, 0.13139667f));
  q = hn::MulAdd(q, t, hn::Set(d, 0.099056534f));
  q = hn::MulAdd(q, t, hn::Set(d, 0.12089064f));
  q = hn::MulAdd(q, t, hn::Set(d, 0.119620465f));
  return hn::Mul(t, q);
}

}  // namespace initlab::compute::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target guard
