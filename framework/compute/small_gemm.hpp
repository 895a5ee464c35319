// Matrix products that are too small and too many for a library call each: one thread, any strides. Kernels include
// small_gemm-inl.h and skip the call.
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
struct SmallProduct {
  std::int64_t m = 0, n = 0, k = 0;
  Strided a;
  const float* b = nullptr;
  std::int64_t b_row = 0;
  float* c = nullptr;
  std::int64_t c_row = 0;
  bool accumulate = false;         // C += instead
  const float* factors = nullptr;  // (m) what the product's rows are multiplied with; none where null
};

// Each element is the sum over k in ascending order, in float, with fused multiply-add where the CPU has it: the same
// bits for any m, n and strides.
void small_gemm(const SmallProduct& product);

}  // namespace initlab::compute
