// Dropout bits in registers, once per instruction set: the numbers that dropout.hpp defines, many Philox blocks side by
// side, and a loop over a row that hands each vector of features its mask. Internal to compute/; include as simd-inl.h.
//
//   const DropoutBits bits(site);                                       // once a call
//   for_kept(bits, slot, position, 0, n, [&](auto d, std::int64_t i, auto keep) HWY_ATTR {
//     store(d, hn::IfThenElseZero(keep, hn::Mul(load(d, x + i), hn::Set(d, site.scale))), x + i);
//   });
// A kernel that walks a row more than once keeps its uniforms (2 bytes a feature) and asks keep() for masks.

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

constexpr std::uint64_t kPhilox0 = 0xD2511F53u, kPhilox1 = 0xCD9E8D57u;  // multipliers (Salmon et al. 2011)

// The uniforms of an active site.
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
    // Neighbours are half a vector apart, so that interleaving the halves of the blocks sorts them.
    const std::size_t lanes = hn::Lanes(Blocks());
    for (std::size_t i = 0; i < lanes; ++i) order_[i] = i % 2 * (lanes / 2) + i / 2;
  }

  // Features whose uniforms are made at once; a row takes a multiple of them.
  static std::int64_t step() { return static_cast<std::int64_t>(hn::Lanes(Blocks())) * 8; }

  // out[i] = the uniform of feature first + i of a row, for i = 0 .. count-1 and on to the next multiple of step().
  // first is a multiple of 8.
  HWY_INLINE void uniforms(std::int32_t slot, std::int32_t position, std::int64_t first, std::int64_t count,
                           std::uint16_t* out) const {
    const Row shared = row(slot, position);
    std::int64_t i = 0;
    // Ten rounds wait for each other: four vectors at once keep the multipliers busy.
    for (; i + 3 * step() < count; i += 4 * step()) make<4>(shared, first + i, out + i);
    for (; i < count; i += step()) make<1>(shared, first + i, out + i);
  }

  // True where the feature of a uniform is kept.
  template <class D>
  HWY_INLINE hn::Mask<D> keep(D d, const std::uint16_t* uniforms) const {
    const hn::RebindToSigned<D> integer;
    const hn::Rebind<std::uint16_t, D> half;
    const auto u = hn::PromoteTo(integer, hn::LoadU(half, uniforms));
    return hn::RebindMask(d, hn::Gt(u, hn::Set(integer, threshold_ - 1)));
  }

 private:
  using Blocks = hn::ScalableTag<std::uint64_t>;  // one Philox block a lane; of a word's lane the low half counts

  // What the blocks of a row share after two rounds: word 0, which differs, enters words 2 and 3 first.
  struct Row {
    std::uint64_t x0 = 0, x2 = 0, c3 = 0;
  };
  Row row(std::int32_t slot, std::int32_t position) const {
    const std::uint64_t b = kPhilox1 * (word2_ | static_cast<std::uint32_t>(slot));
    const std::uint64_t c0 = (b >> 32) ^ static_cast<std::uint32_t>(position) ^ key0_[0];
    const std::uint64_t a = kPhilox0 * c0;
    return {(b & 0xFFFFFFFFu) ^ key0_[1], (a >> 32) ^ key1_[1], a & 0xFFFFFFFFu};
  }

  // kSets vectors of blocks, 8 uniforms each.
  template <int kSets>
  HWY_INLINE void make(const Row& row, std::int64_t first, std::uint16_t* out) const {
    using V = hn::Vec<Blocks>;
    const Blocks d;
    const std::size_t lanes = hn::Lanes(d);
    const V m0 = hn::Set(d, kPhilox0), m1 = hn::Set(d, kPhilox1);
    V c0[kSets], c1[kSets], c2[kSets], c3[kSets];
    for (std::size_t s = 0; s < kSets; ++s) {
      const std::uint64_t block = word0_ + static_cast<std::uint64_t>(first / 8) + s * lanes;
      const V a = multiply(hn::Add(hn::LoadU(d, order_), hn::Set(d, block)), m0);
      const V b = multiply(hn::Xor(hn::ShiftRight<32>(a), hn::Set(d, word3_ ^ key1_[0])), m1);
      c0[s] = hn::Xor(hn::ShiftRight<32>(b), hn::Set(d, row.x0));
      c1[s] = b;
      c2[s] = hn::Xor(a, hn::Set(d, row.x2));
      c3[s] = hn::Set(d, row.c3);
    }
    HWY_UNROLL(8)
    for (int round = 2; round < 10; ++round) {
      for (std::size_t s = 0; s < kSets; ++s) {
        const V a = multiply(c0[s], m0), b = multiply(c2[s], m1);
        c0[s] = hn::Xor3(hn::ShiftRight<32>(b), c1[s], hn::Set(d, key0_[round]));
        c1[s] = b;
        c2[s] = hn::Xor3(hn::ShiftRight<32>(a), c3[s], hn::Set(d, key1_[round]));
        c3[s] = a;
      }
    }
    const V low = hn::Set(d, std::uint64_t{0xFFFFFFFFu});
    auto* to = reinterpret_cast<std::uint64_t*>(out);
    for (std::size_t s = 0; s < kSets; ++s, to += 2 * lanes) {
      const V words01 = hn::OrAnd(hn::ShiftLeft<32>(c1[s]), c0[s], low);
      const V words23 = hn::OrAnd(hn::ShiftLeft<32>(c3[s]), c2[s], low);
#if HWY_TARGET == HWY_SCALAR
      hn::StoreU(words01, d, to);
      hn::StoreU(words23, d, to + 1);
#else
      hn::StoreU(hn::InterleaveLower(d, words01, words23), d, to);
      hn::StoreU(hn::InterleaveUpper(d, words01, words23), d, to + lanes);
#endif
    }
  }

  // The products of the low halves of the lanes.
  template <class V>
  static HWY_INLINE V multiply(V a, V b) {
#if HWY_TARGET == HWY_SCALAR
    return hn::Set(Blocks(), (hn::GetLane(a) & 0xFFFFFFFFu) * hn::GetLane(b));
#else
    const hn::Repartition<std::uint32_t, Blocks> half;
    return hn::MulEven(hn::BitCast(half, a), hn::BitCast(half, b));
#endif
  }

  std::int32_t threshold_;  // of 65536
  std::uint64_t word0_, word2_, word3_;
  std::uint64_t key0_[10], key1_[10];  // of each round
  std::uint64_t order_[HWY_MAX_BYTES / sizeof(std::uint64_t)];
};

constexpr std::int64_t kUniforms = 1024;  // of a row at a time: 2 KiB

// Calls body(d, i, keep) for whole vectors and then, one lane at a time, for the rest of 0 .. n-1: keep is a mask of
// the vectors of d, true where the features first + i, ... of the row are kept. first is a multiple of 8. The body is a
// generic lambda, marked HWY_ATTR.
template <class Body>
HWY_INLINE void for_kept(const DropoutBits& bits, std::int32_t slot, std::int32_t position, std::int64_t first,
                         std::int64_t n, const Body& body) {
  HWY_ALIGN std::uint16_t uniforms[kUniforms];
  for (std::int64_t begin = 0; begin < n; begin += kUniforms) {
    const std::int64_t count = HWY_MIN(kUniforms, n - begin);
    bits.uniforms(slot, position, first + begin, count, uniforms);
    for_lanes(count, [&](auto d, std::int64_t i) HWY_ATTR { body(d, begin + i, bits.keep(d, uniforms + i)); });
  }
}

}  // namespace initlab::compute::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target guard
