// Self-attention of packed sequences (Vaswani et al. 2017, arXiv 1706.03762, equation 1), forward and backward.
//
//   scores = Q K^T / sqrt(D)    P = softmax(scores) by rows    context = dropout(P) V
// per sequence and head: no padding, no mask. Dropout: the position is the query's, the feature is the key's, and head
// a of a layer has the site `dropout.site + a`.
#pragma once

#include <cstdint>

#include "compute/dropout.hpp"

namespace initlab::compute {

struct AttentionShape {
  std::int64_t heads = 0;      // A
  std::int64_t head_size = 0;  // D; H = A D
  std::int64_t longest = 0;    // S of the longest sequence that will come
  int threads = 1;             // at most so many work at once; each has its share of the scratch memory
};

// The sequences of one batch.
struct AttentionBatch {
  std::int64_t sequences = 0;             // B
  const std::int32_t* offsets = nullptr;  // (B + 1) rows of each sequence
  const std::int32_t* slots = nullptr;    // (B)
  const std::int64_t* blocks = nullptr;   // (B) where each sequence's weights begin, in floats: sums of attention_block
};

// Floats that the weights of one sequence of `length` tokens take: heads x length rows, each rounded up to whole
// vectors.
std::int64_t attention_block(const AttentionShape& shape, std::int64_t length);
// Floats of scratch memory.
std::int64_t attention_scratch(const AttentionShape& shape);
// How many threads there are now: what AttentionShape::threads should be.
int available_threads();

// qkv (T, 3H): queries, keys, values side by side, heads within each. context (T, H). weights: attention_block floats a
// sequence, kept for the backward pass: P, with the sign bit set where dropout drops it.
void attention_forward(const AttentionShape& shape, const AttentionBatch& batch, const DropoutSite& dropout,
                       const float* qkv, float* context, float* weights, float* scratch);
// dcontext (T, H) -> dqkv (T, 3H), every row of the batch written.
void attention_backward(const AttentionShape& shape, const AttentionBatch& batch, const DropoutSite& dropout,
                        const float* qkv, const float* weights, const float* dcontext, float* dqkv, float* scratch);

}  // namespace initlab::compute
