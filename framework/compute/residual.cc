#include "compute/residual.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "compute/residual.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "compute/dropout-inl.h"

HWY_BEFORE_NAMESPACE();
namespace initlab::compute::HWY_NAMESPACE {

// Calls body(d, i, factor) for the features of row r: factor is what the dropout multiplies each with.
template <class Body>
HWY_INLINE void for_row(const ResidualInput& input, const DropoutBits* bits, std::int64_t r, std::int64_t n,
                        const Body& body) {
  if (bits == nullptr) return for_lanes(n, [&](auto d, std::int64_t i) HWY_ATTR { body(d, i, hn::Set(d, 1.0f)); });
  for_kept(*bits, input.names.slots[r], input.names.positions[r], 0, n,
           [&](auto d, std::int64_t i, auto keep)
               HWY_ATTR { body(d, i, hn::IfThenElseZero(keep, hn::Set(d, input.dropout.scale))); });
}

// Rows begin .. end-1.
void forward_rows(std::int64_t n, const ResidualInput& input, float* x, float* y, Bf16* y16, std::int64_t begin,
                  std::int64_t end) {
  const DropoutBits all(input.dropout);
  const DropoutBits* bits = input.dropout.active() ? &all : nullptr;
  with_pointer(Cells(y16), [&](auto* out16) HWY_ATTR {
    for (std::int64_t r = begin; r < end; ++r) {
      const std::int64_t at = r * n;
      for_row(input, bits, r, n, [&](auto d, std::int64_t i, auto factor) HWY_ATTR {
        const auto branch = hn::Mul(factor, hn::Add(load(d, x + at + i), load(d, input.bias + i)));
        const auto sum = hn::MulAdd(hn::Set(d, *input.scale), branch, load(d, input.residual + at + i));
        store(d, branch, x + at + i);
        store(d, sum, y + at + i);
        if (out16 != nullptr) store(d, sum, out16 + at + i);
      });
    }
  });
}

// Rows begin .. end-1; column sums of dx and of dy branch go to sums (2, n).
void backward_group(std::int64_t n, const ResidualInput& input, const float* branch, const float* dy, Cells dx,
                    std::int64_t begin, std::int64_t end, float* sums) {
  const DropoutBits all(input.dropout);
  const DropoutBits* bits = input.dropout.active() ? &all : nullptr;
  for_lanes(2 * n, [&](auto d, std::int64_t i) HWY_ATTR { store(d, hn::Zero(d), sums + i); });
  with_pointer(dx, [&](auto* to) HWY_ATTR {
    for (std::int64_t r = begin; r < end; ++r) {
      const std::int64_t at = r * n;
      for_row(input, bits, r, n, [&](auto d, std::int64_t i, auto factor) HWY_ATTR {
        const auto v = load(d, dy + at + i);
        const auto through = hn::Mul(factor, hn::Mul(hn::Set(d, *input.scale), v));
        store(d, through, to + at + i);
        store(d, hn::Add(load(d, sums + i), through), sums + i);
        store(d, hn::MulAdd(v, load(d, branch + at + i), load(d, sums + n + i)), sums + n + i);
      });
    }
  });
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

constexpr std::int64_t kMostGroups = 64;  // of rows, in residual_backward
constexpr std::int64_t kLeastRows = 16;   // of a group

}  // namespace

void residual_forward(std::int64_t rows, std::int64_t n, const ResidualInput& input, float* x, float* y, Bf16* y16) {
  for_shares(rows, 8, [&](std::int64_t begin, std::int64_t end) {
    HWY_DYNAMIC_DISPATCH(forward_rows)(n, input, x, y, y16, begin, end);
  });
}

std::int64_t residual_backward_scratch(std::int64_t n) { return kMostGroups * 2 * n; }

void residual_backward(std::int64_t rows, std::int64_t n, const ResidualInput& input, const float* branch,
                       const float* dy, const ResidualGradients& gradients, float* scratch) {
  const std::int64_t group_rows = std::max(kLeastRows, (rows + kMostGroups - 1) / kMostGroups);
  const std::int64_t groups = (rows + group_rows - 1) / group_rows;
  for_shares(groups, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t group = begin; group < end; ++group) HWY_DYNAMIC_DISPATCH(backward_group)
    (n, input, branch, dy, gradients.dx, group * group_rows, std::min(rows, (group + 1) * group_rows),
     scratch + group * 2 * n);
  });
  double dscale = 0;
  for (std::int64_t group = 0; group < groups; ++group) {
    const float* sums = scratch + group * 2 * n;
    for (std::int64_t i = 0; i < n; ++i) {
      gradients.dbias[i] += sums[i];
      dscale += static_cast<double>(sums[n + i]);
    }
  }
  *gradients.dscale += static_cast<float>(dscale);
}

}  // namespace initlab::compute
#endif
