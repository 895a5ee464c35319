#include "compute/adam.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "compute/adam.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "compute/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace initlab::compute::HWY_NAMESPACE {

// w after weight decay: towards zero, or towards the anchor.
struct ToZero {
  template <class D, class V>
  HWY_INLINE V operator()(D d, const AdamConstants& c, V w, V) const {
    return hn::Mul(w, hn::Set(d, c.shrink));
  }
};
struct ToAnchor {
  template <class D, class V>
  HWY_INLINE V operator()(D d, const AdamConstants& c, V w, V a) const {
    return hn::NegMulAdd(hn::Set(d, c.pull), hn::Sub(w, a), w);
  }
};

// One step of one vector of weights. The only place with the arithmetic: whoever calls it gets the same bits.
template <class D, class V, class Decay>
HWY_INLINE void advance(D d, const AdamConstants& c, const Decay& decay, V gradient, V anchor, V& w, V& m, V& v) {
  gradient = hn::Mul(gradient, hn::Set(d, c.scale));
  m = hn::MulAdd(hn::Set(d, c.keep1), m, hn::Mul(hn::Set(d, c.take1), gradient));
  v = hn::MulAdd(hn::Set(d, c.keep2), v, hn::Mul(hn::Mul(hn::Set(d, c.take2), gradient), gradient));
  const auto root = hn::MulAdd(hn::Sqrt(v), hn::Set(d, c.root_correction2), hn::Set(d, c.epsilon));
  w = decay(d, c, w, anchor);
  const auto move = hn::MulAdd(hn::Set(d, c.decay), w, hn::Div(m, root));
  w = hn::NegMulAdd(hn::Set(d, c.rate), move, w);
}

// The same where gradient and both moments are zero, which they stay.
template <class D, class V, class Decay>
HWY_INLINE V advance_at_rest(D d, const AdamConstants& c, const Decay& decay, V anchor, V w) {
  w = decay(d, c, w, anchor);
  const auto move = hn::MulAdd(hn::Set(d, c.decay), w, hn::Zero(d));
  return hn::NegMulAdd(hn::Set(d, c.rate), move, w);
}

// Calls body(decay, anchors of the piece).
template <class Body>
HWY_INLINE void with_decay(const AdamConstants& c, const Piece& p, const AdamBlocks& blocks, const Body& body) {
  if (c.to_anchor) {
    body(ToAnchor{}, blocks.anchor + p.begin);
  } else {
    body(ToZero{}, blocks.values + p.begin);  // read, and not used
  }
}

void update(const AdamConstants& c, const Piece& p, const AdamBlocks& blocks) {
  float* const values = blocks.values + p.begin;
  float* const gradients = blocks.gradients + p.begin;
  float* const first = blocks.first + p.begin;
  float* const second = blocks.second + p.begin;
  with_decay(c, p, blocks, [&](const auto& decay, const float* anchors) HWY_ATTR {
    for_lanes(p.count, [&](auto d, std::int64_t i) HWY_ATTR {
      auto w = hn::LoadU(d, values + i), m = hn::LoadU(d, first + i), v = hn::LoadU(d, second + i);
      const auto gradient = hn::LoadU(d, gradients + i), anchor = hn::LoadU(d, anchors + i);
      advance(d, c, decay, gradient, anchor, w, m, v);
      hn::StoreU(w, d, values + i);
      hn::StoreU(m, d, first + i);
      hn::StoreU(v, d, second + i);
      hn::StoreU(hn::Zero(d), d, gradients + i);
    });
  });
}

// Steps c[0 .. n-1]; a vector stays in registers for all of them.
void replay(std::int64_t n, const AdamConstants* c, const Piece& p, const AdamBlocks& blocks) {
  float* const values = blocks.values + p.begin;
  float* const first = blocks.first + p.begin;
  float* const second = blocks.second + p.begin;
  with_decay(*c, p, blocks, [&](const auto& decay, const float* anchors) HWY_ATTR {
    for_lanes(p.count, [&](auto d, std::int64_t i) HWY_ATTR {
      auto w = hn::LoadU(d, values + i), m = hn::LoadU(d, first + i), v = hn::LoadU(d, second + i);
      const auto anchor = hn::LoadU(d, anchors + i);
      for (std::int64_t k = 0; k < n; ++k) advance(d, c[k], decay, hn::Zero(d), anchor, w, m, v);
      hn::StoreU(w, d, values + i);
      hn::StoreU(m, d, first + i);
      hn::StoreU(v, d, second + i);
    });
  });
}

// One operation a step, so the piece is walked step by step: its vectors need not wait for one another.
void replay_at_rest(std::int64_t n, const AdamConstants* c, const Piece& p, const AdamBlocks& blocks) {
  float* const values = blocks.values + p.begin;
  with_decay(*c, p, blocks, [&](const auto& decay, const float* anchors) HWY_ATTR {
    for (std::int64_t k = 0; k < n; ++k) {
      if (!c[k].to_anchor && c[k].shrink == 1 && c[k].decay == 0) continue;
      for_lanes(p.count, [&](auto d, std::int64_t i) HWY_ATTR {
        const auto w = hn::LoadU(d, values + i), anchor = hn::LoadU(d, anchors + i);
        hn::StoreU(advance_at_rest(d, c[k], decay, anchor, w), d, values + i);
      });
    }
  });
}

