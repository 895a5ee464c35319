// Self-attention of packed sequences (Vaswani et al. 2017, arXiv 1706.03762, equation 1), forward and backward.
//
//   scores = Q K^T / sqrt(D)    P = softmax(scores) by rows    context = dropout(P) V
// per sequence and head: no padding, no mask. Dropout: the position is the query's, the feature is the key's, and head
// a of a layer has the site `dropout.site + a`.
//
// No P is kept. Forward keeps the logarithm of each row's sum of exponentials; backward computes scores and P again
// from it, a block of queries at a time, and the dropout bits from the stream (Dao et al. 2022, arXiv 2205.14135).
// Numbers are read and written as f32 or bf16; arithmetic is f32. Results do not depend on the number of threads.
#pragma once

#include <cstdint>

#include "compute/dropout.hpp"
#include "compute/element.hpp"

namespace initlab::compute {

struct AttentionShape {
  std::int64_t heads = 0;      // A
  std::int64_t head_size = 0;  // D; H = A D
  std::int64_t longest = 0;    // S of the longest sequence that will come
  int threads = 1;             // at most so many work at once; each has its share of the scratch memory
};

// The sequences of one batch. Every row is a key; queries may be fewer: those whose context somebody reads.
struct AttentionBatch {
  std::int64_t sequences = 0;                     // B
  const std::int32_t* offsets = nullptr;          // (B + 1) key rows of each sequence
  const std::int32_t* slots = nullptr;            // (B)
  const std::int32_t* query_offsets = nullptr;    // (B + 1) query rows of each sequence; = offsets where every row asks
  const std::int32_t* query_positions = nullptr;  // (query rows) position within the sequence
};

// Rows of H numbers, heads within each; query rows stand query_row numbers apart, key and value rows key_row.
struct AttentionInput {
  ConstCells query;  // (query rows, H)
  std::int64_t query_row = 0;
  ConstCells key, value;  // (key rows, H)
  std::int64_t key_row = 0;
};

// Likewise; every query row and every key row of the batch is written.
struct AttentionGradients {
  Cells dquery;  // (query rows, H)
  std::int64_t query_row = 0;
  Cells dkey, dvalue;  // (key rows, H)
  std::int64_t key_row = 0;
};

// Floats of scratch memory.
std::int64_t attention_scratch(const AttentionShape& shape);
// How many threads there are now: what AttentionShape::threads should be.
int available_threads();

// context (query rows, H). log_sums (query rows, A), kept for the backward pass: ln sum exp(scores) of each row.
void attention_forward(const AttentionShape& shape, const AttentionBatch& batch, const DropoutSite& dropout,
                       const AttentionInput& input, Cells context, float* log_sums, float* scratch);
// dcontext (query rows, H).
void attention_backward(const AttentionShape& shape, const AttentionBatch& batch, const DropoutSite& dropout,
                        const AttentionInput& input, const float* log_sums, ConstCells dcontext,
                        const AttentionGradients& gradients, float* scratch);

}  // namespace initlab::compute
