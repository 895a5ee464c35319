// Streams: known answers, moments within computed bounds, purity.
#include "base/random.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace initlab::base {
namespace {

TEST(Philox, KnownAnswers) {  // Random123's kat_vectors, philox4x32 with 10 rounds
  using Block = std::array<std::uint32_t, 4>;
  EXPECT_EQ(philox({0, 0, 0, 0}, 0), (Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  const std::uint32_t ones = 0xffffffff;
  EXPECT_EQ(philox({ones, ones, ones, ones}, ~std::uint64_t{0}),
            (Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
}

TEST(InverseNormalCdf, InvertsTheDistributionFunction) {
  for (const double p : {1e-300, 1e-20, 1e-10, 1e-5, 0.01, 0.075, 0.0751, 0.3, 0.5, 0.7, 0.975, 1 - 1e-10}) {
    const double back = 0.5 * std::erfc(-inverse_normal_cdf(p) / std::sqrt(2.0));
    // d(ln Phi)/dx grows like |x|, so 1e-14 relative covers AS 241's 1e-16 at x = -37.
    EXPECT_NEAR(back / p, 1, 2e-13) << p;
  }
  EXPECT_EQ(inverse_normal_cdf(0.5), 0);
  EXPECT_NEAR(inverse_normal_cdf(0.975), 1.959963984540054, 1e-15);
}

TEST(Stream, NormalHasItsMoments) {
  const Stream stream(42, "normal");
  const int n = 1'000'000;
  double sum = 0, squares = 0, cubes = 0, fourth = 0;
  for (int i = 0; i < n; ++i) {
    const double x = stream.normal(static_cast<std::uint64_t>(i));
    sum += x;
    squares += x * x;
    cubes += x * x * x;
    fourth += x * x * x * x;
  }
  const double root = std::sqrt(static_cast<double>(n));
  // Five standard errors: var(x) = 1, var(x^2) = 2, var(x^3) = 15, var(x^4) = 96.
  EXPECT_LT(std::fabs(sum / n), 5 / root);
  EXPECT_LT(std::fabs(squares / n - 1), 5 * std::sqrt(2.0) / root);
  EXPECT_LT(std::fabs(cubes / n), 5 * std::sqrt(15.0) / root);
  EXPECT_LT(std::fabs(fourth / n - 3), 5 * std::sqrt(96.0) / root);
}

TEST(Stream, UniformFillsItsRange) {
  const Stream stream(1, "uniform");
  const int n = 100'000, cells = 20;
  std::vector<int> count(cells);
  for (int i = 0; i < n; ++i) {
    const double u = stream.uniform(static_cast<std::uint64_t>(i));
    ASSERT_GE(u, 0);
    ASSERT_LT(u, 1);
    ++count[static_cast<std::size_t>(u * cells)];
  }
  double chi = 0;
  const double expected = static_cast<double>(n) / cells;
  for (const int c : count) chi += (c - expected) * (c - expected) / expected;
  EXPECT_LT(chi, 19 + 5 * std::sqrt(2 * 19.0));  // chi-square with 19 degrees of freedom
}

TEST(Stream, NamesAndSeedsSeparate) {
  EXPECT_NE(Stream(1, "a").bits(0), Stream(1, "b").bits(0));
  EXPECT_NE(Stream(1, "a").bits(0), Stream(2, "a").bits(0));
  EXPECT_EQ(Stream(1, "a").bits(7), Stream(1, "a").bits(7));
  EXPECT_NE(derive_seed(1, "init/0"), derive_seed(1, "init/1"));
}

TEST(Permutation, IsOneAndUniform) {
  std::vector<int> first(6);
  for (std::uint64_t seed = 0; seed < 6000; ++seed) {
    auto order = permutation(Stream(seed, "order"), 6);
    ++first[order[0]];
    std::sort(order.begin(), order.end());
    for (std::uint32_t i = 0; i < 6; ++i) ASSERT_EQ(order[i], i);
  }
  for (const int count : first) EXPECT_LT(std::abs(count - 1000), 5 * 29);  // sd of a cell: sqrt(6000 * 5/36) = 28.9
  EXPECT_TRUE(permutation(Stream(1, "order"), 0).empty());
}

}  // namespace
}  // namespace initlab::base
