#include "compute/norm.hpp"

#include <algorithm>
#include <cmath>

#include "compute/parallel.hpp"
#include "compute/simd.hpp"

namespace initlab::compute {
namespace {

constexpr std::int64_t kMostGroups = 64;  // of rows, in norm_backward
constexpr std::int64_t kLeastRows = 16;   // of a group

INITLAB_CLONES void add_row(std::int64_t n, const float* a, float* x) {
  for (std::int64_t i = 0; i < n; ++i) x[i] += a[i];
}

INITLAB_CLONES void multiply_row(std::int64_t n, const float* factors, const float* x, float* y) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = x[i] * factors[i];
}

// x becomes (x - mean) r, y = gamma x + beta; returns r = 1 / sqrt(variance + epsilon).
INITLAB_CLONES float normalize_row(std::int64_t n, float epsilon, const float* gamma, const float* beta, float* x,
                                   float* y) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < n; ++i) sum += x[i];
  const float mean = sum / static_cast<float>(n);
  float squares = 0;
#pragma omp simd reduction(+ : squares)
  for (std::int64_t i = 0; i < n; ++i) squares += (x[i] - mean) * (x[i] - mean);
  const float r = 1.0f / __builtin_sqrtf(squares / static_cast<float>(n) + epsilon);
  for (std::int64_t i = 0; i < n; ++i) {
    const float xhat = (x[i] - mean) * r;
    x[i] = xhat;
    y[i] = gamma[i] * xhat + beta[i];
  }
  return r;
}

// ds = r (g - mean(g) - xhat mean(g xhat)) with g = gamma dy; dgamma += dy xhat, dbeta += dy. ds may be dy.
INITLAB_CLONES void normalize_row_backward(std::int64_t n, float r, const float* gamma, const float* xhat,
                                           const float* dy, float* ds, float* dgamma, float* dbeta) {
  float sum = 0, dot = 0;
#pragma omp simd reduction(+ : sum, dot)
  for (std::int64_t i = 0; i < n; ++i) {
    const float g = gamma[i] * dy[i];
    sum += g;
    dot += g * xhat[i];
  }
  const float mean = sum / static_cast<float>(n), mean_dot = dot / static_cast<float>(n);
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i) {
    const float d = dy[i];
    dgamma[i] += d * xhat[i];
    dbeta[i] += d;
    ds[i] = r * (gamma[i] * d - mean - xhat[i] * mean_dot);
  }
}

// y = x through the dropout of row r; y may be x.
void dropout_row(const NormInput& input, std::int64_t r, std::int64_t n, const float* x, float* y) {
  float factors[kDropoutBlock];
  for (std::int64_t first = 0; first < n; first += kDropoutBlock) {
    dropout_factors(input.dropout, input.names.slots[r], input.names.positions[r], first, factors);
    multiply_row(std::min(kDropoutBlock, n - first), factors, x + first, y + first);
  }
}

}  // namespace

void norm_forward(const NormShape& shape, const NormInput& input, const float* gamma, const float* beta, float* x,
                  float* y, float* inverse_deviation) {
  const std::int64_t n = shape.n;
  for_shares(shape.rows, 8, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      float* row = x + r * n;
      if (input.bias != nullptr) add_row(n, input.bias, row);
      if (input.dropout.active()) dropout_row(input, r, n, row, row);
      if (input.residual != nullptr) add_row(n, input.residual + r * n, row);
      inverse_deviation[r] = normalize_row(n, shape.epsilon, gamma, beta, row, y + r * n);
    }
  });
}

std::int64_t norm_backward_scratch(std::int64_t n) { return kMostGroups * 3 * n; }

void norm_backward(const NormShape& shape, const NormInput& input, const float* gamma, const float* xhat,
                   const float* inverse_deviation, const float* dy, const NormGradients& gradients, float* scratch) {
  const std::int64_t n = shape.n;
  const std::int64_t group_rows = std::max(kLeastRows, (shape.rows + kMostGroups - 1) / kMostGroups);
  const std::int64_t groups = (shape.rows + group_rows - 1) / group_rows;
  for_shares(groups, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t group = begin; group < end; ++group) {
      float* dgamma = scratch + group * 3 * n;
      float* dbeta = dgamma + n;
      float* dbias = dbeta + n;
      std::fill(dgamma, dgamma + 3 * n, 0.0f);
      for (std::int64_t r = group * group_rows; r < std::min(shape.rows, (group + 1) * group_rows); ++r) {
        float* dx = gradients.dx + r * n;
        float* ds = gradients.dresidual != nullptr ? gradients.dresidual + r * n : dx;
        normalize_row_backward(n, inverse_deviation[r], gamma, xhat + r * n, dy + r * n, ds, dgamma, dbeta);
        if (input.dropout.active())
          dropout_row(input, r, n, ds, dx);
        else if (ds != dx)
          std::copy(ds, ds + n, dx);
        if (gradients.dbias != nullptr) add_row(n, dx, dbias);
      }
    }
  });
  for_shares(n, 64, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t group = 0; group < groups; ++group) {
      const float* sums = scratch + group * 3 * n;
      add_row(end - begin, sums + begin, gradients.dgamma + begin);
      add_row(end - begin, sums + n + begin, gradients.dbeta + begin);
      if (gradients.dbias != nullptr) add_row(end - begin, sums + 2 * n + begin, gradients.dbias + begin);
    }
  });
}

}  // namespace initlab::compute
