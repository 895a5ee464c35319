#include "compute/loss.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "compute/loss.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "compute/simd-inl.h"

#ifndef INITLAB_COMPUTE_LOSS_GRADIENT_
#define INITLAB_COMPUTE_LOSS_GRADIENT_
namespace initlab::compute {
namespace {

// The backward pass of one chunk.
struct ChunkGradient {
  std::int64_t rows = 0;
  LogitChunk chunk;
  const std::int32_t* labels = nullptr;
  const float* log_sum = nullptr;
  float scale = 1;
  Cells dlogits;
  std::int64_t dlogits_row = 0;
  float* column_sums = nullptr;
};

}  // namespace
}  // namespace initlab::compute
#endif

HWY_BEFORE_NAMESPACE();
namespace initlab::compute::HWY_NAMESPACE {

template <class T>
HWY_INLINE float highest_of(std::int64_t n, const T* x) {
  const Lanes d;
  const auto width = static_cast<std::int64_t>(hn::Lanes(d));
  auto a = hn::Set(d, -std::numeric_limits<float>::infinity()), b = a;
  std::int64_t i = 0;
  for (; i + 2 * width <= n; i += 2 * width) {
    a = hn::Max(a, load(d, x + i));
    b = hn::Max(b, load(d, x + i + width));
  }
  float most = hn::GetLane(hn::MaxOfLanes(d, hn::Max(a, b)));
  const OneLane one;
  for (; i < n; ++i) most = std::max(most, hn::GetLane(load(one, x + i)));
  return most;
}

// The first column that holds the value, which is among them.
template <class T>
HWY_INLINE std::int64_t first_of(std::int64_t n, const T* x, float value) {
  const OneLane one;
  const Lanes d;
  const auto width = static_cast<std::int64_t>(hn::Lanes(d));
  const auto wanted = hn::Set(d, value);
  std::int64_t i = 0;
  while (i + width <= n && hn::AllFalse(d, hn::Eq(load(d, x + i), wanted))) i += width;
  while (i < n && hn::GetLane(load(one, x + i)) != value) ++i;
  return i;
}

template <class T>
HWY_INLINE void update_row(std::int64_t first, std::int64_t n, const T* x, std::int32_t label, CrossEntropyRow& row) {
  constexpr std::int64_t kBlock = 1024;  // terms summed in float before they join a double: a vocabulary is long
  const float most = highest_of(n, x);
  if (most > row.highest) {
    row.sum *= std::exp(static_cast<double>(row.highest) - static_cast<double>(most));
    row.highest = most;
    row.first_highest = static_cast<std::int32_t>(first + first_of(n, x, most));
  }
  if (first <= label && label < first + n) row.label = hn::GetLane(load(OneLane(), x + (label - first)));
  const float shift = std::isinf(row.highest) ? 0 : row.highest;
  for (std::int64_t begin = 0; begin < n; begin += kBlock)
    row.sum += static_cast<double>(sum_lanes(std::min(kBlock, n - begin), [&](auto d, std::int64_t i) HWY_ATTR {
      return fast_exp(d, hn::Sub(load(d, x + begin + i), hn::Set(d, shift)));
    }));
}

void update_rows(std::int64_t begin, std::int64_t end, const LogitChunk& chunk, const std::int32_t* labels,
                 CrossEntropyRow* state) {
  with_pointer(chunk.logits, [&](const auto* logits) HWY_ATTR {
    for (std::int64_t r = begin; r < end; ++r)
      update_row(chunk.first, chunk.columns, logits + r * chunk.row, labels[r], state[r]);
  });
}

// One row: n columns of which the label's is number `label`, if any. sums (n), where not null, take them up.
template <class T, class U>
HWY_INLINE void gradient_row(std::int64_t n, const T* x, float log_sum, float scale, std::int64_t label, U* y,
                             float* sums) {
  const OneLane one;
  const auto p = [&](auto d, std::int64_t i) HWY_ATTR {
    return hn::Mul(hn::Set(d, scale), fast_exp(d, hn::Sub(load(d, x + i), hn::Set(d, log_sum))));
  };
  const bool has_label = 0 <= label && label < n;
  const float of_label = has_label ? hn::GetLane(p(one, label)) - scale : 0;  // before x is overwritten
  if (sums == nullptr) {
    for_lanes(n, [&](auto d, std::int64_t i) HWY_ATTR { store(d, p(d, i), y + i); });
  } else {
    for_lanes(n, [&](auto d, std::int64_t i) HWY_ATTR {
      const auto value = p(d, i);
      store(d, value, y + i);
      store(d, hn::Add(load(d, sums + i), value), sums + i);
    });
  }
  if (!has_label) return;
  store(one, hn::Set(one, of_label), y + label);
  if (sums != nullptr) sums[label] -= scale;
}

// Columns begin .. end-1 of the chunk. Panels are wide, since rows of a vocabulary's chunk are far apart.
void gradient_columns(std::int64_t begin, std::int64_t end, const ChunkGradient& g) {
  constexpr std::int64_t kPanel = 4096;
  with_pointer(g.chunk.logits, [&](const auto* logits) HWY_ATTR {
    with_pointer(g.dlogits, [&](auto* dlogits) HWY_ATTR {
      const auto panel = [&](std::int64_t row, std::int64_t height, std::int64_t column, std::int64_t width,
                             float* sums) HWY_ATTR {
        for (std::int64_t r = row; r < row + height; ++r)
          gradient_row(width, logits + r * g.chunk.row + column, g.log_sum[r], g.scale,
                       g.labels[r] - g.chunk.first - column, dlogits + r * g.dlogits_row + column, sums);
      };
      if (g.column_sums == nullptr) return panel(0, g.rows, begin, end - begin, nullptr);
      for_panels<kPanel>(g.rows, end - begin, g.column_sums + begin,
                         [&](std::int64_t row, std::int64_t height, std::int64_t column, std::int64_t width,
                             float* sums) HWY_ATTR { panel(row, height, begin + column, width, sums); });
    });
  });
}

}  // namespace initlab::compute::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <cassert>

