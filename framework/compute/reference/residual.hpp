// The scalar twin of compute/residual.hpp and of the sums that compute/norm.hpp normalises.
#pragma once

#include "compute/reference/dual.hpp"

namespace initlab::compute::reference {

// One feature: the shortcut and what the branch adds to it. factor: the dropout's.
template <class S>
S residual_sum(S residual_scale, S residual, S branch_scale, S factor, S x, S bias) {
  return residual_scale * residual + branch_scale * factor * (x + bias);
}

}  // namespace initlab::compute::reference
