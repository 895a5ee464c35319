#include "compute/mixout.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "compute/mixout.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "compute/dropout-inl.h"

HWY_BEFORE_NAMESPACE();
namespace initlab::compute::HWY_NAMESPACE {

std::int32_t position_of(MixUnit unit, std::int64_t row) {
  return static_cast<std::int32_t>(unit == MixUnit::weight ? row : 0);
}

// Rows begin .. end-1.
void mix_rows(const DropoutSite& site, MixUnit unit, std::int64_t columns, const float* target, const float* w,
              float* mixed, std::int64_t begin, std::int64_t end) {
  const DropoutBits bits(site);
  for (std::int64_t r = begin; r < end; ++r) {
    const std::int64_t at = r * columns;
    for_kept(bits, 0, position_of(unit, r), 0, columns, [&](auto d, std::int64_t i, auto keep) HWY_ATTR {
      const auto t = load(d, target + at + i), f = hn::IfThenElseZero(keep, hn::Set(d, site.scale));
      store(d, hn::MulAdd(f, hn::Sub(load(d, w + at + i), t), t), mixed + at + i);
    });
  }
}

void scale_rows(const DropoutSite& site, MixUnit unit, std::int64_t columns, float* dw, std::int64_t begin,
                std::int64_t end) {
  const DropoutBits bits(site);
  for (std::int64_t r = begin; r < end; ++r) {
    float* row = dw + r * columns;
    for_kept(bits, 0, position_of(unit, r), 0, columns, [&](auto d, std::int64_t i, auto keep) HWY_ATTR {
      store(d, hn::IfThenElseZero(keep, hn::Mul(load(d, row + i), hn::Set(d, site.scale))), row + i);
    });
  }
}

}  // namespace initlab::compute::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "compute/parallel.hpp"

namespace initlab::compute {
namespace {

HWY_EXPORT(mix_rows);
HWY_EXPORT(scale_rows);

}  // namespace

void mixout_forward(const DropoutSite& site, MixUnit unit, std::int64_t rows, std::int64_t columns, const float* target,
                    const float* w, float* mixed) {
  for_shares(rows, 8, [&](std::int64_t begin, std::int64_t end) {
    HWY_DYNAMIC_DISPATCH(mix_rows)(site, unit, columns, target, w, mixed, begin, end);
  });
}

void mixout_backward(const DropoutSite& site, MixUnit unit, std::int64_t rows, std::int64_t columns, float* dw) {
  for_shares(rows, 8, [&](std::int64_t begin, std::int64_t end) {
    HWY_DYNAMIC_DISPATCH(scale_rows)(site, unit, columns, dw, begin, end);
  });
}

}  // namespace initlab::compute
#endif
