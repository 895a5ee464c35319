// The scalar twin of compute/mixout.hpp: the paper's formula for one weight.
#pragma once

#include "compute/mixout.hpp"
#include "compute/reference/dropout.hpp"

namespace initlab::compute::reference {

struct MixedWeight {
  double value;     // what the forward pass sees
  double gradient;  // d value / d w
};

// `probability` is one that 65536 makes an integer.
inline MixedWeight mixout(double probability, MixUnit unit, const Place& matrix, std::uint32_t row,
                          std::uint32_t column, double target, double w) {
  Place place = matrix;
  place.position = unit == MixUnit::weight ? row : 0;
  place.feature = column;
  const double m = dropout_factor(probability, place) == 0 ? 0 : 1;
  return {((1 - m) * target + m * w - probability * target) / (1 - probability), m / (1 - probability)};
}

}  // namespace initlab::compute::reference
