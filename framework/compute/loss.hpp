// Losses over rows, each with its gradient: cross-entropy of a label, squared error of a target.
//
// Cross-entropy can be taken a chunk of columns at a time, so that a vocabulary's logits need not be in memory at once:
// a row keeps its highest logit and the sum of exponentials relative to it (Milakov and Gimelshein 2018, arXiv
// 1805.02867). Chunks come in ascending order and cover all columns; their size changes results by rounding only.
//
//   start, then update with each chunk, then finish: loss = ln sum exp(logits) - logits[label]
//   then, for each chunk again, backward: dlogits = scale (exp(logits - log_sum) - one_hot(label))
//
// Logits are f32 or bf16, arithmetic is f32, sums over columns are double beyond 1024 terms. Results do not depend on
// the number of threads.
#pragma once

#include <cstdint>

#include "compute/element.hpp"

namespace initlab::compute {

// What is known of a row after some of its columns.
struct CrossEntropyRow {
  double sum = 0;                   // of exp(logit - highest)
  float highest = 0;                // logit
  std::int32_t first_highest = -1;  // its column, the first where several are equal
  float label = 0;                  // the label's logit
};

// Columns first .. first + columns - 1 of all rows, which stand `row` numbers apart.
struct LogitChunk {
  ConstCells logits;  // (rows, columns)
  std::int64_t row = 0;
  std::int64_t first = 0, columns = 0;
};

// state (rows), labels (rows).
void cross_entropy_start(std::int64_t rows, CrossEntropyRow* state);
void cross_entropy_update(std::int64_t rows, const LogitChunk& chunk, const std::int32_t* labels,
                          CrossEntropyRow* state);
// Per row: the loss; log_sum, kept for the backward pass; hit: 1 where the first of the highest logits is the label's,
// else 0.
void cross_entropy_finish(std::int64_t rows, const std::int32_t* labels, const CrossEntropyRow* state, double* loss,
                          float* log_sum, std::int32_t* hit);
// dlogits (rows, columns), dlogits_row apart; may be the logits, where both are stored alike. column_sums (columns of
// the chunk), where not null: what dlogits sums to down the rows is added, before any rounding to bf16; cheaper than a
// pass of its own up to 4096 columns.
void cross_entropy_backward(std::int64_t rows, const LogitChunk& chunk, const std::int32_t* labels,
                            const float* log_sum, float scale, Cells dlogits, std::int64_t dlogits_row,
                            float* column_sums);

// The same with all n columns at once: logits (rows, n).
void cross_entropy_forward(std::int64_t rows, std::int64_t n, const float* logits, const std::int32_t* labels,
                           double* loss, float* log_sum, std::int32_t* hit);
// logits become dlogits.
void cross_entropy_backward(std::int64_t rows, std::int64_t n, float* logits, const std::int32_t* labels,
                            const float* log_sum, float scale);

// Sum of (x - target)^2 over n values.
double squared_error_forward(std::int64_t n, const float* x, const float* target);
// dx = scale 2 (x - target).
void squared_error_backward(std::int64_t n, const float* x, const float* target, float scale, float* dx);

}  // namespace initlab::compute
