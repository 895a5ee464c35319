// Numbers as they stand in memory: f32, or bf16 (the upper half of an f32). A pointer that knows which.
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <span>

namespace initlab::compute {

enum class Element { f32, bf16 };
inline const char* to_text(Element element) { return element == Element::f32 ? "f32" : "bf16"; }

struct Bf16 {
  std::uint16_t bits = 0;
};

// Numbers that a kernel reads; says at run time how they are stored. Owns nothing.
class ConstCells {
 public:
  ConstCells() = default;
  ConstCells(const float* data) : data_(data) {}
  ConstCells(const Bf16* data) : data_(data), element_(Element::bf16) {}
  Element element() const { return element_; }
  const void* data() const { return data_; }
  const float* f32() const {
    assert(element_ == Element::f32);
    return static_cast<const float*>(data_);
  }
  const Bf16* bf16() const {
    assert(element_ == Element::bf16);
    return static_cast<const Bf16*>(data_);
  }
  // The number `count` places further on.
  ConstCells operator+(std::int64_t count) const {
    return element_ == Element::f32 ? ConstCells(f32() + count) : ConstCells(bf16() + count);
  }

 private:
  const void* data_ = nullptr;
  Element element_ = Element::f32;
};

// Numbers that a kernel writes.
class Cells {
 public:
  Cells() = default;
  Cells(float* data) : data_(data) {}
  Cells(Bf16* data) : data_(data), element_(Element::bf16) {}
  operator ConstCells() const { return element_ == Element::f32 ? ConstCells(f32()) : ConstCells(bf16()); }
  Element element() const { return element_; }
  void* data() const { return data_; }
  float* f32() const {
    assert(element_ == Element::f32);
    return static_cast<float*>(data_);
  }
  Bf16* bf16() const {
    assert(element_ == Element::bf16);
    return static_cast<Bf16*>(data_);
  }
  Cells operator+(std::int64_t count) const {
    return element_ == Element::f32 ? Cells(f32() + count) : Cells(bf16() + count);
  }

 private:
  void* data_ = nullptr;
  Element element_ = Element::f32;
};

inline std::size_t bytes_of(Element element) { return element == Element::f32 ? sizeof(float) : sizeof(Bf16); }

// Whether this CPU rounds f32 to bf16 by an instruction of its own, which fused kernels then use: it takes denormals
// for zero.
bool has_bf16_rounding();

// y = x, rounded to nearest, ties to even; NaN stays NaN. Same length. Twin: reference/element.hpp.
void round_to_bf16(std::span<const float> x, std::span<Bf16> y);
// y = x, exactly.
void widen(std::span<const Bf16> x, std::span<float> y);

}  // namespace initlab::compute
