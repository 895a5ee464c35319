#include "compute/embedding.hpp"

#include <algorithm>

#include "compute/parallel.hpp"
#include "compute/simd.hpp"

namespace initlab::compute {
namespace {

constexpr std::int64_t kColumns = 16;  // a cache line: threads own columns, so rows that repeat need no lock

INITLAB_CLONES void sum_rows(std::int64_t n, const float* a, const float* b, const float* c, float* y) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = a[i] + b[i] + c[i];
}

INITLAB_CLONES void add_row(std::int64_t n, const float* dy, float* dx) {
  for (std::int64_t i = 0; i < n; ++i) dx[i] += dy[i];
}

}  // namespace

void embedding_forward(std::int64_t tokens, std::int64_t n, const EmbeddingRows& rows, const float* word,
                       const float* position, const float* type, float* y) {
  for_shares(tokens, 8, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t t = begin; t < end; ++t)
      sum_rows(n, word + rows.words[t] * n, position + rows.positions[t] * n, type + rows.types[t] * n, y + t * n);
  });
}

void embedding_backward(std::int64_t tokens, std::int64_t n, const EmbeddingRows& rows, const float* dy, float* dword,
                        float* dposition, float* dtype) {
  scatter_add_rows(tokens, n, rows.words, dy, dword);
  scatter_add_rows(tokens, n, rows.positions, dy, dposition);
  scatter_add_rows(tokens, n, rows.types, dy, dtype);
}

void gather_rows(std::int64_t count, std::int64_t n, const std::int32_t* rows, const float* x, float* y) {
  for_shares(count, 8, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) std::copy(x + rows[i] * n, x + (rows[i] + 1) * n, y + i * n);
  });
}

void scatter_add_rows(std::int64_t count, std::int64_t n, const std::int32_t* rows, const float* dy, float* dx) {
  for_shares(n, kColumns, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = 0; i < count; ++i) add_row(end - begin, dy + i * n + begin, dx + rows[i] * n + begin);
  });
}

}  // namespace initlab::compute
