#include "compute/attention.hpp"

#include <omp.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "compute/simd.hpp"
#include "compute/small_gemm.hpp"

namespace initlab::compute {
namespace {

std::int64_t round_up(std::int64_t n) { return (n + 15) / 16 * 16; }

// A transposed copy (D, columns) and two matrices (S, columns).
std::int64_t scratch_of_thread(const AttentionShape& shape) {
  return round_up(shape.head_size * round_up(shape.longest) + 2 * shape.longest * round_up(shape.longest));
}

// x becomes softmax(scale x).
INITLAB_CLONES void softmax_row(std::int64_t n, float scale, float* x) {
  float most = x[0];
#pragma omp simd reduction(max : most)
  for (std::int64_t i = 0; i < n; ++i) most = x[i] > most ? x[i] : most;
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < n; ++i) {
    const float e = fast_exp(scale * (x[i] - most));
    x[i] = e;
    sum += e;
  }
  const float inverse = 1.0f / sum;
  for (std::int64_t i = 0; i < n; ++i) x[i] *= inverse;
}

// Sets the sign bit of p where the factor is 0.
INITLAB_CLONES void mark_dropped(std::int64_t n, const float* factors, float* p) {
  for (std::int64_t i = 0; i < n; ++i) p[i] = factors[i] == 0 ? -p[i] : p[i];
}

// What the values are weighted with: 0 where dropped, else scale p.
INITLAB_CLONES void effective_row(std::int64_t n, float scale, const float* p, float* weight) {
  for (std::int64_t i = 0; i < n; ++i) weight[i] = std::bit_cast<std::int32_t>(p[i]) < 0 ? 0.0f : scale * p[i];
}

// d (loss by the effective weights) becomes the loss by the unscaled scores: dropout, then softmax's P (dP - sum(dP
// P)), times the scale of the scores.
INITLAB_CLONES void softmax_row_backward(std::int64_t n, float dropout_scale, float score_scale, const float* p,
                                         float* d) {
  float dot = 0;
#pragma omp simd reduction(+ : dot)
  for (std::int64_t i = 0; i < n; ++i) {
    const float dp = std::bit_cast<std::int32_t>(p[i]) < 0 ? 0.0f : dropout_scale * d[i];
    d[i] = dp;
    dot += dp * __builtin_fabsf(p[i]);
  }
  for (std::int64_t i = 0; i < n; ++i) d[i] = __builtin_fabsf(p[i]) * (d[i] - dot) * score_scale;
}

// y (d, columns) = x^T for x (s, d) with rows x_row apart; columns s .. are zero.
INITLAB_CLONES void transpose(std::int64_t s, std::int64_t d, const float* x, std::int64_t x_row, float* y,
                              std::int64_t columns) {
  for (std::int64_t i = 0; i < d; ++i) {
    for (std::int64_t j = 0; j < s; ++j) y[i * columns + j] = x[j * x_row + i];
    for (std::int64_t j = s; j < columns; ++j) y[i * columns + j] = 0;
  }
}

// One sequence and head: S rows of D floats within packed rows.
struct Item {
  std::int64_t s = 0, d = 0;
  std::int64_t columns = 0;  // S rounded up: the rows of P
  std::int64_t qkv_row = 0;  // 3H
  std::int64_t row = 0;      // H
  std::int64_t first = 0;    // row of the batch
  std::int64_t head = 0;
  std::int32_t slot = 0;
  float score_scale = 1;

