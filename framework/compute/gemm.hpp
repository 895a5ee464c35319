// Matrix products by oneDNN: the one door to that library, for its versions 2.6 and 3.
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <string>

namespace initlab::compute {

enum class Stored { plain, transposed };

// C = A B, or C += A B, with an optional bias row added: A is (m, k), B (k, n), C (m, n), all dense and row-major. A
// transposed operand stands in memory as its transpose: A as (k, m), B as (n, k).
struct Product {
  std::int64_t m = 0, n = 0, k = 0;
  Stored a = Stored::plain;
  Stored b = Stored::plain;
  bool accumulate = false;  // C += instead of C =
  bool bias = false;        // a row (n) is added to every row of C
  auto operator<=>(const Product&) const = default;
};

// Builds a primitive when a product is first seen and keeps it, so a repeated shape allocates nothing here. Not for use
// from several threads at once: oneDNN itself uses all OpenMP threads, whose number must stay what it was when the
// shape was first seen.
class Gemm {
 public:
  Gemm();
  ~Gemm();
  Gemm(const Gemm&) = delete;
  Gemm& operator=(const Gemm&) = delete;

  // Builds the primitive now rather than in the first call.
  void plan(const Product& product);
  // bias: (n), or null where product.bias is false. Throws std::runtime_error where oneDNN fails.
  void operator()(const Product& product, const float* a, const float* b, float* c, const float* bias = nullptr);
  std::int64_t primitives() const;  // how many were built

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Version of the library in use, e.g. "2.6.3".
std::string onednn_version();

}  // namespace initlab::compute
