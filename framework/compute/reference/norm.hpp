// The scalar twin of compute/norm.hpp, without bias, dropout and residual: those are plain sums and products before it.
#pragma once

#include <cmath>
#include <vector>

#include "compute/reference/dual.hpp"

namespace initlab::compute::reference {

// y = gamma (x - mean(x)) / sqrt(var(x) + epsilon) + beta for one row; the variance is divided by n.
template <class S>
std::vector<S> layer_norm(const std::vector<S>& x, double epsilon, const S* gamma, const S* beta) {
  using std::sqrt;
  const S n(static_cast<double>(x.size()));
  S mean(0), variance(0);
  for (const S& v : x) mean += v / n;
  for (const S& v : x) variance += (v - mean) * (v - mean) / n;
  std::vector<S> y;
  for (std::size_t i = 0; i < x.size(); ++i)
    y.push_back(gamma[i] * (x[i] - mean) / sqrt(variance + S(epsilon)) + beta[i]);
  return y;
}

}  // namespace initlab::compute::reference
