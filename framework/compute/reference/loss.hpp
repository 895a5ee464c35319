// The scalar twin of compute/loss.hpp.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "compute/reference/dual.hpp"

namespace initlab::compute::reference {

// ln sum exp(logits) - logits[label]
template <class S>
S cross_entropy(const std::vector<S>& logits, std::size_t label) {
  using std::exp, std::log;
  const S most = *std::max_element(logits.begin(), logits.end());
  S sum(0);
  for (const S& x : logits) sum += exp(x - most);
  return log(sum) + most - logits[label];
}

template <class S>
S squared_error(S x, double target) {
  return (x - S(target)) * (x - S(target));
}

}  // namespace initlab::compute::reference
