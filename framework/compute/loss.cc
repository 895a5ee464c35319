#include "compute/loss.hpp"

#include <algorithm>
#include <cmath>

#include "compute/parallel.hpp"
#include "compute/simd.hpp"

namespace initlab::compute {
namespace {

constexpr std::int64_t kBlock = 1024;  // logits summed in float before they join a double: a vocabulary is long

INITLAB_CLONES float highest(std::int64_t n, const float* x) {
  float most = x[0];
#pragma omp simd reduction(max : most)
  for (std::int64_t i = 0; i < n; ++i) most = x[i] > most ? x[i] : most;
  return most;
}

INITLAB_CLONES float sum_of_exp(std::int64_t n, const float* x, float shift) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < n; ++i) sum += fast_exp(x[i] - shift);
  return sum;
}

INITLAB_CLONES void scaled_exp(std::int64_t n, float* x, float shift, float scale) {
  for (std::int64_t i = 0; i < n; ++i) x[i] = scale * fast_exp(x[i] - shift);
}

}  // namespace

void cross_entropy_forward(std::int64_t rows, std::int64_t n, const float* logits, const std::int32_t* labels,
                           double* loss, float* log_sum, std::int32_t* hit) {
  for_shares(rows, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      const float* row = logits + r * n;
      const float most = highest(n, row);
      double sum = 0;
      for (std::int64_t first = 0; first < n; first += kBlock)
        sum += static_cast<double>(sum_of_exp(std::min(kBlock, n - first), row + first, most));
      const double log_of_sum = std::log(sum) + static_cast<double>(most);
      loss[r] = log_of_sum - static_cast<double>(row[labels[r]]);
      log_sum[r] = static_cast<float>(log_of_sum);
      hit[r] = std::find(row, row + n, most) - row == labels[r] ? 1 : 0;
    }
  });
}

void cross_entropy_backward(std::int64_t rows, std::int64_t n, float* logits, const std::int32_t* labels,
                            const float* log_sum, float scale) {
  for_shares(rows, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      float* row = logits + r * n;
      scaled_exp(n, row, log_sum[r], scale);
      row[labels[r]] -= scale;
    }
  });
}

double squared_error_forward(std::int64_t n, const float* x, const float* target) {
  double sum = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const double difference = static_cast<double>(x[i]) - static_cast<double>(target[i]);
    sum += difference * difference;
  }
  return sum;
}

void squared_error_backward(std::int64_t n, const float* x, const float* target, float scale, float* dx) {
  for (std::int64_t i = 0; i < n; ++i) dx[i] = scale * 2 * (x[i] - target[i]);
}

}  // namespace initlab::compute
