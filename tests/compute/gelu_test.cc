// Bias + GELU on every instruction set that this CPU has: against the scalar twin, and bf16 against f32.
#include "compute/gelu.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "compute/each_target.hpp"
#include "compute/reference/dual.hpp"
#include "compute/reference/gelu.hpp"
#include "compute/testing.hpp"

namespace initlab::compute {
namespace {

using testing_tools::bits_of;
using testing_tools::kEps;
using testing_tools::random_values;
using testing_tools::rounded;
using testing_tools::widened;

constexpr Gelu kForms[] = {Gelu::erf, Gelu::tanh};

class GeluKernel : public testing_tools::EachTarget {};
INSTANTIATE_TEST_SUITE_P(Targets, GeluKernel, testing::ValuesIn(testing_tools::target_names()),
                         testing_tools::target_name);

TEST_P(GeluKernel, EqualsTheTwin) {
  std::vector<float> x, bias;
  for (float v = -9; v < 9; v += 0.0031f) {
    x.push_back(v - 0.25f);
    bias.push_back(0.25f);
  }
  std::vector<float> y(x.size());
  for (const Gelu form : kForms) {
    bias_gelu_forward(form, 1, std::ssize(x), x.data(), bias.data(), y.data());
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double v = static_cast<double>(x[i] + bias[i]);
      const double expected = reference::gelu(form, v);
      // exp's argument is rounded to eps of its size: x^2 / 2, or twice the tanh's argument. 1e-15 |x|: the twin's own
      // cancellation.
      const double argument = form == Gelu::erf ? v * v / 2 : std::fabs(1.6 * (v + 0.044715 * v * v * v));
      ASSERT_NEAR(y[i], expected, (10 + 3 * argument) * kEps * std::fabs(expected) + 1e-15 * std::fabs(v)) << v;
    }
  }
}

// The slope is a sum of two terms of opposite sign for x < 0; each has its relative error.
TEST_P(GeluKernel, BackwardEqualsTheTwinsSlope) {
  std::vector<float> x;
  for (float v = -9; v < 9; v += 0.0031f) x.push_back(v);
  const std::vector<float> zero(x.size());
  for (const Gelu form : kForms) {
    std::vector<float> dx(x.size(), 1.0f), dbias(x.size(), 2.0f);
    bias_gelu_backward(form, 1, std::ssize(x), x.data(), zero.data(), dx.data(), dbias.data());
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double v = static_cast<double>(x[i]);
      const double expected = reference::gelu(form, reference::Dual(v, 1)).slope;
      const double tail = std::fabs(reference::gelu(form, v)) + std::fabs(reference::gelu(form, v) / v);
      const double argument = form == Gelu::erf ? v * v / 2 : std::fabs(1.6 * (v + 0.044715 * v * v * v));
      const double factor = form == Gelu::erf ? 1 + std::fabs(v) : 2 * (1 + 0.14 * v * v);
      ASSERT_NEAR(dx[i], expected, (12 + 3 * argument) * kEps * factor * tail + 1e-15 * factor) << v;
      ASSERT_EQ(dbias[i], 2.0f + dx[i]);
    }
  }
}

TEST_P(GeluKernel, PassesNanAndStaysFiniteForLargeValues) {
  for (const Gelu form : kForms) {
    const float x[4] = {NAN, 1e30f, -1e30f, 3e4f}, bias[4] = {};
    float y[4];
    bias_gelu_forward(form, 1, 4, x, bias, y);
    EXPECT_TRUE(std::isnan(y[0]));
    EXPECT_EQ(y[1], 1e30f);
    EXPECT_NEAR(y[2], 0, 1e-6);
    EXPECT_EQ(y[3], 3e4f);
  }
}

// Any mix of f32 and bf16 gives the f32 result of the widened numbers, rounded once; rows with and without a rest.
TEST_P(GeluKernel, ReadsAndRoundsBf16) {
  const std::int64_t rows = 9;
  for (const Gelu form : kForms)
    for (const std::int64_t n : {7, 64, 83}) {
      const auto x16 = rounded(random_values(rows * n, "x", 2)), dy16 = rounded(random_values(rows * n, "dy"));
      const auto x = widened(x16), dy = widened(dy16), bias = random_values(n, "bias");
      std::vector<float> y(x.size()), dx = dy, dbias(static_cast<std::size_t>(n));
      bias_gelu_forward(form, rows, n, x.data(), bias.data(), y.data());
      bias_gelu_backward(form, rows, n, x.data(), bias.data(), dx.data(), dbias.data());
      for (const bool narrow_x : {false, true}) {
        const ConstCells input = narrow_x ? ConstCells(x16.data()) : ConstCells(x.data());
        std::vector<Bf16> y16(x.size()), dx16 = dy16;
        std::vector<float> wide(x.size()), dx32 = dy, sums(dbias.size()), sums16(dbias.size());
        bias_gelu_forward(form, rows, n, input, bias.data(), wide.data());
        bias_gelu_forward(form, rows, n, input, bias.data(), y16.data());
        bias_gelu_backward(form, rows, n, input, bias.data(), dx32.data(), sums.data());
        bias_gelu_backward(form, rows, n, input, bias.data(), dx16.data(), sums16.data());
        EXPECT_EQ(wide, y);
        EXPECT_EQ(bits_of(y16), bits_of(rounded(y)));
        EXPECT_EQ(dx32, dx);
        EXPECT_EQ(bits_of(dx16), bits_of(rounded(dx)));
        EXPECT_EQ(sums, dbias);
        EXPECT_EQ(sums16, dbias) << "the bias gradient is summed before dx is rounded";
      }
    }
}

// Panels of rows and columns end anywhere.
TEST_P(GeluKernel, TheBiasGradientIsTheColumnSum) {
  const std::int64_t n = 600;
  for (const std::int64_t rows : {1, 3, 64, 70, 131}) {
    const auto x = random_values(rows * n, "x"), bias = random_values(n, "bias");
    auto dx = random_values(rows * n, "dy");
    std::vector<float> dbias(static_cast<std::size_t>(n), 1.0f);
    bias_gelu_backward(Gelu::erf, rows, n, x.data(), bias.data(), dx.data(), dbias.data());
    for (std::size_t i = 0; i < dbias.size(); ++i) {
      double sum = 1, size = 1;
      for (std::size_t r = 0; r < static_cast<std::size_t>(rows); ++r) {
        sum += static_cast<double>(dx[r * dbias.size() + i]);
        size += std::fabs(static_cast<double>(dx[r * dbias.size() + i]));
      }
      ASSERT_NEAR(dbias[i], sum, (64 + 3) * kEps * size) << rows << " rows, column " << i;
    }
  }
}

}  // namespace
}  // namespace initlab::compute
