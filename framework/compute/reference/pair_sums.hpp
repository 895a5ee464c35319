// The scalar twin of compute/pair_sums.hpp.
#pragma once

#include <cstddef>
#include <span>

namespace initlab::compute::reference {

struct PairSums {
  long double xx = 0, yy = 0, xy = 0, difference = 0, opposite = 0;
};

inline PairSums pair_sums(std::span<const float> x, std::span<const float> y) {
  PairSums sums;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const auto a = static_cast<long double>(x[i]), b = static_cast<long double>(y[i]);
    sums.xx += a * a;
    sums.yy += b * b;
    sums.xy += a * b;
    sums.difference += (a - b) * (a - b);
    if ((a < 0 && b > 0) || (a > 0 && b < 0)) ++sums.opposite;
  }
  return sums;
}

}  // namespace initlab::compute::reference
