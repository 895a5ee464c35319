// Matrix products by oneDNN: the one door to that library, for its versions 2.6 and 3.
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <string>

#include "compute/element.hpp"

namespace initlab::compute {

enum class Stored { plain, transposed };

// C = A B, or C += A B, with an optional bias row added: A is (m, k), B (k, n), C (m, n), all dense and row-major. A
// transposed operand stands in memory as its transpose: A as (k, m), B as (n, k). Sums are f32.
struct Product {
  std::int64_t m = 0, n = 0, k = 0;
  Stored a = Stored::plain;
  Stored b = Stored::plain;
  bool accumulate = false;          // C += instead of C =
  bool bias = false;                // a row (n) is added to every row of C
  Element operands = Element::f32;  // of A and B
  Element result = Element::f32;    // of C; bf16 only without accumulate
  // B is a weight: f32 in memory, whatever `operands` says. On its way it is rounded to that, and laid out as the
  // product likes it best where that pays.
  bool weight = false;
  auto operator<=>(const Product&) const = default;
};

// Builds a primitive when a product is first seen and keeps it, so a repeated shape allocates nothing here. Not for use
// from several threads at once: oneDNN itself uses all OpenMP threads, whose number must stay what it was when the
// shape was first seen.
//
// Weights are laid out anew for each product, in a buffer that all of them share: a weight enters two products a step,
// which want different layouts, so keeping packed copies would save nothing and double the memory.
class Gemm {
 public:
  explicit Gemm(bool packs_weights = true);
  ~Gemm();
  Gemm(const Gemm&) = delete;
  Gemm& operator=(const Gemm&) = delete;

  // Builds the primitive now rather than in the first call.
  void plan(const Product& product);
  // Operands as the product says. bias: (n), or null where product.bias is false. Throws std::runtime_error where
  // oneDNN fails.
  void operator()(const Product& product, ConstCells a, ConstCells b, Cells c, const float* bias = nullptr);
  std::int64_t primitives() const;  // how many products were built
  // Seconds spent laying out weights, of those that operator() took.
  double packing_seconds() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Whether this CPU multiplies bf16 by instructions of its own. Emulated, it is far slower than f32.
bool has_bf16_products();

// Version of the library in use, e.g. "2.6.3".
std::string onednn_version();

}  // namespace initlab::compute
