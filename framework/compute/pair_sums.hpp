// Sums over two vectors in one pass over memory: what norms, distances, cosines and sign flips are made of.
#pragma once

#include <span>

namespace initlab::compute {

struct PairSums {
  double xx = 0, yy = 0, xy = 0;
  double difference = 0;  // of (x - y)^2
  double opposite = 0;    // pairs of which one number is above and one below 0

  PairSums& operator+=(const PairSums& other);
};

// In double, in an order that no number of threads changes; x and y are equally long and may be the same. Relative
// error of xx, yy and difference at most (2^16 + length / 2^16) 2^-53, of xy beside sqrt(xx yy). Twin:
// reference/pair_sums.hpp.
PairSums pair_sums(std::span<const float> x, std::span<const float> y);

}  // namespace initlab::compute
