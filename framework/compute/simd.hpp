// What vectorised kernels share: the attribute that compiles a function once per instruction set, and exp and the
// normal tail as polynomials that a compiler can vectorise. Internal to compute/.
//
// A function marked INITLAB_CLONES holds only loops over plain arrays: no OpenMP region (its outlined body would not be
// cloned) and no call that is not inlined. The loader picks the clone once, by the CPU it finds.
#pragma once

#include <bit>
#include <cstdint>

// Elsewhere the baseline is enough (NEON belongs to every 64-bit ARM). Sanitizers run before ifuncs may be resolved.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define INITLAB_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define INITLAB_CLONES
#endif

namespace initlab::compute {

// e^x with a relative error below 2e-7 for -87 <= x <= 88; constant outside (about 1e-38 and 2e38); NaN stays NaN.
// x = n ln 2 + r with |r| <= ln(2) / 2; e^r by its Taylor polynomial (the remainder r^8 / 8! is below 6e-9); 2^n by the
// exponent bits.
[[gnu::always_inline]] inline float fast_exp(float x) {
  x = x < -87.0f ? -87.0f : x;
  x = x > 88.0f ? 88.0f : x;
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer, which stands in the low bits
  const float shifted = x * 1.44269504f + kRound;
  const float n = shifted - kRound;
  const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;  // ln 2 in two parts; n times the first is exact
  float p = 1.0f / 5040;
  p = p * r + 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = (p * r) * r + r;
  const float power = std::bit_cast<float>((std::bit_cast<std::uint32_t>(shifted) << 23) + 0x3f800000u);
  return power + power * p;
}

// Given a >= 0 and e = exp(-a^2 / 2): P(Z > a) for a standard normal Z, with a relative error below 5e-7 beside that of
// e. P(Z > a) = e t q(t), t = 1 / (1 + 0.26 a); q fitted to least relative error on 0 <= a <= 14 (2.5e-8), where exp
// has long reached the smallest floats.
[[gnu::always_inline]] inline float normal_tail(float a, float e) {
  const float t = 1.0f / (1.0f + 0.26f * a);
  float q = 0.030504873f;
  q = q * t - 0.15282878f;
  q = q * t + 0.25149125f;
  q = q * t - 0.15094894f;
  q = q * t + 0.16094786f;
  q = q * t + 0.051027674f;
  q = q * t + 0.10303026f;
  q = q * t + 0.10301675f;
  q = q * t + 0.10375906f;
  return e * (t * q);
}

}  // namespace initlab::compute
