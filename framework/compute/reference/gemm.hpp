// The scalar twin of compute/gemm.hpp.
#pragma once

#include <cstdint>

#include "compute/gemm.hpp"

namespace initlab::compute::reference {

// Element (i, j) of A B [+ bias] [+ C], from operands of type S.
template <class S>
S product_element(const Product& p, std::int64_t i, std::int64_t j, const S* a, const S* b, const S* bias, const S* c) {
  S sum(0);
  for (std::int64_t q = 0; q < p.k; ++q)
    sum += (p.a == Stored::plain ? a[i * p.k + q] : a[q * p.m + i]) *
           (p.b == Stored::plain ? b[q * p.n + j] : b[j * p.k + q]);
  if (p.bias) sum += bias[j];
  if (p.accumulate) sum += c[i * p.n + j];
  return sum;
}

}  // namespace initlab::compute::reference
