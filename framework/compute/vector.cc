#include "compute/vector.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "compute/parallel.hpp"
#include "compute/simd.hpp"

namespace initlab::compute {
namespace {

constexpr std::int64_t kColumns = 64;
constexpr std::int64_t kRows = 64;  // rows summed before they join the total
constexpr std::int64_t kMostBlocks = 256;
constexpr std::int64_t kLeastBlock = 4096;

INITLAB_CLONES void sum_panel(std::int64_t rows, std::int64_t columns, std::int64_t row, const float* x, float* sums) {
  float part[kColumns] = {};
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t i = 0; i < columns; ++i) part[i] += x[r * row + i];
  for (std::int64_t i = 0; i < columns; ++i) sums[i] += part[i];
}

INITLAB_CLONES double squares_of_block(std::int64_t n, const float* x) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < n; ++i) sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  return sum;
}

}  // namespace

void bias_tanh_forward(std::int64_t rows, std::int64_t n, const float* bias, float* x) {
  for_shares(rows, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r)
      for (std::int64_t i = 0; i < n; ++i) x[r * n + i] = std::tanh(x[r * n + i] + bias[i]);
  });
}

void bias_tanh_backward(std::int64_t rows, std::int64_t n, const float* y, float* dy, float* dbias) {
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t i = 0; i < n; ++i) dy[r * n + i] *= 1 - y[r * n + i] * y[r * n + i];
  add_column_sums(rows, n, dy, n, dbias);
}

void add_column_sums(std::int64_t rows, std::int64_t n, const float* x, std::int64_t row, float* sums) {
  for_shares(n, kColumns, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t first = 0; first < rows; first += kRows)
      for (std::int64_t column = begin; column < end; column += kColumns)
        sum_panel(std::min(kRows, rows - first), std::min(kColumns, end - column), row, x + first * row + column,
                  sums + column);
  });
}

double sum_of_squares(std::int64_t n, const float* x) {
  const std::int64_t block = std::max(kLeastBlock, (n + kMostBlocks - 1) / kMostBlocks);
  const std::int64_t blocks = (n + block - 1) / block;
  std::array<double, kMostBlocks> sums{};
  for_shares(blocks, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t b = begin; b < end; ++b)
      sums[static_cast<std::size_t>(b)] = squares_of_block(std::min(block, n - b * block), x + b * block);
  });
  double sum = 0;
  for (std::int64_t b = 0; b < blocks; ++b) sum += sums[static_cast<std::size_t>(b)];
  return sum;
}

}  // namespace initlab::compute
