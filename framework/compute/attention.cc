#include "compute/attention.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "compute/attention.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "compute/attention-inl.h"
#include "compute/small_gemm-inl.h"

#ifndef INITLAB_COMPUTE_ATTENTION_ITEM_
#define INITLAB_COMPUTE_ATTENTION_ITEM_
namespace initlab::compute {
namespace {

constexpr std::int64_t kBlock = 64;  // queries whose scores are in memory at a time: whole vectors on every target

// Numbers of one head: rows of D, `row` apart.
template <class C>
struct HeadRows {
  C data;
  std::int64_t row = 0;
};
using In = HeadRows<ConstCells>;
using Out = HeadRows<Cells>;

// One sequence and head.
struct Item {
  std::int64_t keys = 0, queries = 0, d = 0;  // S, its rows that ask, D
  std::int32_t slot = 0;
  const std::int32_t* positions = nullptr;  // (queries)
  std::int64_t heads = 0;                   // log-sums of neighbouring queries are that far apart
  DropoutSite dropout;                      // of this head
  float score_scale = 1;
  In query, key, value;
};

struct Forward {
  Out context;
  float* log_sums = nullptr;
};

struct Backward {
  const float* log_sums = nullptr;
  In dcontext;
  Out dquery, dkey, dvalue;
};

// A thread's memory, in floats. Rows that are stored as bf16 have an f32 copy here.
struct Scratch {
  Scratch(float* memory, std::int64_t s, std::int64_t d) {
    float** const large[] = {&keys, &values, &dkeys, &dvalues};
    for (float** rows : large) *rows = take(memory, s * d);
    float** const blocks[] = {&query, &query_columns, &dcontext, &dcontext_columns, &rows};
    for (float** block : blocks) *block = take(memory, kBlock * d);
    scores = take(memory, s * kBlock);
    dscores = take(memory, s * kBlock);
  }
  static std::int64_t size(std::int64_t s, std::int64_t d) {
    return 4 * whole(s * d) + 5 * whole(kBlock * d) + 2 * whole(s * kBlock);
  }
  static std::int64_t whole(std::int64_t n) { return (n + 15) / 16 * 16; }
  static float* take(float*& memory, std::int64_t n) {
    float* taken = memory;
    memory += whole(n);
    return taken;
  }

  float *keys, *values, *dkeys, *dvalues;                             // (S, D)
  float *query, *query_columns, *dcontext, *dcontext_columns, *rows;  // (block, D), those of columns (D, block)
  float *scores, *dscores;                                            // (S, block)
};

}  // namespace
}  // namespace initlab::compute
#endif