// In double. Four sums, so that additions need not wait for one another.
double squares(std::int64_t n, const float* x) {
  const hn::ScalableTag<double> d;
  const hn::Rebind<float, decltype(d)> half;
  const auto width = static_cast<std::int64_t>(hn::Lanes(d));
  const auto add = [&](auto sum, const float* at) HWY_ATTR {
    const auto wide = hn::PromoteTo(d, hn::LoadU(half, at));
    return hn::MulAdd(wide, wide, sum);
  };
  auto a = hn::Zero(d), b = a, c = a, e = a;
  std::int64_t i = 0;
  for (; i + 4 * width <= n; i += 4 * width) {
    a = add(a, x + i);
    b = add(b, x + i + width);
    c = add(c, x + i + 2 * width);
    e = add(e, x + i + 3 * width);
  }
  for (; i + width <= n; i += width) a = add(a, x + i);
  double rest = 0;
  for (; i < n; ++i) rest += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  return hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(a, b), hn::Add(c, e)))) + rest;
}

}  // namespace initlab::compute::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstddef>

#include "compute/parallel.hpp"

namespace initlab::compute {
namespace {

HWY_EXPORT(update);
HWY_EXPORT(replay);
HWY_EXPORT(replay_at_rest);
HWY_EXPORT(squares);

// Calls body(i) for each piece. A thread takes neighbouring pieces, about as much work as the others, always the same
// for a number of threads: memory is read in long runs, and what a thread had in its cache at the last step, it gets
// again.
template <class Body>
void for_pieces(std::span<const Piece> pieces, const Body& body) {
  if (pieces.empty()) return;
  const auto first_beyond = [&](std::int64_t work) {
    const auto ends_before = [&](const Piece& p) { return p.until <= work; };
    return std::ranges::partition_point(pieces, ends_before) - pieces.begin();
  };
  constexpr std::int64_t kGrain = 1 << 14;
  for_shares(pieces.back().until, kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = first_beyond(begin); i < first_beyond(end); ++i) body(static_cast<std::size_t>(i));
  });
}

}  // namespace

AdamConstants adam_constants(const AdamStep& s) {
  AdamConstants c{};
  c.to_anchor = s.to_anchor;
  c.keep1 = static_cast<float>(s.beta1);
  c.take1 = static_cast<float>(1 - s.beta1);
  c.keep2 = static_cast<float>(s.beta2);
  c.take2 = static_cast<float>(1 - s.beta2);
  c.epsilon = static_cast<float>(s.epsilon);
  c.scale = static_cast<float>(s.gradient_scale);
  c.pull = static_cast<float>(s.learning_rate * s.weight_decay);  // towards the anchor, in both forms
  // AdamW's decay comes first and multiplies; bert_adam's joins the update
  c.shrink = s.bias_corrected ? static_cast<float>(1 - s.learning_rate * s.weight_decay) : 1.0f;
  c.decay = s.bias_corrected || s.to_anchor ? 0.0f : static_cast<float>(s.weight_decay);
  c.rate = static_cast<float>(s.bias_corrected ? s.learning_rate / s.correction1 : s.learning_rate);
  c.root_correction2 = static_cast<float>(s.bias_corrected ? 1 / std::sqrt(s.correction2) : 1.0);
  return c;
}

void adam_update(std::span<const AdamConstants> groups, std::span<const Piece> pieces, const AdamBlocks& blocks) {
  for_pieces(pieces, [&](std::size_t i) {
    HWY_DYNAMIC_DISPATCH(update)(groups[static_cast<std::size_t>(pieces[i].group)], pieces[i], blocks);
  });
}

void adam_replay(std::span<const AdamConstants> steps, std::span<const Piece> pieces, Moments moments,
                 const AdamBlocks& blocks) {
  for_pieces(pieces, [&](std::size_t i) {
    const auto missed = steps.subspan(static_cast<std::size_t>(pieces[i].group));
    if (missed.empty()) return;
    if (moments == Moments::zero) {
      HWY_DYNAMIC_DISPATCH(replay_at_rest)(std::ssize(missed), missed.data(), pieces[i], blocks);
    } else {
      HWY_DYNAMIC_DISPATCH(replay)(std::ssize(missed), missed.data(), pieces[i], blocks);
    }
  });
}

double sum_of_squares(std::span<const Piece> pieces, const float* x, std::span<double> sums) {
  assert(sums.size() >= pieces.size());
  for_pieces(pieces,
             [&](std::size_t i) { sums[i] = HWY_DYNAMIC_DISPATCH(squares)(pieces[i].count, x + pieces[i].begin); });
  double sum = 0;
  for (std::size_t i = 0; i < pieces.size(); ++i) sum += sums[i];
  return sum;
}

void clear(std::span<const Piece> pieces, float* x) {
  for_pieces(pieces, [&](std::size_t i) { std::fill_n(x + pieces[i].begin, pieces[i].count, 0.0f); });
}

}  // namespace initlab::compute
#endif
