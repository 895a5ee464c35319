// Sums of three embedding rows, and rows picked out of a matrix: gather forward, scatter-add backward.
#pragma once

#include <cstdint>

#include "compute/element.hpp"

namespace initlab::compute {

struct EmbeddingRows {  // of each token; all (tokens)
  const std::int32_t* words = nullptr;
  const std::int32_t* positions = nullptr;
  const std::int32_t* types = nullptr;
};

// y (tokens, n) = word[words] + position[positions] + type[types]. Indices must be within the tables.
void embedding_forward(std::int64_t tokens, std::int64_t n, const EmbeddingRows& rows, const float* word,
                       const float* position, const float* type, float* y);
// dy (tokens, n) is added to the rows it came from, in the order of the tokens: no number of threads changes a bit.
void embedding_backward(std::int64_t tokens, std::int64_t n, const EmbeddingRows& rows, const float* dy, float* dword,
                        float* dposition, float* dtype);

// y (count, n) = x[rows]. Both hold the same kind of number.
void gather_rows(std::int64_t count, std::int64_t n, const std::int32_t* rows, ConstCells x, Cells y);
// dx[rows] += dy (count, n), in order.
void scatter_add_rows(std::int64_t count, std::int64_t n, const std::int32_t* rows, const float* dy, float* dx);

}  // namespace initlab::compute
