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

TEST(Vector, TanhEqualsTheTwin) {
  const auto x = random_values(50, "x", 3), bias = random_values(50, "bias");
  auto y = x;
  bias_tanh_forward(1, 50, bias.data(), y.data());
  for (std::size_t i = 0; i < 50; ++i)
    EXPECT_NEAR(y[i], reference::bias_tanh(static_cast<double>(x[i]), static_cast<double>(bias[i])),
                4 * kEps * (1 + std::fabs(static_cast<double>(x[i]))));
}

}  // namespace
}  // namespace initlab::compute