HWY_BEFORE_NAMESPACE();
namespace initlab::compute::HWY_NAMESPACE {

struct F32Rows {
  const float* data = nullptr;
  std::int64_t row = 0;
};

// Rows as f32: where they stand, or a copy in `memory`.
HWY_INLINE F32Rows widened(const In& x, std::int64_t first, std::int64_t n, std::int64_t d, float* memory) {
  const ConstCells from = x.data + first * x.row;
  if (from.element() == Element::f32) return {from.f32(), x.row};
  for (std::int64_t r = 0; r < n; ++r)
    for_lanes(d, [&](auto lanes, std::int64_t i)
                     HWY_ATTR { store(lanes, load(lanes, from.bf16() + r * x.row + i), memory + r * d + i); });
  return {memory, d};
}

// Where a product goes that is to end in y's rows from `first` on: there, or to `memory` first.
struct Target {
  float* data = nullptr;
  std::int64_t row = 0;
};
HWY_INLINE Target target_of(const Out& y, std::int64_t first, std::int64_t d, float* memory) {
  return y.data.element() == Element::f32 ? Target{y.data.f32() + first * y.row, y.row} : Target{memory, d};
}
// Ends it.
HWY_INLINE void finish(const Out& y, std::int64_t first, std::int64_t n, std::int64_t d, const float* memory) {
  if (y.data.element() == Element::f32) return;
  with_pointer(y.data, [&](auto* to) HWY_ATTR {
    for (std::int64_t r = 0; r < n; ++r)
      for_lanes(d, [&](auto lanes, std::int64_t i)
                       HWY_ATTR { store(lanes, load(lanes, memory + r * d + i), to + (first + r) * y.row + i); });
  });
}

// C (m, n) = A (m, k) B, or += it.
HWY_INLINE void product(std::int64_t m, std::int64_t n, std::int64_t k, const Strided& a, const F32Rows& b,
                        const Target& c, bool accumulate = false, const float* factors = nullptr) {
  multiply({m, n, k, a, b.data, b.row, c.data, c.row, accumulate, factors});
}
HWY_INLINE Strided plain(const F32Rows& x) { return {x.data, x.row, 1}; }

HWY_INLINE std::int64_t whole_vectors(std::int64_t n) {
  const auto width = static_cast<std::int64_t>(hn::Lanes(Lanes()));
  return (n + width - 1) / width * width;
}

// Calls body(first, n, block) for the queries, kBlock at a time.
template <class Body>
HWY_INLINE void for_blocks(const Item& item, const Body& body) {
  std::int32_t positions[kBlock];
  for (std::int64_t first = 0; first < item.queries; first += kBlock) {
    const std::int64_t n = std::min(kBlock, item.queries - first);
    std::fill(std::copy_n(item.positions + first, n, positions), positions + kBlock, 0);
    body(first, n, ScoreBlock{item.keys, whole_vectors(n), item.slot, positions});
  }
}

void forward_item(const Item& item, const Forward& out, float* memory) {
  const std::int64_t s = item.keys, d = item.d;
  const Scratch scratch(memory, s, d);
  const F32Rows key = widened(item.key, 0, s, d, scratch.keys), value = widened(item.value, 0, s, d, scratch.values);
  for_blocks(item, [&](std::int64_t first, std::int64_t n, const ScoreBlock& block) HWY_ATTR {
    const std::int64_t columns = block.columns;
    const F32Rows query = widened(item.query, first, n, d, scratch.query);
    transpose(n, d, query.data, query.row, item.score_scale, scratch.query_columns, columns);
    // scores^T = K Q^T
    product(s, columns, d, plain(key), {scratch.query_columns, columns}, {scratch.scores, columns});
    float factors[kBlock], log_sums[kBlock];
    softmax_forward(block, item.dropout, scratch.scores, factors, log_sums);
    for (std::int64_t i = 0; i < n; ++i) out.log_sums[(first + i) * item.heads] = log_sums[i];
    // context = dropout(P) V
    const Target context = target_of(out.context, first, d, scratch.rows);
    product(n, d, s, {scratch.scores, 1, columns}, value, context, /*accumulate=*/false, factors);
    finish(out.context, first, n, d, scratch.rows);
  });
}

void backward_item(const Item& item, const Backward& out, float* memory) {
  const std::int64_t s = item.keys, d = item.d;
  const Scratch scratch(memory, s, d);
  const F32Rows key = widened(item.key, 0, s, d, scratch.keys), value = widened(item.value, 0, s, d, scratch.values);
  const Target dkey = target_of(out.dkey, 0, d, scratch.dkeys), dvalue = target_of(out.dvalue, 0, d, scratch.dvalues);
  if (item.queries == 0)  // sums of nothing
    for (const Target& zero : {dkey, dvalue}) product(s, d, 0, {}, {}, zero);
  for_blocks(item, [&](std::int64_t first, std::int64_t n, const ScoreBlock& block) HWY_ATTR {
    const std::int64_t columns = block.columns;
    const F32Rows query = widened(item.query, first, n, d, scratch.query);
    const F32Rows dcontext = widened(out.dcontext, first, n, d, scratch.dcontext);
    transpose(n, d, query.data, query.row, item.score_scale, scratch.query_columns, columns);
    transpose(n, d, dcontext.data, dcontext.row, 1.0f, scratch.dcontext_columns, columns);
    // scores^T = K Q^T, and the loss by the weights, transposed: V dcontext^T
    product(s, columns, d, plain(key), {scratch.query_columns, columns}, {scratch.scores, columns});
    product(s, columns, d, plain(value), {scratch.dcontext_columns, columns}, {scratch.dscores, columns});
    float log_sums[kBlock] = {};
    for (std::int64_t i = 0; i < n; ++i) log_sums[i] = out.log_sums[(first + i) * item.heads];
    softmax_backward(block, item.dropout, log_sums, item.score_scale, scratch.scores, scratch.dscores);
    // dV = dropout(P)^T dcontext, dK = dscores^T Q, dQ = dscores K; those of keys and values are sums over the blocks
    const bool more = first != 0;
    product(s, d, n, {scratch.scores, columns, 1}, dcontext, dvalue, more);
    product(s, d, n, {scratch.dscores, columns, 1}, query, dkey, more);
    const Target dquery = target_of(out.dquery, first, d, scratch.rows);
    product(n, d, s, {scratch.dscores, 1, columns}, key, dquery);
    finish(out.dquery, first, n, d, scratch.rows);
  });
  finish(out.dkey, 0, s, d, scratch.dkeys);
  finish(out.dvalue, 0, s, d, scratch.dvalues);
}

}  // namespace initlab::compute::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <cmath>

#include "compute/parallel.hpp"

