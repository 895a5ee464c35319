// The scalar twins of compute/vector.hpp.
#pragma once

#include <cmath>
#include <cstddef>

#include "compute/reference/dual.hpp"

namespace initlab::compute::reference {

template <class S>
S bias_tanh(S x, S bias) {
  using std::tanh;
  return tanh(x + bias);
}

// Sum of column `column` of x (rows, n) whose rows are `row` apart.
inline double column_sum(std::size_t rows, std::size_t row, std::size_t column, const float* x) {
  double sum = 0;
  for (std::size_t r = 0; r < rows; ++r) sum += static_cast<double>(x[r * row + column]);
  return sum;
}

inline long double sum_of_squares(std::size_t n, const float* x) {
  long double sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += static_cast<long double>(x[i]) * static_cast<long double>(x[i]);
  return sum;
}

}  // namespace initlab::compute::reference
