// Small matrix products against sums in double, on every instruction set that this CPU has.
#include "compute/small_gemm.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "compute/each_target.hpp"
#include "compute/testing.hpp"

namespace initlab::compute {
namespace {

using testing_tools::kEps;
using testing_tools::random_values;

class SmallGemmTest : public testing_tools::EachTarget {};
INSTANTIATE_TEST_SUITE_P(Targets, SmallGemmTest, testing::ValuesIn(testing_tools::target_names()),
                         testing_tools::target_name);

// Every tile height and width, both ways of reading A, strides larger than the rows, with and without what was there
// and factors.
TEST_P(SmallGemmTest, EqualsTheTwinAndStaysInItsColumns) {
  for (std::int64_t m = 1; m <= 27; ++m)
    for (const std::int64_t n : {1, 7, 8, 12, 16, 17, 32, 40, 48, 64, 70, 100})
      for (const int form : {0, 1, 2, 3, 4, 5, 6, 7}) {
        const bool transposed = form & 1, accumulate = form & 2, scaled = form & 4;
        const std::int64_t k = 9, b_row = n + 3, c_row = n + 5;
        const std::vector<float> a = random_values(m * k, "a"), b = random_values(k * b_row, "b"),
                                 factors = random_values(m, "factors");
        std::vector<float> c(static_cast<std::size_t>(m * c_row), 99.0f);
        const Strided left = transposed ? Strided{a.data(), 1, m} : Strided{a.data(), k, 1};
        small_gemm({m, n, k, left, b.data(), b_row, c.data(), c_row, accumulate, scaled ? factors.data() : nullptr});
        for (std::int64_t i = 0; i < m; ++i)
          for (std::int64_t j = 0; j < c_row; ++j) {
            const float got = c[static_cast<std::size_t>(i * c_row + j)];
            if (j >= n) {
              ASSERT_EQ(got, 99.0f) << "written beyond column " << n;
              continue;
            }
            const double factor = scaled ? static_cast<double>(factors[static_cast<std::size_t>(i)]) : 1;
            double sum = accumulate ? 99 : 0, size = sum;
            for (std::int64_t q = 0; q < k; ++q) {
              const double term = factor * static_cast<double>(left.data[i * left.row + q * left.column]) *
                                  static_cast<double>(b[static_cast<std::size_t>(q * b_row + j)]);
              sum += term;
              size += std::fabs(term);
            }
            ASSERT_NEAR(got, sum, static_cast<double>(k + 3) * kEps * size) << m << " x " << n << " form " << form;
          }
      }
}

// What a row gets does not depend on the other rows: a block of a product has the bits of the whole.
TEST_P(SmallGemmTest, ABlockHasTheBitsOfTheWhole) {
  const std::int64_t m = 29, n = 83, k = 31;
  const std::vector<float> a = random_values(m * k, "a"), b = random_values(k * n, "b");
  std::vector<float> whole(static_cast<std::size_t>(m * n)), parts(whole.size());
  small_gemm({m, n, k, {a.data(), k, 1}, b.data(), n, whole.data(), n});
  for (std::int64_t i = 0; i < m; i += 5)
    for (std::int64_t j = 0; j < n; j += 19)
      small_gemm({std::min<std::int64_t>(5, m - i),
                  std::min<std::int64_t>(19, n - j),
                  k,
                  {a.data() + i * k, k, 1},
                  b.data() + j,
                  n,
                  parts.data() + i * n + j,
                  n});
  EXPECT_EQ(whole, parts);
}

// A sum of no terms is 0, whatever stood there.
TEST_P(SmallGemmTest, NoTermsGiveZero) {
  std::vector<float> c(20, 99.0f);
  small_gemm({4, 5, 0, {nullptr, 0, 1}, nullptr, 5, c.data(), 5});
  EXPECT_EQ(c, std::vector<float>(20, 0.0f));
}

}  // namespace
}  // namespace initlab::compute
