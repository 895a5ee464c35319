#include "compute/embedding.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "compute/embedding.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "compute/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace initlab::compute::HWY_NAMESPACE {

// Tokens begin .. end-1.
void sum_rows(std::int64_t n, const EmbeddingRows& rows, const float* word, const float* position, const float* type,
              float* y, std::int64_t begin, std::int64_t end) {
  for (std::int64_t t = begin; t < end; ++t) {
    const float* a = word + rows.words[t] * n;
    const float* b = position + rows.positions[t] * n;
    const float* c = type + rows.types[t] * n;
    float* out = y + t * n;
    for_lanes(n, [&](auto d, std::int64_t i)
                     HWY_ATTR { store(d, hn::Add(hn::Add(load(d, a + i), load(d, b + i)), load(d, c + i)), out + i); });
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

}  // namespace initlab::compute::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <cstring>

#include "compute/parallel.hpp"

namespace initlab::compute {
namespace {

HWY_EXPORT(sum_rows);
HWY_EXPORT(scatter_columns);

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
  scatter_add_rows(tokens, n, rows.words, dy, dword);
  scatter_add_rows(tokens, n, rows.positions, dy, dposition);
  scatter_add_rows(tokens, n, rows.types, dy, dtype);
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
