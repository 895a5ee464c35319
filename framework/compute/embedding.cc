#include "compute/embedding.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "compute/embedding.cc"
#include <hwy/cache_control.h>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "compute/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace initlab::compute::HWY_NAMESPACE {

// Rows of the word table come in no order, so no prefetcher of the CPU's foresees them: row of token t, this far ahead.
constexpr std::int64_t kAhead = 2;
HWY_INLINE std::int64_t row_ahead(const EmbeddingRows& rows, std::int64_t t, std::int64_t end) {
  return rows.words[HWY_MIN(t + kAhead, end - 1)];
}

// Tokens begin .. end-1.
void sum_rows(std::int64_t n, const EmbeddingRows& rows, const float* word, const float* position, const float* type,
              float* y, std::int64_t begin, std::int64_t end) {
  for (std::int64_t t = begin; t < end; ++t) {
    const float* a = word + rows.words[t] * n;
    const float* b = position + rows.positions[t] * n;
    const float* c = type + rows.types[t] * n;
    const float* next = word + row_ahead(rows, t, end) * n;
    float* out = y + t * n;
    for_lanes(n, [&](auto d, std::int64_t i) HWY_ATTR {
      hwy::Prefetch(next + i);
      store(d, hn::Add(hn::Add(load(d, a + i), load(d, b + i)), load(d, c + i)), out + i);
    });
  }
}

// Columns begin .. end-1.
void scatter_columns(std::int64_t count, std::int64_t n, const std::int32_t* rows, const float* dy, float* dx,
                     std::int64_t begin, std::int64_t end) {
  for (std::int64_t t = 0; t < count; ++t) {
    const float* from = dy + t * n;
    float* to = dx + rows[t] * n;
    for_lanes(end - begin, [&](auto d, std::int64_t at) HWY_ATTR {
      const std::int64_t i = begin + at;
      store(d, hn::Add(load(d, to + i), load(d, from + i)), to + i);
    });
  }
}

// Columns begin .. end-1 of three tables at once.
void scatter_tokens(std::int64_t tokens, std::int64_t n, const EmbeddingRows& rows, const float* dy, float* dword,
                    float* dposition, float* dtype, std::int64_t begin, std::int64_t end) {
  for (std::int64_t t = 0; t < tokens; ++t) {
    const float* from = dy + t * n;
    float* word = dword + rows.words[t] * n;
    const float* next = dword + row_ahead(rows, t, tokens) * n;
    float* position = dposition + rows.positions[t] * n;
    float* type = dtype + rows.types[t] * n;
    for_lanes(end - begin, [&](auto d, std::int64_t at) HWY_ATTR {
      const std::int64_t i = begin + at;
      hwy::Prefetch(next + i);
      const auto v = load(d, from + i);
      store(d, hn::Add(load(d, word + i), v), word + i);
      store(d, hn::Add(load(d, position + i), v), position + i);
      store(d, hn::Add(load(d, type + i), v), type + i);
    });
  }
}

}  // namespace initlab::compute::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <cstring>

#include "compute/parallel.hpp"

namespace initlab::compute {
namespace {

HWY_EXPORT(sum_rows);
HWY_EXPORT(scatter_columns);
HWY_EXPORT(scatter_tokens);

constexpr std::int64_t kColumns = 16;  // a cache line: threads own columns, so rows that repeat need no lock

}  // namespace

void embedding_forward(std::int64_t tokens, std::int64_t n, const EmbeddingRows& rows, const float* word,
                       const float* position, const float* type, float* y) {
  for_shares(tokens, 8, [&](std::int64_t begin, std::int64_t end) {
    HWY_DYNAMIC_DISPATCH(sum_rows)(n, rows, word, position, type, y, begin, end);
  });
}

void embedding_backward(std::int64_t tokens, std::int64_t n, const EmbeddingRows& rows, const float* dy, float* dword,
                        float* dposition, float* dtype) {
  for_shares(n, kColumns, [&](std::int64_t begin, std::int64_t end) {
    HWY_DYNAMIC_DISPATCH(scatter_tokens)(tokens, n, rows, dy, dword, dposition, dtype, begin, end);
  });
}

void gather_rows(std::int64_t count, std::int64_t n, const std::int32_t* rows, ConstCells x, Cells y) {
  assert(x.element() == y.element());
  const std::size_t bytes = static_cast<std::size_t>(n) * bytes_of(x.element());
  for_shares(count, 8, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) std::memcpy((y + i * n).data(), (x + rows[i] * n).data(), bytes);
  });
}

void scatter_add_rows(std::int64_t count, std::int64_t n, const std::int32_t* rows, const float* dy, float* dx) {
  for_shares(n, kColumns, [&](std::int64_t begin, std::int64_t end) {
    HWY_DYNAMIC_DISPATCH(scatter_columns)(count, n, rows, dy, dx, begin, end);
  });
}

}  // namespace initlab::compute
#endif
