// The scalar twin of compute/gelu.hpp.
#pragma once

#include <cmath>

#include "compute/gelu.hpp"
#include "compute/reference/dual.hpp"

namespace initlab::compute::reference {

template <class S>
S gelu(Gelu kind, S x) {
  using std::erfc, std::tanh;
  const double root_half = 0.70710678118654752440, root_two_over_pi = 0.79788456080286535588;
  if (kind == Gelu::erf) return S(0.5) * x * erfc(-(x * S(root_half)));  // x Phi(x)
  return S(0.5) * x * (S(1) + tanh(S(root_two_over_pi) * (x + S(0.044715) * x * x * x)));
}

}  // namespace initlab::compute::reference
