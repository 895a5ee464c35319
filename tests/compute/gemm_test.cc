// oneDNN's products and the small ones against the scalar twin. An element is a sum of k products, so its error is at
// most about (k + 2) eps times the sum of their absolute values, in whatever order they are added.
#include "compute/gemm.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "compute/reference/element.hpp"
#include "compute/reference/gemm.hpp"
#include "compute/testing.hpp"

namespace initlab::compute {
namespace {

using testing_tools::kEps;
using testing_tools::random_values;

std::vector<double> widened(const std::vector<float>& x) { return {x.begin(), x.end()}; }
std::vector<double> absolute(const std::vector<float>& x) {
  std::vector<double> y;
  for (const float v : x) y.push_back(std::fabs(static_cast<double>(v)));
  return y;
}

std::vector<Bf16> rounded(const std::vector<float>& x) {
  std::vector<Bf16> y;
  for (const float v : x) y.push_back(reference::round_to_bf16(v));
  return y;
}
std::vector<float> widened(const std::vector<Bf16>& x) {
  std::vector<float> y;
  for (const Bf16 v : x) y.push_back(reference::widen(v));
  return y;
}

// The product of what the operands are after their rounding; a bf16 result is rounded once more.
void expect_product(const Product& p, Gemm& gemm) {
  const bool narrow = p.operands == Element::bf16;
  std::vector<float> a = random_values(p.m * p.k, "a"), b = random_values(p.k * p.n, "b");
  const std::vector<float> weight = b;
  const std::vector<Bf16> a16 = rounded(a), b16 = rounded(b);
  if (narrow) {
    a = widened(a16);
    b = widened(b16);
  }
  const std::vector<float> bias = random_values(p.n, "bias"), before = random_values(p.m * p.n, "c");
  std::vector<float> c = before;
  std::vector<Bf16> c16(c.size());
  const ConstCells left = narrow ? ConstCells(a16.data()) : ConstCells(a.data());
  const ConstCells right = narrow && !p.weight ? ConstCells(b16.data()) : ConstCells(weight.data());
  gemm(p, left, right, p.result == Element::f32 ? Cells(c.data()) : Cells(c16.data()), p.bias ? bias.data() : nullptr);
  if (p.result == Element::bf16) c = widened(c16);
  const auto wa = widened(a), wb = widened(b), wbias = widened(bias), wc = widened(before);
  const auto aa = absolute(a), ab = absolute(b), abias = absolute(bias), ac = absolute(before);
  for (std::int64_t i = 0; i < p.m; ++i)
    for (std::int64_t j = 0; j < p.n; ++j) {
      const double expected = reference::product_element(p, i, j, wa.data(), wb.data(), wbias.data(), wc.data());
      const double size = reference::product_element(p, i, j, aa.data(), ab.data(), abias.data(), ac.data());
      const double rounding = p.result == Element::bf16 ? 0x1p-8 * std::fabs(expected) : 0;
      ASSERT_NEAR(c[static_cast<std::size_t>(i * p.n + j)], expected,
                  static_cast<double>(p.k + 2) * kEps * size + rounding)
          << p.m << "x" << p.k << "x" << p.n << " at " << i << "," << j;
    }
}

TEST(Gemm, EqualsTheTwinForEveryOption) {
  Gemm gemm;
  for (const Stored a : {Stored::plain, Stored::transposed})
    for (const Stored b : {Stored::plain, Stored::transposed})
      for (const bool accumulate : {false, true})
        for (const bool bias : {false, true}) expect_product({5, 7, 3, a, b, accumulate, bias}, gemm);
}

TEST(Gemm, EqualsTheTwinForModelShapes) {
  Gemm gemm;
  expect_product({64, 96, 32, Stored::plain, Stored::transposed, false, true}, gemm);  // forward
  expect_product({96, 32, 64, Stored::transposed, Stored::plain, true, false}, gemm);  // weight gradient
  expect_product({64, 32, 96, Stored::plain, Stored::plain, true, false}, gemm);       // input gradient
  expect_product({32, 2, 128, Stored::plain, Stored::transposed, false, true}, gemm);  // classifier
  expect_product({32, 1, 128, Stored::plain, Stored::transposed, false, true}, gemm);  // regressor
  expect_product({1, 128, 32, Stored::transposed, Stored::plain, true, false}, gemm);  // its weight gradient
  expect_product({32, 128, 1, Stored::plain, Stored::plain, false, false}, gemm);      // its input gradient
}

// Enough rows that weights are laid out anew, and too few; with and without permission.
TEST(Gemm, WeightsGiveTheSameProductHoweverTheyAreLaidOut) {
  for (const bool packs : {true, false}) {
    Gemm gemm(packs);
    for (const std::int64_t m : {32, 1024})
      for (const Stored b : {Stored::plain, Stored::transposed})
        expect_product({.m = m, .n = 70, .k = 33, .b = b, .weight = true}, gemm);
  }
}

TEST(Gemm, MultipliesBf16) {
  if (!has_bf16_products()) GTEST_SKIP() << "skipped: this CPU has no bf16 products";
  for (const bool packs : {true, false}) {
    Gemm gemm(packs);
    for (const Element result : {Element::f32, Element::bf16})
      for (const Stored b : {Stored::plain, Stored::transposed})
        for (const bool weight : {true, false})
          for (const bool bias : {true, false})
            expect_product({.m = 64,
                            .n = 70,
                            .k = 33,
                            .b = b,
                            .bias = bias,
                            .operands = Element::bf16,
                            .result = result,
                            .weight = weight},
                           gemm);
    expect_product({.m = 64, .n = 32, .k = 96, .a = Stored::transposed, .accumulate = true, .operands = Element::bf16},
                   gemm);
    expect_product({.m = 64, .n = 32, .k = 96, .accumulate = true, .operands = Element::bf16, .weight = true}, gemm);
  }
}

// One buffer serves all weights: a large one after a small one, and back.
TEST(Gemm, WeightsOfAllSizesShareABuffer) {
  Gemm gemm;
  const Product small{.m = 512, .n = 32, .k = 16, .weight = true};
  expect_product(small, gemm);
  expect_product({.m = 512, .n = 300, .k = 200, .weight = true}, gemm);
  expect_product(small, gemm);
}

TEST(Gemm, KeepsPrimitivesAndRepeatsItsBits) {
  Gemm gemm;
  const Product p{33, 70, 129, Stored::plain, Stored::transposed};
  const std::vector<float> a = random_values(p.m * p.k, "a"), b = random_values(p.k * p.n, "b");
  std::vector<float> first(static_cast<std::size_t>(p.m * p.n)), second(first.size());
  gemm(p, a.data(), b.data(), first.data());
  EXPECT_EQ(gemm.primitives(), 1);
  gemm(p, a.data(), b.data(), second.data());
  EXPECT_EQ(gemm.primitives(), 1);
  EXPECT_EQ(first, second);
  Product transposed = p;
  transposed.a = Stored::transposed;
  gemm.plan(transposed);
  EXPECT_EQ(gemm.primitives(), 2);
}

}  // namespace
}  // namespace initlab::compute
