#include "compute/norm.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "compute/norm.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "compute/dropout-inl.h"

HWY_BEFORE_NAMESPACE();
namespace initlab::compute::HWY_NAMESPACE {

// `count` features of row r of x, from `first` on, become s, what is normalised; returns their sum. uniforms: of these
// features, read where the dropout is active. kScaled: the residual has a scale.
template <bool kScaled>
HWY_INLINE float prepare(const NormInput& input, const DropoutBits& bits, const std::uint16_t* uniforms, std::int64_t r,
                         std::int64_t n, std::int64_t first, std::int64_t count, float* x) {
  const float* bias = input.bias == nullptr ? nullptr : input.bias + first;
  const float* residual = input.residual == nullptr ? nullptr : input.residual + r * n + first;
  [[maybe_unused]] const float* scale = kScaled ? input.residual_scale + first : nullptr;
  x += r * n + first;
  const auto dropout = input.dropout.active();
  if (!dropout && bias == nullptr && residual == nullptr)
    return sum_lanes(count, [&](auto d, std::int64_t i) HWY_ATTR { return load(d, x + i); });
  return sum_lanes(count, [&](auto d, std::int64_t i) HWY_ATTR {
    auto s = load(d, x + i);
    if (bias != nullptr) s = hn::Add(s, load(d, bias + i));
    if (dropout) s = hn::IfThenElseZero(bits.keep(d, uniforms + i), hn::Mul(s, hn::Set(d, input.dropout.scale)));
    if constexpr (kScaled) {
      s = hn::MulAdd(load(d, scale + i), load(d, residual + i), s);
    } else {
      if (residual != nullptr) s = hn::Add(s, load(d, residual + i));
    }
    store(d, s, x + i);
    return s;
  });
}

// Row r, whose x is s by now and has this sum. Y16: as bf16 is stored; y16 may be null.
template <class Y16>
HWY_INLINE void normalize(const NormShape& shape, const float* gamma, const float* beta, std::int64_t r, float sum,
                          float* x, float* y, float* inverse_deviation, Y16* y16) {
  const auto count = static_cast<float>(shape.n);
  const float mean = sum / count;
  x += r * shape.n;
  y += r * shape.n;
  if (y16 != nullptr) y16 += r * shape.n;
  const float squares = sum_lanes(shape.n, [&](auto d, std::int64_t i) HWY_ATTR {
    const auto v = hn::Sub(load(d, x + i), hn::Set(d, mean));
    return hn::Mul(v, v);
  });
  const float inverse = 1.0f / __builtin_sqrtf(squares / count + shape.epsilon);
  inverse_deviation[r] = inverse;
  for_lanes(shape.n, [&](auto d, std::int64_t i) HWY_ATTR {
    const auto xhat = hn::Mul(hn::Sub(load(d, x + i), hn::Set(d, mean)), hn::Set(d, inverse));
    const auto v = hn::MulAdd(load(d, gamma + i), xhat, load(d, beta + i));
    store(d, xhat, x + i);
    store(d, v, y + i);
    if (y16 != nullptr) store(d, v, y16 + i);
  });
}

// Rows begin .. end-1. The uniforms of a few short rows are made together, before the first of them is read: the work
// on one row is a long chain, which would keep those of the next waiting.
template <bool kScaled, class Y16>
HWY_INLINE void forward(const NormShape& shape, const NormInput& input, const float* gamma, const float* beta, float* x,
                        float* y, float* inverse_deviation, Y16* y16, std::int64_t begin, std::int64_t end) {
  constexpr std::int64_t kMostRows = 8;
  const std::int64_t n = shape.n, step = DropoutBits::step();
  const std::int64_t part = HWY_MIN((n + step - 1) / step * step, kUniforms);  // of a row at a time
  const std::int64_t together = HWY_MIN(kUniforms / part, kMostRows);
  const DropoutBits bits(input.dropout);
  HWY_ALIGN std::uint16_t uniforms[kUniforms];
  float sums[kMostRows];
  for (std::int64_t row = begin; row < end; row += together) {
    const std::int64_t rows = HWY_MIN(together, end - row);
    for (float& sum : sums) sum = 0;
    for (std::int64_t first = 0; first < n; first += part) {
      const std::int64_t count = HWY_MIN(part, n - first);
      for (std::int64_t k = 0; k < rows && input.dropout.active(); ++k)
        bits.uniforms(input.names.slots[row + k], input.names.positions[row + k], first, count, uniforms + k * part);
      for (std::int64_t k = 0; k < rows; ++k)
        sums[k] += prepare<kScaled>(input, bits, uniforms + k * part, row + k, n, first, count, x);
    }
    for (std::int64_t k = 0; k < rows; ++k)
      normalize(shape, gamma, beta, row + k, sums[k], x, y, inverse_deviation, y16);
  }
}

void forward_rows(const NormShape& shape, const NormInput& input, const float* gamma, const float* beta, float* x,
                  float* y, float* inverse_deviation, Bf16* y16, std::int64_t begin, std::int64_t end) {
  with_pointer(Cells(y16), [&](auto* out16) HWY_ATTR {
    if (input.residual_scale == nullptr)
      forward<false>(shape, input, gamma, beta, x, y, inverse_deviation, out16, begin, end);
    else
      forward<true>(shape, input, gamma, beta, x, y, inverse_deviation, out16, begin, end);
  });
}

// What norm_backward reads and writes.
struct NormBackward {
  std::int64_t n;
  const NormInput& input;
  const float* gamma;
  const float* xhat;
  const float* inverse_deviation;
  const float* dy;
  const NormGradients& gradients;
};

// Means over a row of g = gamma dy and of g xhat.
struct Means {
  float g = 0, dot = 0;
};
HWY_INLINE Means means_of_row(const NormBackward& call, std::int64_t r) {
  const float* dy = call.dy + r * call.n;
  const float* xhat = call.xhat + r * call.n;
  const Lanes d;
  const auto width = static_cast<std::int64_t>(hn::Lanes(d));
  auto g0 = hn::Zero(d), g1 = g0, dot0 = g0, dot1 = g0;
  std::int64_t i = 0;
  for (; i + 2 * width <= call.n; i += 2 * width) {
    const auto a = hn::Mul(load(d, call.gamma + i), load(d, dy + i));
    const auto b = hn::Mul(load(d, call.gamma + i + width), load(d, dy + i + width));
    g0 = hn::Add(g0, a);
    g1 = hn::Add(g1, b);
    dot0 = hn::MulAdd(a, load(d, xhat + i), dot0);
    dot1 = hn::MulAdd(b, load(d, xhat + i + width), dot1);
  }
  Means sums{hn::GetLane(hn::SumOfLanes(d, hn::Add(g0, g1))), hn::GetLane(hn::SumOfLanes(d, hn::Add(dot0, dot1)))};
  for (; i < call.n; ++i) {
    const float g = call.gamma[i] * dy[i];
    sums.g += g;
    sums.dot += g * xhat[i];
  }
  const auto count = static_cast<float>(call.n);
  return {sums.g / count, sums.dot / count};
}

// kRows rows from r on: ds = inverse_deviation (g - mean(g) - xhat mean(g xhat)), dx = ds through the dropout; column
// sums of dy xhat, dy, dx and, with a scale, ds residual are added to sums (3, n) or (4, n), row after row.
template <int kRows, bool kScaled, class Dx>
HWY_INLINE void backward_rows(const NormBackward& call, const DropoutBits* bits, std::int64_t r, Dx* dx, float* sums) {
  const std::int64_t n = call.n;
  float *dgamma = sums, *dbeta = sums + n, *dbias = sums + 2 * n;
  [[maybe_unused]] float* dscale = sums + 3 * n;
  [[maybe_unused]] const float* scale = call.input.residual_scale;
  [[maybe_unused]] const float* residual = kScaled ? call.input.residual + r * n : nullptr;
  Means means[kRows];
  for (int k = 0; k < kRows; ++k) means[k] = means_of_row(call, r + k);
  const float* dy = call.dy + r * n;
  const float* xhat = call.xhat + r * n;
  float* dresidual = call.gradients.dresidual == nullptr ? nullptr : call.gradients.dresidual + r * n;
  dx += r * n;
  HWY_ALIGN std::uint16_t uniforms[kRows * kUniforms];
  for (std::int64_t first = 0; first < n; first += kUniforms) {
    const std::int64_t count = HWY_MIN(kUniforms, n - first);
    if (bits != nullptr)
      for (int k = 0; k < kRows; ++k)
        bits->uniforms(call.input.names.slots[r + k], call.input.names.positions[r + k], first, count,
                       uniforms + k * kUniforms);
    for_lanes(count, [&](auto d, std::int64_t at) HWY_ATTR {
      const std::int64_t i = first + at;
      const auto gamma = load(d, call.gamma + i);
      auto sum_gamma = load(d, dgamma + i), sum_beta = load(d, dbeta + i), sum_bias = load(d, dbias + i);
      [[maybe_unused]] auto sum_scale = kScaled ? load(d, dscale + i) : hn::Zero(d);
      for (int k = 0; k < kRows; ++k) {
        const auto v = load(d, dy + k * n + i), z = load(d, xhat + k * n + i);
        sum_gamma = hn::MulAdd(v, z, sum_gamma);
        sum_beta = hn::Add(sum_beta, v);
        const auto centred = hn::MulSub(gamma, v, hn::Set(d, means[k].g));
        auto ds =
            hn::Mul(hn::NegMulAdd(z, hn::Set(d, means[k].dot), centred), hn::Set(d, call.inverse_deviation[r + k]));
        if constexpr (kScaled) {
          sum_scale = hn::MulAdd(ds, load(d, residual + k * n + i), sum_scale);
          if (dresidual != nullptr) store(d, hn::Mul(ds, load(d, scale + i)), dresidual + k * n + i);
        } else {
          if (dresidual != nullptr) store(d, ds, dresidual + k * n + i);
        }
        if (bits != nullptr)
          ds = hn::IfThenElseZero(bits->keep(d, uniforms + k * kUniforms + at),
                                  hn::Mul(ds, hn::Set(d, call.input.dropout.scale)));
        store(d, ds, dx + k * n + i);
        sum_bias = hn::Add(sum_bias, ds);
      }
      store(d, sum_gamma, dgamma + i);
      store(d, sum_beta, dbeta + i);
      store(d, sum_bias, dbias + i);
      if constexpr (kScaled) store(d, sum_scale, dscale + i);
    });
  }
}

// Rows begin .. end-1; their column sums go to sums (3, n) or (4, n).
void backward_group(const NormShape& shape, const NormInput& input, const float* gamma, const float* xhat,
                    const float* inverse_deviation, const float* dy, const NormGradients& gradients, std::int64_t begin,
                    std::int64_t end, float* sums) {
  const std::int64_t n = shape.n;
  const NormBackward call{n, input, gamma, xhat, inverse_deviation, dy, gradients};
  const DropoutBits all(input.dropout);
  const DropoutBits* bits = input.dropout.active() ? &all : nullptr;
  for_lanes((input.residual_scale == nullptr ? 3 : 4) * n,
            [&](auto d, std::int64_t i) HWY_ATTR { store(d, hn::Zero(d), sums + i); });
  with_pointer(gradients.dx, [&](auto* dx) HWY_ATTR {
    std::int64_t r = begin;
    if (input.residual_scale == nullptr) {
      for (; r + 4 <= end; r += 4) backward_rows<4, false>(call, bits, r, dx, sums);
      for (; r < end; ++r) backward_rows<1, false>(call, bits, r, dx, sums);
    } else {
      for (; r + 4 <= end; r += 4) backward_rows<4, true>(call, bits, r, dx, sums);
      for (; r < end; ++r) backward_rows<1, true>(call, bits, r, dx, sums);
    }
  });
}

// Columns begin .. end-1: the sums of the groups, `stride` floats apart, join the gradients, in order.
void add_groups(std::int64_t groups, std::int64_t n, std::int64_t stride, const float* sums,
                const NormGradients& gradients, std::int64_t begin, std::int64_t end) {
  const auto add = [&](const float* part, float* total) HWY_ATTR {
    if (total == nullptr) return;
    for_lanes(end - begin, [&](auto d, std::int64_t at) HWY_ATTR {
      const std::int64_t i = begin + at;
      auto sum = load(d, total + i);
      for (std::int64_t group = 0; group < groups; ++group) sum = hn::Add(sum, load(d, part + group * stride + i));
      store(d, sum, total + i);
    });
  };
  add(sums, gradients.dgamma);
  add(sums + n, gradients.dbeta);
  add(sums + 2 * n, gradients.dbias);
  if (stride > 3 * n) add(sums + 3 * n, gradients.dresidual_scale);
}

}  // namespace initlab::compute::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>

