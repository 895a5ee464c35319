// What attention does to one block of scores, once per instruction set: keys down, queries across the lanes, so that
// softmax, its backward and the dropout bits need no step from lane to lane. Internal to compute/; include as
// simd-inl.h.

// Toggled so that each instruction set gets its own copy.
#if defined(INITLAB_COMPUTE_ATTENTION_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef INITLAB_COMPUTE_ATTENTION_INL_H_
#undef INITLAB_COMPUTE_ATTENTION_INL_H_
#else
#define INITLAB_COMPUTE_ATTENTION_INL_H_
#endif

#include <algorithm>
#include <cstdint>

#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>
#include "compute/dropout.hpp"
#include "compute/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace initlab::compute::HWY_NAMESPACE {

// Dropout's numbers (compute/dropout.hpp; Philox4x32-10, Salmon et al. 2011) for one vector of queries, eight keys at a
// time: a Philox block is a query's and serves eight keys. Products of 32 by 32 bits come from every second lane, so
// the even and the odd queries go separately.
class QueryBits {
 public:
  // positions: one a lane. The site must be active.
  HWY_INLINE QueryBits(const DropoutSite& site, std::int32_t slot, const std::int32_t* positions)
      : word0_(site.site >> 12 << 18), word3_(site.step), threshold_(site.threshold << 16) {
    auto key0 = static_cast<std::uint32_t>(site.key), key1 = static_cast<std::uint32_t>(site.key >> 32);
    for (int round = 0; round < 10; ++round, key0 += 0x9E3779B9u, key1 += 0xBB67AE85u) {
      key0_[round] = key0;
      key1_[round] = key1;
    }
    // Word 0 of the counter is the key's: what the first two rounds make of the other words is the same for all keys.
    const std::uint64_t b = kMultiplier1 * (site.site << 20 | static_cast<std::uint32_t>(slot));
    low_b_ = b & kLow;
    const auto c0 = hn::Xor(hn::LoadU(Words(), reinterpret_cast<const std::uint32_t*>(positions)),
                            hn::Set(Words(), static_cast<std::uint32_t>(b >> 32) ^ key0_[0]));
    const auto multiplier = hn::Set(Wide(), kMultiplier0);
    hn::StoreU(product(even(c0), multiplier), Wide(), even_);
    hn::StoreU(product(odd(c0), multiplier), Wide(), odd_);
  }

  // Calls body(i, keep) for the keys first + i, i < 8: keep is true in the lanes of those queries for which dropout
  // keeps that key. first is a multiple of 8.
  template <class Body>
  HWY_INLINE void for_eight_keys(std::int64_t first, const Body& body) const {
    const std::uint64_t a = kMultiplier0 * (static_cast<std::uint32_t>(first / 8) + word0_);
    const std::uint64_t b = kMultiplier1 * (static_cast<std::uint32_t>(a >> 32) ^ word3_ ^ key1_[0]);
    Block left = second_round(a, b, hn::LoadU(Wide(), even_)), right = second_round(a, b, hn::LoadU(Wide(), odd_));
    HWY_UNROLL(8)
    for (int round = 2; round < 10; ++round) {
      next(round, left);
      next(round, right);
    }
    call(0, join(left.c0, right.c0), body);
    call(2, join(left.c1, right.c1), body);
    call(4, join(left.c2, right.c2), body);
    call(6, join(left.c3, right.c3), body);
  }

 private:
  using Words = hn::RebindToUnsigned<Lanes>;
  using Wide = hn::ScalableTag<std::uint64_t>;
  using WideVec = hn::Vec<Wide>;
  struct Block {  // the four words; only the low half of a lane counts
    WideVec c0, c1, c2, c3;
  };
  static constexpr std::uint64_t kMultiplier0 = 0xD2511F53u, kMultiplier1 = 0xCD9E8D57u, kLow = 0xFFFFFFFFu;

#if HWY_TARGET == HWY_SCALAR
  static HWY_INLINE WideVec even(hn::Vec<Words> x) { return hn::Set(Wide(), hn::GetLane(x)); }
  static HWY_INLINE WideVec odd(hn::Vec<Words> x) { return even(x); }
  static HWY_INLINE hn::Vec<Words> join(WideVec left, WideVec) {
    return hn::Set(Words(), static_cast<std::uint32_t>(hn::GetLane(left)));
  }
  static HWY_INLINE WideVec product(WideVec x, WideVec y) {
    return hn::Set(Wide(), (hn::GetLane(x) & kLow) * hn::GetLane(y));
  }
#else
  static HWY_INLINE WideVec even(hn::Vec<Words> x) { return hn::BitCast(Wide(), x); }
  static HWY_INLINE WideVec odd(hn::Vec<Words> x) { return hn::ShiftRight<32>(hn::BitCast(Wide(), x)); }
  static HWY_INLINE hn::Vec<Words> join(WideVec left, WideVec right) {
    return hn::OddEven(hn::BitCast(Words(), hn::ShiftLeft<32>(right)), hn::BitCast(Words(), left));
  }
  static HWY_INLINE WideVec product(WideVec x, WideVec y) {
    return hn::MulEven(hn::BitCast(Words(), x), hn::BitCast(Words(), y));
  }
#endif

