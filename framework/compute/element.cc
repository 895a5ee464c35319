#include "compute/element.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "compute/element.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "compute/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace initlab::compute::HWY_NAMESPACE {

void round_all(std::int64_t n, const float* x, Bf16* y) {
  for_lanes(n, [&](auto d, std::int64_t i) HWY_ATTR { store(d, load(d, x + i), y + i); });
}

void widen_all(std::int64_t n, const Bf16* x, float* y) {
  for_lanes(n, [&](auto d, std::int64_t i) HWY_ATTR { store(d, load(d, x + i), y + i); });
}

}  // namespace initlab::compute::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "compute/parallel.hpp"

namespace initlab::compute {
namespace {

HWY_EXPORT(round_all);
HWY_EXPORT(widen_all);
constexpr std::int64_t kGrain = 1 << 14;  // numbers a thread takes at least

}  // namespace

bool has_bf16_rounding() {
#if HWY_ARCH_X86
  static const bool found = __builtin_cpu_supports("avx512bf16");
  return found;
#else
  return false;
#endif
}

void round_to_bf16(std::span<const float> x, std::span<Bf16> y) {
  assert(x.size() == y.size());
  for_shares(std::ssize(x), kGrain, [&](std::int64_t begin, std::int64_t end) {
    HWY_DYNAMIC_DISPATCH(round_all)(end - begin, x.data() + begin, y.data() + begin);
  });
}

void widen(std::span<const Bf16> x, std::span<float> y) {
  assert(x.size() == y.size());
  for_shares(std::ssize(x), kGrain, [&](std::int64_t begin, std::int64_t end) {
    HWY_DYNAMIC_DISPATCH(widen_all)(end - begin, x.data() + begin, y.data() + begin);
  });
}

}  // namespace initlab::compute
#endif
