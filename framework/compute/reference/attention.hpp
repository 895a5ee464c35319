// The scalar twin of compute/attention.hpp, for one sequence and head.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "compute/reference/dual.hpp"

namespace initlab::compute::reference {

template <class S>
std::vector<S> softmax(const std::vector<S>& x) {
  using std::exp;
  const S most = *std::max_element(x.begin(), x.end());
  S sum(0);
  std::vector<S> y;
  for (const S& v : x) {
    y.push_back(exp(v - most));
    sum += y.back();
  }
  for (S& v : y) v = v / sum;
  return y;
}

// q (N, D), k, v (S, D) -> context (N, D). factor(query, key): what dropout multiplies the weight with.
template <class S>
std::vector<S> attention(std::size_t length, std::size_t d, const std::vector<S>& q, const std::vector<S>& k,
                         const std::vector<S>& v, const std::function<double(std::size_t, std::size_t)>& factor) {
  std::vector<S> context(q.size(), S(0));
  for (std::size_t i = 0; i < q.size() / d; ++i) {
    std::vector<S> scores(length, S(0));
    for (std::size_t j = 0; j < length; ++j) {
      for (std::size_t f = 0; f < d; ++f) scores[j] += q[i * d + f] * k[j * d + f];
      scores[j] = scores[j] / S(std::sqrt(static_cast<double>(d)));
    }
    const std::vector<S> weights = softmax(scores);
    for (std::size_t j = 0; j < length; ++j)
      for (std::size_t f = 0; f < d; ++f) context[i * d + f] += weights[j] * S(factor(i, j)) * v[j * d + f];
  }
  return context;
}

}  // namespace initlab::compute::reference