#include "compute/parallel.hpp"

namespace initlab::compute {
namespace {

HWY_EXPORT(forward_rows);
HWY_EXPORT(backward_group);
HWY_EXPORT(add_groups);

constexpr std::int64_t kMostGroups = 64;  // of rows, in norm_backward
constexpr std::int64_t kLeastRows = 16;   // of a group
constexpr std::int64_t kColumns = 256;    // whose groups a thread adds at least: fewer are not worth waking another

}  // namespace

void norm_forward(const NormShape& shape, const NormInput& input, const float* gamma, const float* beta, float* x,
                  float* y, float* inverse_deviation, Bf16* y16) {
  for_shares(shape.rows, 8, [&](std::int64_t begin, std::int64_t end) {
    HWY_DYNAMIC_DISPATCH(forward_rows)(shape, input, gamma, beta, x, y, inverse_deviation, y16, begin, end);
  });
}

std::int64_t norm_backward_scratch(std::int64_t n) { return kMostGroups * 4 * n; }

void norm_backward(const NormShape& shape, const NormInput& input, const float* gamma, const float* xhat,
                   const float* inverse_deviation, const float* dy, const NormGradients& gradients, float* scratch) {
  const std::int64_t n = shape.n;
  const std::int64_t group_rows = std::max(kLeastRows, (shape.rows + kMostGroups - 1) / kMostGroups);
  const std::int64_t groups = (shape.rows + group_rows - 1) / group_rows;
  const std::int64_t stride = (input.residual_scale == nullptr ? 3 : 4) * n;  // of the groups' sums
  for_shares(groups, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t group = begin; group < end; ++group) HWY_DYNAMIC_DISPATCH(backward_group)
    (shape, input, gamma, xhat, inverse_deviation, dy, gradients, group * group_rows,
     std::min(shape.rows, (group + 1) * group_rows), scratch + group * stride);
  });
  for_shares(n, kColumns, [&](std::int64_t begin, std::int64_t end) {
    HWY_DYNAMIC_DISPATCH(add_groups)(groups, n, stride, scratch, gradients, begin, end);
  });
}

}  // namespace initlab::compute
#endif