#include "compute/parallel.hpp"

namespace initlab::compute {
namespace {

HWY_EXPORT(update_rows);
HWY_EXPORT(gradient_columns);

constexpr std::int64_t kShare = 1 << 14;  // numbers that a thread takes at least

}  // namespace

void cross_entropy_start(std::int64_t rows, CrossEntropyRow* state) {
  std::fill_n(state, rows, CrossEntropyRow{.highest = -std::numeric_limits<float>::infinity()});
}

void cross_entropy_update(std::int64_t rows, const LogitChunk& chunk, const std::int32_t* labels,
                          CrossEntropyRow* state) {
  const std::int64_t grain = (kShare + chunk.columns - 1) / chunk.columns;
  for_shares(rows, grain, [&](std::int64_t begin, std::int64_t end) {
    HWY_DYNAMIC_DISPATCH(update_rows)(begin, end, chunk, labels, state);
  });
}

void cross_entropy_finish(std::int64_t rows, const std::int32_t* labels, const CrossEntropyRow* state, double* loss,
                          float* log_sum, std::int32_t* hit) {
  for (std::int64_t r = 0; r < rows; ++r) {
    const double log_of_sum = std::log(state[r].sum) + static_cast<double>(state[r].highest);
    loss[r] = log_of_sum - static_cast<double>(state[r].label);
    log_sum[r] = static_cast<float>(log_of_sum);
    hit[r] = state[r].first_highest == labels[r] ? 1 : 0;
  }
}

void cross_entropy_backward(std::int64_t rows, const LogitChunk& chunk, const std::int32_t* labels,
                            const float* log_sum, float scale, Cells dlogits, std::int64_t dlogits_row,
                            float* column_sums) {
  if (rows == 0) return;
  const ChunkGradient gradient{rows, chunk, labels, log_sum, scale, dlogits, dlogits_row, column_sums};
  const std::int64_t grain = (kShare + 16 * rows - 1) / (16 * rows) * 16;
  for_shares(chunk.columns, grain, [&](std::int64_t begin, std::int64_t end) {
    HWY_DYNAMIC_DISPATCH(gradient_columns)(begin, end, gradient);
  });
}

void cross_entropy_forward(std::int64_t rows, std::int64_t n, const float* logits, const std::int32_t* labels,
                           double* loss, float* log_sum, std::int32_t* hit) {
  const std::int64_t grain = (kShare + n - 1) / n;
  for_shares(rows, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      CrossEntropyRow row;
      cross_entropy_start(1, &row);
      HWY_DYNAMIC_DISPATCH(update_rows)(0, 1, {logits + r * n, n, 0, n}, labels + r, &row);
      cross_entropy_finish(1, labels + r, &row, loss + r, log_sum + r, hit + r);
    }
  });
}

void cross_entropy_backward(std::int64_t rows, std::int64_t n, float* logits, const std::int32_t* labels,
                            const float* log_sum, float scale) {
  cross_entropy_backward(rows, {logits, n, 0, n}, labels, log_sum, scale, logits, n, nullptr);
}

double squared_error_forward(std::int64_t n, const float* x, const float* target) {
  double sum = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const double difference = static_cast<double>(x[i]) - static_cast<double>(target[i]);
    sum += difference * difference;
  }
  return sum;
}

void squared_error_backward(std::int64_t n, const float* x, const float* target, float scale, float* dx) {
  for (std::int64_t i = 0; i < n; ++i) dx[i] = scale * 2 * (x[i] - target[i]);
}

}  // namespace initlab::compute
#endif