namespace initlab::compute {
namespace {

HWY_EXPORT(forward_item);
HWY_EXPORT(backward_item);

// What is computed from what: sequence and head i / A and i % A.
struct Work {
  const AttentionShape& shape;
  const AttentionBatch& batch;
  const DropoutSite& dropout;
  const AttentionInput& input;

  std::int64_t items() const { return batch.sequences * shape.heads; }
  std::int64_t head(std::int64_t i) const { return i % shape.heads; }
  std::int64_t column(std::int64_t i) const { return head(i) * shape.head_size; }
  std::int64_t key_row(std::int64_t i) const { return batch.offsets[i / shape.heads]; }
  std::int64_t query_row(std::int64_t i) const { return batch.query_offsets[i / shape.heads]; }

  Item item(std::int64_t i) const {
    const std::int64_t b = i / shape.heads, keys = key_row(i) * input.key_row + column(i);
    Item item;
    item.keys = batch.offsets[b + 1] - batch.offsets[b];
    item.queries = batch.query_offsets[b + 1] - batch.query_offsets[b];
    item.d = shape.head_size;
    item.slot = batch.slots[b];
    item.positions = batch.query_positions + query_row(i);
    item.heads = shape.heads;
    item.dropout = dropout.at(dropout.site + static_cast<std::uint32_t>(head(i)));
    item.score_scale = 1.0f / std::sqrt(static_cast<float>(item.d));
    item.query = {input.query + query_row(i) * input.query_row + column(i), input.query_row};
    item.key = {input.key + keys, input.key_row};
    item.value = {input.value + keys, input.key_row};
    return item;
  }
};

// Asks for rows that will be read soon. They are short and far apart, which the CPU does not foresee.
void fetch(const In& x, std::int64_t rows, std::int64_t d) {
  const auto bytes = static_cast<std::int64_t>(bytes_of(x.data.element()));
  const char* at = static_cast<const char*>(x.data.data());
  for (std::int64_t r = 0; r < rows; ++r, at += x.row * bytes)
    for (std::int64_t i = 0; i < d * bytes; i += 64) __builtin_prefetch(at + i, /*rw=*/0, /*locality=*/2);
}

// Calls body(i, item, memory) for every sequence and head. Neighbouring items go to different threads: lengths are
// often sorted.
template <class Body>
void for_items(const Work& work, float* scratch, const Body& body) {
  const std::int64_t per_thread = Scratch::size(work.shape.longest, work.shape.head_size);
  for_turns(work.items(), 1, work.shape.threads, [&](std::int64_t i) {
    if (const std::int64_t next = i + omp_get_num_threads(); next < work.items()) {
      const Item ahead = work.item(next);
      fetch(ahead.query, ahead.queries, ahead.d);
      fetch(ahead.key, ahead.keys, ahead.d);
      fetch(ahead.value, ahead.keys, ahead.d);
    }
    body(i, work.item(i), scratch + omp_get_thread_num() * per_thread);
  });
}

}  // namespace

std::int64_t attention_scratch(const AttentionShape& shape) {
  return shape.threads * Scratch::size(shape.longest, shape.head_size);
}

int available_threads() { return omp_get_max_threads(); }

void attention_forward(const AttentionShape& shape, const AttentionBatch& batch, const DropoutSite& dropout,
                       const AttentionInput& input, Cells context, float* log_sums, float* scratch) {
  const std::int64_t row = shape.heads * shape.head_size;
  const Work work{shape, batch, dropout, input};
  for_items(work, scratch, [&](std::int64_t i, const Item& item, float* memory) {
    const Forward out{{context + work.query_row(i) * row + work.column(i), row},
                      log_sums + work.query_row(i) * shape.heads + work.head(i)};
    HWY_DYNAMIC_DISPATCH(forward_item)(item, out, memory);
  });
}

void attention_backward(const AttentionShape& shape, const AttentionBatch& batch, const DropoutSite& dropout,
                        const AttentionInput& input, const float* log_sums, ConstCells dcontext,
                        const AttentionGradients& gradients, float* scratch) {
  const std::int64_t row = shape.heads * shape.head_size;
  const Work work{shape, batch, dropout, input};
  for_items(work, scratch, [&](std::int64_t i, const Item& item, float* memory) {
    const std::int64_t query = work.query_row(i), column = work.column(i);
    const std::int64_t key = work.key_row(i) * gradients.key_row + column;
    const Backward out{log_sums + query * shape.heads + work.head(i),
                       {dcontext + query * row + column, row},
                       {gradients.dquery + query * gradients.query_row + column, gradients.query_row},
                       {gradients.dkey + key, gradients.key_row},
                       {gradients.dvalue + key, gradients.key_row}};
    HWY_DYNAMIC_DISPATCH(backward_item)(item, out, memory);
  });
}

}  // namespace initlab::compute
#endif
