// Eigenvalues and eigenvectors of a symmetric matrix, in scalar double arithmetic of fixed order: the same bits on
// every CPU, which LAPACK and Eigen do not promise (they choose their block sizes by its caches).
//
// Householder's reduction to a tridiagonal matrix, then implicit QR steps with Wilkinson's shift: Golub and Van Loan,
// "Matrix Computations", sections 8.3.1 and 8.3.3. About 10 n^3 operations. Not for: matrices that are not symmetric.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>
#include <vector>

#include "sdk/plugin.hpp"

namespace initlab::plugins {

// n x n, row-major.
struct Square {
  explicit Square(std::size_t size) : n(size), values(size * size) {}
  double* row(std::size_t i) { return values.data() + i * n; }
  const double* row(std::size_t i) const { return values.data() + i * n; }

  std::size_t n;
  std::vector<double> values;
};

inline double dot(const double* a, const double* b, std::size_t n) {
  double sums[4] = {};
  std::size_t i = 0;
  for (; i + 4 <= n; i += 4)
    for (std::size_t k = 0; k < 4; ++k) sums[k] += a[i + k] * b[i + k];
  for (std::size_t k = 0; i < n; ++i, ++k) sums[k] += a[i] * b[i];
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

struct Eigenpairs {
  std::vector<double> values;  // descending
  Square vectors;              // row i belongs to value i; its element of the largest magnitude is positive
};

class SymmetricEigen {
 public:
  // Throws Refusal where the iteration does not converge, which no finite matrix is known to do.
  static Eigenpairs solve(const Square& matrix) {
    SymmetricEigen work(matrix);
    work.tridiagonalize();
    work.iterate();
    return work.sorted();
  }

 private:
  explicit SymmetricEigen(const Square& matrix)
      : n_(matrix.n), a_(matrix), rows_(matrix.n), diagonal_(matrix.n), beside_(matrix.n) {}

  // A = Q T Q^T, Q = H_0 H_1 ..., H_k = 1 - beta v v^T. Leaves T's diagonals and the rows of Q^T.
  void tridiagonalize() {
    std::vector<double> p(n_), scales(n_);
    Square reflectors(n_);  // row k: v of step k
    for (std::size_t k = 0; k + 2 < n_; ++k) {
      const std::size_t m = n_ - k - 1;  // of the trailing block, which v acts on
      double* v = reflectors.row(k) + k + 1;
      std::copy_n(a_.row(k) + k + 1, m, v);
      const double norm = std::sqrt(dot(v, v, m));
      const double target = v[0] > 0 ? -norm : norm;
      beside_[k] = target;
      v[0] -= target;
      const double squared = dot(v, v, m);
      scales[k] = squared > 0 ? 2 / squared : 0;
      reflect_block(k + 1, v, scales[k], p);
    }
    for (std::size_t k = 0; k < n_; ++k) diagonal_[k] = a_.row(k)[k];
    if (n_ >= 2) beside_[n_ - 2] = a_.row(n_ - 2)[n_ - 1];
    // Q^T = ... H_1 H_0, built from the left.
    for (std::size_t i = 0; i < n_; ++i) rows_.row(i)[i] = 1;
    for (std::size_t k = n_ < 2 ? 0 : n_ - 2; k-- > 0;) {
      const double* v = reflectors.row(k) + k + 1;
      for (std::size_t i = k + 1; i < n_; ++i) {
        double* r = rows_.row(i) + k + 1;
        const double scale = scales[k] * dot(r, v, n_ - k - 1);
        for (std::size_t j = 0; j < n_ - k - 1; ++j) r[j] -= scale * v[j];
      }
    }
  }

  // The trailing block B becomes H B H: B - v w^T - w v^T.
  void reflect_block(std::size_t first, const double* v, double beta, std::vector<double>& w) {
    const std::size_t m = n_ - first;
    for (std::size_t i = 0; i < m; ++i) w[i] = beta * dot(a_.row(first + i) + first, v, m);
    const double half = beta / 2 * dot(w.data(), v, m);
    for (std::size_t i = 0; i < m; ++i) w[i] -= half * v[i];
    for (std::size_t i = 0; i < m; ++i) {
      double* row = a_.row(first + i) + first;
      for (std::size_t j = 0; j < m; ++j) row[j] -= v[i] * w[j] + w[i] * v[j];
    }
  }

  bool negligible(std::size_t k) const {
    return std::fabs(beside_[k]) <=
           std::numeric_limits<double>::epsilon() * (std::fabs(diagonal_[k]) + std::fabs(diagonal_[k + 1])) +
               std::numeric_limits<double>::min();
  }

  void iterate() {
    std::size_t steps = 0;
    for (std::size_t last = n_ < 1 ? 0 : n_ - 1; last > 0;) {
      if (negligible(last - 1)) {
        beside_[--last] = 0;
        continue;
      }
      std::size_t first = last - 1;
      while (first > 0 && !negligible(first - 1)) --first;
      if (++steps > 60 * n_) throw sdk::Refusal("the eigenvalues do not converge");
      step(first, last);
    }
  }

  // One implicit QR step on rows first..last of T: the bulge is chased down by rotations of neighbours.
  void step(std::size_t first, std::size_t last) {
    const double off = beside_[last - 1];
    const double half = (diagonal_[last - 1] - diagonal_[last]) / 2;
    const double root = std::sqrt(half * half + off * off);
    double x = diagonal_[first] - (diagonal_[last] - off * off / (half + (half < 0 ? -root : root)));
    double z = beside_[first];
    for (std::size_t k = first; k < last; ++k) {
      const double r = std::sqrt(x * x + z * z);
      const double c = r > 0 ? x / r : 1, s = r > 0 ? z / r : 0;
      if (k > first) beside_[k - 1] = r;
      const double a = diagonal_[k], b = beside_[k], g = diagonal_[k + 1];
      diagonal_[k] = c * c * a + 2 * c * s * b + s * s * g;
      diagonal_[k + 1] = s * s * a - 2 * c * s * b + c * c * g;
      beside_[k] = (c * c - s * s) * b + c * s * (g - a);
      if (k + 1 < last) {
        x = beside_[k];
        z = s * beside_[k + 1];
        beside_[k + 1] *= c;
      }
      rotate(rows_.row(k), rows_.row(k + 1), c, s);
    }
  }

  void rotate(double* upper, double* lower, double c, double s) const {
    for (std::size_t j = 0; j < n_; ++j) {
      const double u = upper[j], l = lower[j];
      upper[j] = c * u + s * l;
      lower[j] = c * l - s * u;
    }
  }

  Eigenpairs sorted() const {
    std::vector<std::size_t> order(n_);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::stable_sort(order, [&](std::size_t i, std::size_t j) { return diagonal_[i] > diagonal_[j]; });
    Eigenpairs result{std::vector<double>(n_), Square(n_)};
    for (std::size_t i = 0; i < n_; ++i) {
      const double* from = rows_.row(order[i]);
      const double largest =
          *std::max_element(from, from + n_, [](double a, double b) { return std::fabs(a) < std::fabs(b); });
      result.values[i] = diagonal_[order[i]];
      for (std::size_t j = 0; j < n_; ++j) result.vectors.row(i)[j] = largest < 0 ? -from[j] : from[j];
    }
    return result;
  }

  std::size_t n_;
  Square a_, rows_;
  std::vector<double> diagonal_, beside_;  // of T
};

}  // namespace initlab::plugins