  // After rounds 0 and 1, from the products of the second: a and b are the first's.
  HWY_INLINE Block second_round(std::uint64_t a, std::uint64_t b, WideVec product_a) const {
    const Wide d;
    return {hn::Set(d, (b >> 32) ^ low_b_ ^ key0_[1]), hn::Set(d, b),
            hn::Xor(hn::ShiftRight<32>(product_a), hn::Set(d, (a & kLow) ^ key1_[1])), product_a};
  }

  HWY_INLINE void next(int round, Block& block) const {
    const Wide d;
    const auto a = product(block.c0, hn::Set(d, kMultiplier0)), b = product(block.c2, hn::Set(d, kMultiplier1));
    block = {hn::Xor3(hn::ShiftRight<32>(b), block.c1, hn::Set(d, key0_[round])), b,
             hn::Xor3(hn::ShiftRight<32>(a), block.c3, hn::Set(d, key1_[round])), a};
  }

  // One word: its low half is the number of key i, its high half that of key i + 1.
  template <class Body>
  HWY_INLINE void call(std::int64_t i, hn::Vec<Words> word, const Body& body) const {
    const auto threshold = hn::Set(Words(), threshold_);
    const auto keeps = [&](auto bits) HWY_ATTR { return hn::RebindMask(Lanes(), hn::Not(hn::Lt(bits, threshold))); };
    body(i, keeps(hn::ShiftLeft<16>(word)));
    body(i + 1, keeps(word));
  }

  std::uint32_t word0_, word3_, threshold_;
  std::uint64_t low_b_;
  std::uint64_t key0_[10], key1_[10];
  std::uint64_t even_[HWY_MAX_BYTES / 8], odd_[HWY_MAX_BYTES / 8];
};

// Calls body(key, keep) for the keys 0 .. n-1; all are kept where the site is inactive.
template <class Body>
HWY_INLINE void for_keys(const DropoutSite& site, std::int32_t slot, const std::int32_t* positions, std::int64_t n,
                         const Body& body) {
  const Lanes d;
  if (!site.active()) {
    const auto all = hn::FirstN(d, hn::Lanes(d));
    for (std::int64_t key = 0; key < n; ++key) body(key, all);
    return;
  }
  const QueryBits bits(site, slot, positions);
  std::int64_t first = 0;
  for (; first + 8 <= n; first += 8)
    bits.for_eight_keys(first, [&](std::int64_t i, auto keep) HWY_ATTR { body(first + i, keep); });
  if (first < n)
    bits.for_eight_keys(first, [&](std::int64_t i, auto keep) HWY_ATTR {
      if (first + i < n) body(first + i, keep);
    });
}

// One block of scores: keys down, `columns` queries across (whole vectors; those beyond the block's own repeat
// its last and come to nothing that is read).
struct ScoreBlock {
  std::int64_t keys = 0, columns = 0;
  std::int32_t slot = 0;
  const std::int32_t* positions = nullptr;  // (columns) of the queries
};

// x (keys, columns): scores become exp(score - highest of the query), 0 where dropped. factors (columns): what makes
// them the weights that the values get. log_sums (columns): ln sum exp(scores).
HWY_INLINE void softmax_forward(const ScoreBlock& block, const DropoutSite& site, float* x, float* factors,
                                float* log_sums) {
  const Lanes d;
  const auto width = static_cast<std::int64_t>(hn::Lanes(d));
  for (std::int64_t c = 0; c < block.columns; c += width) {
    float* column = x + c;
    auto most = hn::LoadU(d, column);
    for (std::int64_t key = 1; key < block.keys; ++key)
      most = hn::Max(most, hn::LoadU(d, column + key * block.columns));
    auto sum = hn::Zero(d);
    for_keys(site, block.slot, block.positions + c, block.keys, [&](std::int64_t key, auto keep) HWY_ATTR {
      float* at = column + key * block.columns;
      const auto e = fast_exp(d, hn::Sub(hn::LoadU(d, at), most));
      sum = hn::Add(sum, e);
      hn::StoreU(hn::IfThenElseZero(keep, e), d, at);
    });
    hn::StoreU(hn::Div(hn::Set(d, site.active() ? site.scale : 1.0f), sum), d, factors + c);
    hn::StoreU(hn::Add(most, hn::Log(d, sum)), d, log_sums + c);
  }
}

