// Random matrices with orthonormal columns (rows, where they are wide), from normal draws. For strategies.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include "sdk/shape.hpp"

namespace initlab::sdk {

namespace detail {

// Eight sums side by side, in an order that no compiler changes: the same bits on every CPU, and fast.
inline double dot(const double* a, const double* b, std::size_t n) {
  std::array<double, 8> sums{};
  std::size_t i = 0;
  for (; i + 8 <= n; i += 8)
    for (std::size_t k = 0; k < 8; ++k) sums[k] += a[i + k] * b[i + k];
  for (std::size_t k = 0; i < n; ++i, ++k) sums[k] += a[i] * b[i];
  return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

// Makes `count` vectors of length n, one after another, orthonormal.
inline void orthonormalize(std::vector<double>& vectors, std::size_t count, std::size_t n) {
  for (std::size_t j = 0; j < count; ++j) {
    double* v = vectors.data() + j * n;
    const double before = dot(v, v, n);
    for (int pass = 0; pass < 2; ++pass) {
      for (std::size_t i = 0; i < j; ++i) {
        const double* q = vectors.data() + i * n;
        const double along = dot(q, v, n);
        for (std::size_t k = 0; k < n; ++k) v[k] -= along * q[k];
      }
    }
    const double after = dot(v, v, n);
    if (!(after > 1e-20 * before)) throw Refusal("the random vectors are linearly dependent");
    const double norm = std::sqrt(after);
    for (std::size_t k = 0; k < n; ++k) v[k] /= norm;
  }
}

}  // namespace detail

// values (rows, columns), row-major: Z in, gain Q out, with Z = Q R (wide: the transposed of both), R's diagonal
// positive. Z of independent normal draws gives Q Haar's distribution (Mezzadri 2007); plain QR, whose signs are
// arbitrary, does not. Gram and Schmidt's process, each vector cleaned twice ("twice is enough", Giraud et al. 2005),
// in double: its R has a positive diagonal by construction. 4 max min^2 operations. Throws Refusal where the vectors
// are linearly dependent.
inline void make_orthonormal(MatrixShape shape, double gain, std::span<float> values) {
  const std::size_t rows = static_cast<std::size_t>(shape.rows), columns = static_cast<std::size_t>(shape.columns);
  const std::size_t count = std::min(rows, columns), n = std::max(rows, columns);
  // Element k of vector j, in the tensor.
  const auto at = [&](std::size_t j, std::size_t k) -> float& {
    return rows >= columns ? values[k * columns + j] : values[j * columns + k];
  };
  std::vector<double> vectors(count * n);
  for (std::size_t j = 0; j < count; ++j)
    for (std::size_t k = 0; k < n; ++k) vectors[j * n + k] = static_cast<double>(at(j, k));
  detail::orthonormalize(vectors, count, n);
  for (std::size_t j = 0; j < count; ++j)
    for (std::size_t k = 0; k < n; ++k) at(j, k) = static_cast<float>(gain * vectors[j * n + k]);
}

}  // namespace initlab::sdk