  std::int64_t query() const { return first * qkv_row + head * d; }
  std::int64_t key() const { return query() + row; }
  std::int64_t value() const { return query() + 2 * row; }
  std::int64_t context() const { return first * row + head * d; }
};

// Calls body(item, weights offset, scratch) for every sequence and head. Neighbouring items go to different threads:
// lengths are often sorted.
template <class Body>
void for_items(const AttentionShape& shape, const AttentionBatch& batch, float* scratch, const Body& body) {
  const std::int64_t per_thread = scratch_of_thread(shape);
  const std::int64_t items = batch.sequences * shape.heads;
#pragma omp parallel for schedule(static, 1) num_threads(std::min(shape.threads, omp_get_max_threads()))
  for (std::int64_t i = 0; i < items; ++i) {
    const std::int64_t b = i / shape.heads;
    Item item;
    item.head = i % shape.heads;
    item.first = batch.offsets[b];
    item.s = batch.offsets[b + 1] - batch.offsets[b];
    item.d = shape.head_size;
    item.columns = round_up(item.s);
    item.row = shape.heads * shape.head_size;
    item.qkv_row = 3 * item.row;
    item.slot = batch.slots[b];
    item.score_scale = 1.0f / std::sqrt(static_cast<float>(item.d));
    body(item, batch.blocks[b] + item.head * item.s * item.columns, scratch + omp_get_thread_num() * per_thread);
  }
}

// P (S, columns) from scores, with dropped weights marked.
void softmax_rows(const Item& item, const DropoutSite& dropout, float* p) {
  float factors[kDropoutBlock];
  for (std::int64_t i = 0; i < item.s; ++i) {
    float* row = p + i * item.columns;
    softmax_row(item.s, item.score_scale, row);
    std::fill(row + item.s, row + item.columns, 0.0f);
    if (!dropout.active()) continue;
    for (std::int64_t first = 0; first < item.s; first += kDropoutBlock) {
      dropout_factors(dropout, item.slot, static_cast<std::int32_t>(i), first, factors);
      mark_dropped(std::min(kDropoutBlock, item.s - first), factors, row + first);
    }
  }
}

}  // namespace

std::int64_t attention_block(const AttentionShape& shape, std::int64_t length) {
  return shape.heads * length * round_up(length);
}

std::int64_t attention_scratch(const AttentionShape& shape) { return shape.threads * scratch_of_thread(shape); }

int available_threads() { return omp_get_max_threads(); }

void attention_forward(const AttentionShape& shape, const AttentionBatch& batch, const DropoutSite& dropout,
                       const float* qkv, float* context, float* weights, float* scratch) {
  for_items(shape, batch, scratch, [&](const Item& item, std::int64_t at, float* memory) {
    const std::int64_t s = item.s, d = item.d, columns = item.columns;
    float* keys = memory;                   // (D, columns)
    float* effective = keys + d * columns;  // (S, columns)
    float* p = weights + at;                // (S, columns)
    transpose(s, d, qkv + item.key(), item.qkv_row, keys, columns);
    small_gemm(s, columns, d, {qkv + item.query(), item.qkv_row, 1}, keys, columns, p, columns);
    const DropoutSite site = dropout.at(dropout.site + static_cast<std::uint32_t>(item.head));
    softmax_rows(item, site, p);
    if (site.active()) effective_row(s * columns, site.scale, p, effective);
    small_gemm(s, d, s, {site.active() ? effective : p, columns, 1}, qkv + item.value(), item.qkv_row,
               context + item.context(), item.row);
  });
}

void attention_backward(const AttentionShape& shape, const AttentionBatch& batch, const DropoutSite& dropout,
                        const float* qkv, const float* weights, const float* dcontext, float* dqkv, float* scratch) {
  for_items(shape, batch, scratch, [&](const Item& item, std::int64_t at, float* memory) {
    const std::int64_t s = item.s, d = item.d, columns = item.columns;
    float* values = memory;                    // (D, columns)
    float* effective = values + d * columns;   // (S, columns)
    float* dscores = effective + s * columns;  // (S, columns)
    const float* p = weights + at;             // (S, columns)
    const float* dout = dcontext + item.context();
    const float scale = dropout.active() ? dropout.scale : 1.0f;
    // dV = effective^T dcontext
    effective_row(s * columns, scale, p, effective);
    small_gemm(s, d, s, {effective, 1, columns}, dout, item.row, dqkv + item.value(), item.qkv_row);
    // d effective = dcontext V^T, then back through dropout and softmax
    transpose(s, d, qkv + item.value(), item.qkv_row, values, columns);
    small_gemm(s, columns, d, {dout, item.row, 1}, values, columns, dscores, columns);
    for (std::int64_t i = 0; i < s; ++i)
      softmax_row_backward(columns, scale, item.score_scale, p + i * columns, dscores + i * columns);
    // dQ = dscores K, dK = dscores^T Q
    small_gemm(s, d, s, {dscores, columns, 1}, qkv + item.key(), item.qkv_row, dqkv + item.query(), item.qkv_row);
    small_gemm(s, d, s, {dscores, 1, columns}, qkv + item.query(), item.qkv_row, dqkv + item.key(), item.qkv_row);
  });
}

}  // namespace initlab::compute
