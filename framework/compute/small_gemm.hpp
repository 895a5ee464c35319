// Matrix products that are too small and too many for a library call each: one thread, any strides. Internal to
// compute/.
#pragma once

#include <cstdint>

namespace initlab::compute {

// A operand whose element (i, p) is at data[i * row + p * column]; swap the two for a transpose.
struct Strided {
  const float* data = nullptr;
  std::int64_t row = 0;
  std::int64_t column = 1;
};

// C (m, n) = A (m, k) B (k, n), B and C row-major with rows b_row and c_row floats apart. C overlaps neither A nor B.
void small_gemm(std::int64_t m, std::int64_t n, std::int64_t k, const Strided& a, const float* b, std::int64_t b_row,
                float* c, std::int64_t c_row);

}  // namespace initlab::compute
