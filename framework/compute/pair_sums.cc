#include "compute/pair_sums.hpp"

#include <cstdint>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "compute/pair_sums.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace initlab::compute::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// The product of two floats is exact in double, so its sign is right however small it is.
template <class D>
HWY_INLINE PairSums sums_of(D d, std::int64_t n, const float* x, const float* y) {
  const hn::Rebind<float, D> half;
  const auto width = static_cast<std::int64_t>(hn::Lanes(d));
  const auto zero = hn::Zero(d), one = hn::Set(d, 1.0);
  auto xx = zero, yy = zero, xy = zero, difference = zero, opposite = zero;
  for (std::int64_t i = 0; i + width <= n; i += width) {
    const auto a = hn::PromoteTo(d, hn::LoadU(half, x + i)), b = hn::PromoteTo(d, hn::LoadU(half, y + i));
    const auto product = hn::Mul(a, b), apart = hn::Sub(a, b);
    xx = hn::MulAdd(a, a, xx);
    yy = hn::MulAdd(b, b, yy);
    xy = hn::Add(xy, product);
    difference = hn::MulAdd(apart, apart, difference);
    opposite = hn::Add(opposite, hn::IfThenElseZero(hn::Lt(product, zero), one));
  }
  const auto total = [&](auto sum) HWY_ATTR { return hn::GetLane(hn::SumOfLanes(d, sum)); };
  return {total(xx), total(yy), total(xy), total(difference), total(opposite)};
}

PairSums sums(std::int64_t n, const float* x, const float* y) {
  const hn::ScalableTag<double> d;
  const auto width = static_cast<std::int64_t>(hn::Lanes(d)), whole = n / width * width;
  PairSums all = sums_of(d, whole, x, y);
  all += sums_of(hn::CappedTag<double, 1>(), n - whole, x + whole, y + whole);
  return all;
}

}  // namespace initlab::compute::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>
#include <vector>

#include "compute/parallel.hpp"

namespace initlab::compute {
namespace {

HWY_EXPORT(sums);

}  // namespace

PairSums& PairSums::operator+=(const PairSums& other) {
  xx += other.xx;
  yy += other.yy;
  xy += other.xy;
  difference += other.difference;
  opposite += other.opposite;
  return *this;
}

PairSums pair_sums(std::span<const float> x, std::span<const float> y) {
  constexpr std::int64_t kPiece = 1 << 16;
  const auto n = std::ssize(x);
  std::vector<PairSums> pieces(static_cast<std::size_t>((n + kPiece - 1) / kPiece));
  for_shares(n, kPiece, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t at = begin; at < end; at += kPiece)
      pieces[static_cast<std::size_t>(at / kPiece)] =
          HWY_DYNAMIC_DISPATCH(sums)(std::min(kPiece, end - at), x.data() + at, y.data() + at);
  });
  PairSums all;
  for (const PairSums& piece : pieces) all += piece;
  return all;
}

}  // namespace initlab::compute
#endif
