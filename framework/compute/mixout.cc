#include "compute/mixout.hpp"

#include <algorithm>

#include "compute/parallel.hpp"

namespace initlab::compute {
namespace {

// Calls body(offset, width, factors) for each stretch of a row that shares one block of factors.
template <class Body>
void for_factors(const DropoutSite& site, MixUnit unit, std::int64_t rows, std::int64_t columns, const Body& body) {
  for_shares(rows, 8, [&](std::int64_t begin, std::int64_t end) {
    float factors[kDropoutBlock];
    for (std::int64_t r = begin; r < end; ++r) {
      const auto position = static_cast<std::int32_t>(unit == MixUnit::weight ? r : 0);
      for (std::int64_t first = 0; first < columns; first += kDropoutBlock) {
        dropout_factors(site, 0, position, first, factors);
        body(r * columns + first, std::min(kDropoutBlock, columns - first), factors);
      }
    }
  });
}

}  // namespace

void mixout_forward(const DropoutSite& site, MixUnit unit, std::int64_t rows, std::int64_t columns, const float* target,
                    const float* w, float* mixed) {
  for_factors(site, unit, rows, columns, [&](std::int64_t offset, std::int64_t width, const float* factors) {
    const float* t = target + offset;
    const float* x = w + offset;
    float* y = mixed + offset;
    for (std::int64_t i = 0; i < width; ++i) y[i] = t[i] + factors[i] * (x[i] - t[i]);
  });
}

void mixout_backward(const DropoutSite& site, MixUnit unit, std::int64_t rows, std::int64_t columns, float* dw) {
  for_factors(site, unit, rows, columns, [&](std::int64_t offset, std::int64_t width, const float* factors) {
    float* x = dw + offset;
    for (std::int64_t i = 0; i < width; ++i) x[i] *= factors[i];
  });
}

}  // namespace initlab::compute
