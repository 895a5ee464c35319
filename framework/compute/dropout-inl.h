// Dropout bits made in registers, once per instruction set: the numbers that dropout.hpp defines, several Philox blocks
// side by side, and a loop over a row that hands each vector of features its mask. Internal to compute/; include as
// simd-inl.h.
//
//   const DropoutBits bits(site);                                       // once a call
//   for_kept(bits, slot, position, 0, n, [&](auto d, std::int64_t i, auto keep) HWY_ATTR {
//     store(d, hn::IfThenElseZero(keep, hn::Mul(load(d, x + i), hn::Set(d, site.scale))), x + i);
//   });

// Toggled so that each instruction set gets its own copy.
#if defined(INITLAB_COMPUTE_DROPOUT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef INITLAB_COMPUTE_DROPOUT_INL_H_
#undef INITLAB_COMPUTE_DROPOUT_INL_H_
#else
#define INITLAB_COMPUTE_DROPOUT_INL_H_
#endif

#include "compute/dropout.hpp"
#include "compute/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace initlab::compute::HWY_NAMESPACE {

using Blocks = hn::ScalableTag<std::uint64_t>;  // one Philox block a lane; only the low half of a word's lane counts

constexpr std::uint64_t kPhilox0 = 0xD2511F53u, kPhilox1 = 0xCD9E8D57u;  // multipliers (Salmon et al. 2011)

// A site's stream: what does not depend on the row. The site must be active.
class DropoutBits {
 public:
  explicit DropoutBits(const DropoutSite& site)
      : threshold_(static_cast<std::int32_t>(site.threshold)),
        word0_(site.site >> 12 << 18),
        word2_(site.site << 20),
        word3_(site.step) {
    auto key0 = static_cast<std::uint32_t>(site.key), key1 = static_cast<std::uint32_t>(site.key >> 32);
    for (int round = 0; round < 10; ++round, key0 += 0x9E3779B9u, key1 += 0xBB67AE85u) {
      key0_[round] = key0;
      key1_[round] = key1;
    }
    // Neighbours in a pair of lanes are half a vector apart, so that interleaving the halves of the blocks sorts them.
    const std::size_t lanes = hn::Lanes(Blocks());
    for (std::size_t i = 0; i < lanes; ++i) order_[i] = i % 2 * (lanes / 2) + i / 2;
  }

  std::int32_t threshold() const { return threshold_; }

  // The words of a row that all of its blocks share after two rounds: word 0 of the counter enters words 2 and 3 first.
  struct Row {
    std::uint64_t x0 = 0, x2 = 0, c3 = 0;
  };
  Row row(std::int32_t slot, std::int32_t position) const {
    const std::uint64_t b = kPhilox1 * (word2_ | static_cast<std::uint32_t>(slot));
    const std::uint64_t c0 = (b >> 32) ^ static_cast<std::uint32_t>(position) ^ key0_[0];
    const std::uint64_t a = kPhilox0 * c0;
    return {(b & 0xFFFFFFFFu) ^ key0_[1], (a >> 32) ^ key1_[1], a & 0xFFFFFFFFu};
  }

  // Words 0 and 1, and words 2 and 3, of the blocks first, first + 1, ... of a row: in lane i that of order(i).
  template <class V>
  HWY_INLINE void words(const Row& row, std::uint64_t first, V& words01, V& words23) const {
    const Blocks d;
    const auto m0 = hn::Set(d, kPhilox0), m1 = hn::Set(d, kPhilox1);
    auto a = multiply(hn::Add(hn::LoadU(d, order_), hn::Set(d, word0_ + first)), m0);
    auto b = multiply(hn::Xor(hn::ShiftRight<32>(a), hn::Set(d, word3_ ^ key1_[0])), m1);
    auto c0 = hn::Xor(hn::ShiftRight<32>(b), hn::Set(d, row.x0));
    auto c2 = hn::Xor(a, hn::Set(d, row.x2));
    auto c1 = b, c3 = hn::Set(d, row.c3);
    for (int round = 2; round < 10; ++round) {
      a = multiply(c0, m0);
      b = multiply(c2, m1);
      c0 = hn::Xor3(hn::ShiftRight<32>(b), c1, hn::Set(d, key0_[round]));
      c2 = hn::Xor3(hn::ShiftRight<32>(a), c3, hn::Set(d, key1_[round]));
      c1 = b;
      c3 = a;
    }
    const auto low = hn::Set(d, std::uint64_t{0xFFFFFFFFu});
    words01 = hn::OrAnd(hn::ShiftLeft<32>(c1), c0, low);
    words23 = hn::OrAnd(hn::ShiftLeft<32>(c3), c2, low);
  }

