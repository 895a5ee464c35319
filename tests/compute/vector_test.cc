// Column sums and bias + tanh, on every instruction set that this CPU has.
#include "compute/vector.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "compute/each_target.hpp"
#include "compute/reference/vector.hpp"
#include "compute/testing.hpp"

namespace initlab::compute {
namespace {

using testing_tools::kEps;
using testing_tools::random_values;
using testing_tools::rounded;
using testing_tools::widened;

class VectorKernel : public testing_tools::EachTarget {};
INSTANTIATE_TEST_SUITE_P(Targets, VectorKernel, testing::ValuesIn(testing_tools::target_names()),
                         testing_tools::target_name);

TEST_P(VectorKernel, ColumnSumsEqualTheTwin) {
  const std::int64_t rows = 150;
  for (const std::int64_t n : {1, 70, 600}) {
    const std::int64_t row = n + 5;
    const auto x16 = rounded(random_values(rows * row, "x"));
    const auto x = widened(x16);
    std::vector<float> sums(static_cast<std::size_t>(n), 1.0f), sums16 = sums;
    add_column_sums(rows, n, x.data(), row, sums.data());
    add_column_sums(rows, n, x16.data(), row, sums16.data());
    EXPECT_EQ(sums16, sums);
    const auto width = static_cast<std::size_t>(row);
    for (std::size_t i = 0; i < sums.size(); ++i) {
      double size = 1;
      for (std::size_t r = 0; r < 150; ++r) size += std::fabs(static_cast<double>(x[r * width + i]));
      EXPECT_NEAR(sums[i], 1 + reference::column_sum(150, width, i, x.data()), (64 + 3) * kEps * size);
    }
  }
}

TEST_P(VectorKernel, TanhEqualsTheTwin) {
  std::vector<float> x, bias;
  for (float v = -9.5f; v < 9.5f; v += 0.0031f) {
    x.push_back(v - 0.25f);
    bias.push_back(0.25f);
  }
  auto y = x;
  bias_tanh_forward(1, std::ssize(x), bias.data(), y.data());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double expected = reference::bias_tanh(static_cast<double>(x[i] + bias[i]), 0.0);
    ASSERT_NEAR(y[i], expected, 4e-7 * std::fabs(expected)) << x[i];
  }
  const float special[4] = {NAN, 1e30f, -1e30f, -1e-30f}, zero[4] = {};
  std::vector<float> z(special, special + 4);
  bias_tanh_forward(1, 4, zero, z.data());
  EXPECT_TRUE(std::isnan(z[0]));
  EXPECT_EQ(z[1], 1.0f);
  EXPECT_EQ(z[2], -1.0f);
  EXPECT_EQ(z[3], -1e-30f);
}

TEST_P(VectorKernel, TanhBackwardEqualsTheTwin) {
  const std::int64_t rows = 11, n = 37;
  const auto y = random_values(rows * n, "y", 0.4), dy = random_values(rows * n, "dy");
  auto dx = dy;
  std::vector<float> dbias(static_cast<std::size_t>(n), 1.0f);
  bias_tanh_backward(rows, n, y.data(), dx.data(), dbias.data());
  for (std::size_t i = 0; i < dx.size(); ++i) {
    const double v = static_cast<double>(y[i]), slope = 1 - v * v;
    ASSERT_NEAR(dx[i], static_cast<double>(dy[i]) * slope,
                2 * kEps * std::fabs(static_cast<double>(dy[i])) * (1 + v * v));
  }
  for (std::size_t i = 0; i < dbias.size(); ++i)
    EXPECT_NEAR(dbias[i], 1 + reference::column_sum(11, 37, i, dx.data()), (11 + 3) * kEps * 40);
}

}  // namespace
}  // namespace initlab::compute