// scores (keys, columns) become the weights that the values got; dweights (keys, columns), the loss by them, becomes
// the loss by the scores before their scale: back through dropout, then softmax's P (dP - sum(dP P)).
HWY_INLINE void softmax_backward(const ScoreBlock& block, const DropoutSite& site, const float* log_sums,
                                 float score_scale, float* scores, float* dweights) {
  const Lanes d;
  const auto width = static_cast<std::int64_t>(hn::Lanes(d));
  const auto scale = hn::Set(d, site.active() ? site.scale : 1.0f);
  for (std::int64_t c = 0; c < block.columns; c += width) {
    const auto log_sum = hn::LoadU(d, log_sums + c);
    auto dot = hn::Zero(d);
    for_keys(site, block.slot, block.positions + c, block.keys, [&](std::int64_t key, auto keep) HWY_ATTR {
      const std::int64_t at = key * block.columns + c;
      const auto p = fast_exp(d, hn::Sub(hn::LoadU(d, scores + at), log_sum));
      const auto dp = hn::IfThenElseZero(keep, hn::Mul(scale, hn::LoadU(d, dweights + at)));
      dot = hn::MulAdd(p, dp, dot);
      hn::StoreU(hn::IfThenElse(keep, p, hn::Neg(p)), d, scores + at);  // the sign remembers
      hn::StoreU(dp, d, dweights + at);
    });
    const auto s = hn::Set(d, score_scale);
    for (std::int64_t key = 0; key < block.keys; ++key) {
      const std::int64_t at = key * block.columns + c;
      const auto p = hn::LoadU(d, scores + at);
      hn::StoreU(hn::Mul(hn::Mul(hn::Abs(p), s), hn::Sub(hn::LoadU(d, dweights + at), dot)), d, dweights + at);
      hn::StoreU(hn::Mul(scale, hn::Max(p, hn::Zero(d))), d, scores + at);
    }
  }
}

#if HWY_TARGET != HWY_SCALAR
// Four floats of every fourth of the rows that `rows` points at, one row after another.
template <class D>
HWY_INLINE hn::Vec<D> every_fourth(D d, const float* const* rows, std::int64_t j) {
  if constexpr (hn::MaxLanes(D()) == 4) {
    return hn::LoadU(d, rows[0] + j);
  } else {
    const hn::Half<D> half;
    return hn::Combine(d, every_fourth(half, rows + hn::MaxLanes(D()) / 2, j), every_fourth(half, rows, j));
  }
}
#endif

// y (d, columns) = factor x^T for x (n, d) with rows x_row apart. Columns n .. are copies of the last row.
HWY_INLINE void transpose(std::int64_t n, std::int64_t d, const float* x, std::int64_t x_row, float factor, float* y,
                          std::int64_t columns) {
  constexpr std::int64_t kWidth = hn::MaxLanes(Lanes());
  for (std::int64_t first = 0; first < columns; first += kWidth) {
    const float* rows[kWidth];
    for (std::int64_t i = 0; i < kWidth; ++i) rows[i] = x + std::min(first + i, n - 1) * x_row;
    float* to = y + first;
    std::int64_t j = 0;
#if HWY_TARGET != HWY_SCALAR
    // Blocks of 4 by 4, as many at a time as a vector holds.
    const Lanes lanes;
    const hn::RepartitionToWide<Lanes> pairs;
    const auto f = hn::Set(lanes, factor);
    for (; j + 4 <= d; j += 4) {
      const auto r0 = every_fourth(lanes, rows, j), r1 = every_fourth(lanes, rows + 1, j);
      const auto r2 = every_fourth(lanes, rows + 2, j), r3 = every_fourth(lanes, rows + 3, j);
      const auto a0 = hn::BitCast(pairs, hn::InterleaveLower(lanes, r0, r1));
      const auto a1 = hn::BitCast(pairs, hn::InterleaveLower(lanes, r2, r3));
      const auto b0 = hn::BitCast(pairs, hn::InterleaveUpper(lanes, r0, r1));
      const auto b1 = hn::BitCast(pairs, hn::InterleaveUpper(lanes, r2, r3));
      hn::StoreU(hn::Mul(f, hn::BitCast(lanes, hn::InterleaveLower(pairs, a0, a1))), lanes, to + j * columns);
      hn::StoreU(hn::Mul(f, hn::BitCast(lanes, hn::InterleaveUpper(pairs, a0, a1))), lanes, to + (j + 1) * columns);
      hn::StoreU(hn::Mul(f, hn::BitCast(lanes, hn::InterleaveLower(pairs, b0, b1))), lanes, to + (j + 2) * columns);
      hn::StoreU(hn::Mul(f, hn::BitCast(lanes, hn::InterleaveUpper(pairs, b0, b1))), lanes, to + (j + 3) * columns);
    }
#endif
    for (; j < d; ++j)
      for (std::int64_t i = 0; i < kWidth; ++i) to[j * columns + i] = factor * rows[i][j];
  }
}

}  // namespace initlab::compute::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target guard