 private:
  // The products of the low halves.
  template <class V>
  static HWY_INLINE V multiply(V a, V b) {
#if HWY_TARGET == HWY_SCALAR
    return hn::Set(Blocks(), (hn::GetLane(a) & 0xFFFFFFFFu) * hn::GetLane(b));
#else
    const hn::Repartition<std::uint32_t, Blocks> half;
    return hn::MulEven(hn::BitCast(half, a), hn::BitCast(half, b));
#endif
  }

  std::int32_t threshold_;
  std::uint64_t word0_, word2_, word3_;
  std::uint64_t key0_[10], key1_[10];
  std::uint64_t order_[HWY_MAX_BYTES / sizeof(std::uint64_t)];
};

// Calls body(d, i, keep) for whole vectors and then, one lane at a time, for the rest of 0 .. n-1: keep is a mask of
// the vectors of d, true where the features first + i, ... of the row are kept. first is a multiple of 8. The body is a
// generic lambda, marked HWY_ATTR.
template <class Body>
HWY_INLINE void for_kept(const DropoutBits& bits, std::int32_t slot, std::int32_t position, std::int64_t first,
                         std::int64_t n, const Body& body) {
  const Blocks blocks;
  const auto row = bits.row(slot, position);
  const auto step = static_cast<std::int64_t>(hn::Lanes(blocks)) * 8;  // features made at once
  std::int64_t i = 0;
  const auto last_dropped = bits.threshold() - 1;
#if HWY_TARGET != HWY_SCALAR
  const Lanes d;
  const hn::Repartition<std::uint16_t, Blocks> uniform;
  const hn::Half<decltype(uniform)> half;
  const hn::RebindToSigned<Lanes> integer;
  const auto width = static_cast<std::int64_t>(hn::Lanes(d));
  const auto most = hn::Set(integer, last_dropped);
  const auto kept = [&](auto uniforms)
                        HWY_ATTR { return hn::RebindMask(d, hn::Gt(hn::PromoteTo(integer, uniforms), most)); };
  for (; i + step <= n; i += step) {
    hn::Vec<Blocks> words01, words23;
    bits.words(row, static_cast<std::uint64_t>((first + i) / 8), words01, words23);
    const auto lower = hn::BitCast(uniform, hn::InterleaveLower(blocks, words01, words23));
    const auto upper = hn::BitCast(uniform, hn::InterleaveUpper(blocks, words01, words23));
    body(d, i, kept(hn::LowerHalf(half, lower)));
    body(d, i + width, kept(hn::UpperHalf(half, lower)));
    body(d, i + 2 * width, kept(hn::LowerHalf(half, upper)));
    body(d, i + 3 * width, kept(hn::UpperHalf(half, upper)));
  }
#endif
  const OneLane one;
  while (i < n) {
    HWY_ALIGN std::uint16_t uniforms[HWY_MAX_BYTES];
    hn::Vec<Blocks> words01, words23;
    bits.words(row, static_cast<std::uint64_t>((first + i) / 8), words01, words23);
    auto* out = reinterpret_cast<std::uint64_t*>(uniforms);
#if HWY_TARGET == HWY_SCALAR
    hn::StoreU(words01, blocks, out);
    hn::StoreU(words23, blocks, out + 1);
#else
    hn::StoreU(hn::InterleaveLower(blocks, words01, words23), blocks, out);
    hn::StoreU(hn::InterleaveUpper(blocks, words01, words23), blocks, out + hn::Lanes(blocks));
#endif
    const std::int64_t end = HWY_MIN(i + step, n);
    std::int64_t at = 0;
#if HWY_TARGET != HWY_SCALAR
    for (; i + width <= end; i += width, at += width) body(d, i, kept(hn::LoadU(half, uniforms + at)));
#endif
    for (; i < end; ++i, ++at) {
      const hn::RebindToSigned<OneLane> whole;
      body(one, i,
           hn::RebindMask(one, hn::Gt(hn::Set(whole, std::int32_t{uniforms[at]}), hn::Set(whole, last_dropped))));
    }
  }
}

}  // namespace initlab::compute::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target guard
