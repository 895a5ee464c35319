#include "compute/dropout.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "compute/dropout.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "compute/dropout-inl.h"

HWY_BEFORE_NAMESPACE();
namespace initlab::compute::HWY_NAMESPACE {

void factors_of_block(const DropoutSite& site, std::int32_t slot, std::int32_t position, std::int64_t first,
                      float* factors) {
  const DropoutBits bits(site);
  for_kept(bits, slot, position, first, kDropoutBlock, [&](auto d, std::int64_t i, auto keep) HWY_ATTR {
    store(d, hn::IfThenElseZero(keep, hn::Set(d, site.scale)), factors + i);
  });
}

// Rows begin .. end-1 of x.
void apply_rows(const DropoutSite& site, const RowNames& names, std::int64_t begin, std::int64_t end, std::int64_t n,
                float* x) {
  const DropoutBits bits(site);
  for (std::int64_t r = begin; r < end; ++r) {
    float* row = x + r * n;
    for_kept(bits, names.slots[r], names.positions[r], 0, n, [&](auto d, std::int64_t i, auto keep) HWY_ATTR {
      store(d, hn::IfThenElseZero(keep, hn::Mul(load(d, row + i), hn::Set(d, site.scale))), row + i);
    });
  }
}

}  // namespace initlab::compute::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>
#include <cmath>

#include "compute/parallel.hpp"

namespace initlab::compute {
namespace {

HWY_EXPORT(factors_of_block);
HWY_EXPORT(apply_rows);

}  // namespace

DropoutSite dropout_site(double probability, std::uint64_t key, std::uint32_t step, std::uint32_t site) {
  DropoutSite result{.key = key, .step = step, .site = site};
  // Something is always kept, or the scale would be infinite.
  result.threshold = static_cast<std::uint32_t>(std::min(std::lround(probability * 65536), 65535L));
  result.scale = static_cast<float>(65536.0 / (65536.0 - result.threshold));
  return result;
}

void dropout_factors(const DropoutSite& site, std::int32_t slot, std::int32_t position, std::int64_t first,
                     float* factors) {
  HWY_DYNAMIC_DISPATCH(factors_of_block)(site, slot, position, first, factors);
}

void dropout_apply(const DropoutSite& site, const RowNames& names, std::int64_t rows, std::int64_t n, float* x) {
  if (!site.active()) return;
  for_shares(rows, 8, [&](std::int64_t begin, std::int64_t end) {
    HWY_DYNAMIC_DISPATCH(apply_rows)(site, names, begin, end, n, x);
  });
}

}  // namespace initlab::compute
#endif
