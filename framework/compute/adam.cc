#include "compute/adam.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "compute/adam.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "compute/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace initlab::compute::HWY_NAMESPACE {

// `pull`: w after weight decay, from w and the place i.
template <class Pull>
HWY_INLINE void update(const AdamConstants& c, std::int64_t n, float* HWY_RESTRICT w, float* HWY_RESTRICT g,
                       float* HWY_RESTRICT m, float* HWY_RESTRICT v, const Pull& pull) {
  for_lanes(n, [&](auto d, std::int64_t i) HWY_ATTR {
    const auto gradient = hn::Mul(hn::LoadU(d, g + i), hn::Set(d, c.scale));
    const auto first = hn::MulAdd(hn::Set(d, c.keep1), hn::LoadU(d, m + i), hn::Mul(hn::Set(d, c.take1), gradient));
    const auto second =
        hn::MulAdd(hn::Set(d, c.keep2), hn::LoadU(d, v + i), hn::Mul(hn::Mul(hn::Set(d, c.take2), gradient), gradient));
    const auto root = hn::MulAdd(hn::Sqrt(second), hn::Set(d, c.root_correction2), hn::Set(d, c.epsilon));
    const auto pulled = pull(d, i, hn::LoadU(d, w + i));
    const auto move = hn::MulAdd(hn::Set(d, c.decay), pulled, hn::Div(first, root));
    hn::StoreU(hn::NegMulAdd(hn::Set(d, c.rate), move, pulled), d, w + i);
    hn::StoreU(first, d, m + i);
    hn::StoreU(second, d, v + i);
    hn::StoreU(hn::Zero(d), d, g + i);
  });
}

void update_piece(const AdamConstants& c, const Piece& p, const AdamBlocks& blocks) {
  float* const w = blocks.values + p.begin;
  float* const g = blocks.gradients + p.begin;
  float* const m = blocks.first + p.begin;
  float* const v = blocks.second + p.begin;
  if (c.to_anchor) {
    const float* const a = blocks.anchor + p.begin;
    update(c, p.count, w, g, m, v, [&](auto d, std::int64_t i, auto x) HWY_ATTR {
      return hn::NegMulAdd(hn::Set(d, c.pull), hn::Sub(x, hn::LoadU(d, a + i)), x);
    });
  } else {
    update(c, p.count, w, g, m, v,
           [&](auto d, std::int64_t, auto x) HWY_ATTR { return hn::Mul(x, hn::Set(d, c.shrink)); });
  }
}

// In double. Four sums, so that additions need not wait for one another.
double squares_of_piece(std::int64_t n, const float* x) {
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

HWY_EXPORT(update_piece);
HWY_EXPORT(squares_of_piece);

// Calls body(i) for each piece. Threads take turns, some pieces a turn: so their work is about equal though pieces are
// not, and what a thread had in its cache at the last step, it gets again.
template <class Body>
void for_pieces(std::span<const Piece> pieces, const Body& body) {
  constexpr std::int64_t kTurn = 4;
  for_turns(std::ssize(pieces), kTurn, omp_get_max_threads(),
            [&](std::int64_t i) { body(static_cast<std::size_t>(i)); });
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
    const Piece& piece = pieces[i];
    HWY_DYNAMIC_DISPATCH(update_piece)(groups[static_cast<std::size_t>(piece.group)], piece, blocks);
  });
}

double sum_of_squares(std::span<const Piece> pieces, const float* x, std::span<double> sums) {
  assert(sums.size() >= pieces.size());
  for_pieces(pieces, [&](std::size_t i) {
    sums[i] = HWY_DYNAMIC_DISPATCH(squares_of_piece)(pieces[i].count, x + pieces[i].begin);
  });
  double sum = 0;
  for (std::size_t i = 0; i < pieces.size(); ++i) sum += sums[i];
  return sum;
}

void clear(std::span<const Piece> pieces, float* x) {
  for_pieces(pieces, [&](std::size_t i) { std::fill_n(x + pieces[i].begin, pieces[i].count, 0.0f); });
}

}  // namespace initlab::compute
#endif
