// Effective rank and eigenvalues where they are known.
#include "init/measure.hpp"

#include <cmath>
#include <numeric>

#include "base/random.hpp"
#include "fixture.hpp"

namespace initlab::init {
namespace {

std::vector<float> drawn(std::size_t n, const char* name) {
  const base::Stream stream(3, name);
  std::vector<float> x(n);
  for (std::size_t i = 0; i < n; ++i) x[i] = static_cast<float>(stream.normal(i));
  return x;
}

TEST(Measure, EigenvaluesOfKnownMatrices) {
  const auto two = symmetric_eigenvalues({2, 1, 1, 2}, 2);
  EXPECT_NEAR(two[0], 1, 1e-14);
  EXPECT_NEAR(two[1], 3, 1e-14);
  EXPECT_EQ(symmetric_eigenvalues({7}, 1).size(), 1u);
  EXPECT_NEAR(symmetric_eigenvalues({7}, 1)[0], 7, 1e-13);
  EXPECT_EQ(symmetric_eigenvalues(std::vector<double>(9, 0.0), 3), std::vector<double>(3, 0.0));
  // The second difference of n points: 2 - 2 cos(k pi / (n + 1)), k = 1 .. n.
  constexpr std::size_t n = 21;
  std::vector<double> a(n * n);
  for (std::size_t i = 0; i < n; ++i) {
    a[i * n + i] = 2;
    if (i + 1 < n) a[i * n + i + 1] = a[(i + 1) * n + i] = -1;
  }
  const auto values = symmetric_eigenvalues(a, n);
  for (std::size_t k = 0; k < n; ++k)
    EXPECT_NEAR(values[k], 2 - 2 * std::cos(static_cast<double>(k + 1) * std::acos(-1.0) / (n + 1)), 1e-13) << k;
}

TEST(Measure, EigenvaluesOfADrawnMatrixKeepItsInvariants) {
  constexpr std::size_t n = 60;
  const auto x = drawn(n * n, "symmetric");
  std::vector<double> a(n * n);
  double trace = 0, squares = 0;
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j) {
      a[i * n + j] = static_cast<double>(x[i * n + j]) + static_cast<double>(x[j * n + i]);
      trace += i == j ? a[i * n + j] : 0;
      squares += a[i * n + j] * a[i * n + j];
    }
  const auto values = symmetric_eigenvalues(a, n);
  EXPECT_TRUE(std::ranges::is_sorted(values));
  EXPECT_NEAR(std::accumulate(values.begin(), values.end(), 0.0), trace, 1e-10);
  EXPECT_NEAR(std::inner_product(values.begin(), values.end(), values.begin(), 0.0), squares, 1e-9 * squares);
}

TEST(Measure, EffectiveRankCountsDirections) {
  std::vector<float> identity(24 * 24, 0.0f);
  for (std::size_t i = 0; i < 24; ++i) identity[i * 25] = -3;
  EXPECT_NEAR(effective_rank(identity, 24, 24), 24, 1e-9);
  EXPECT_NEAR(effective_rank(std::vector<float>(40 * 17, 0.3f), 40, 17), 1, 1e-6);
  EXPECT_EQ(effective_rank(std::vector<float>(12, 0.0f), 3, 4), 0);
  EXPECT_NEAR(effective_rank(std::vector<float>(5, 2.0f), 1, 5), 1, 1e-12);
  // Singular values 3 and 1: p = 3/4 and 1/4.
  const double expected = std::exp(-0.75 * std::log(0.75) - 0.25 * std::log(0.25));
  EXPECT_NEAR(effective_rank(std::vector<float>{0, 3, 0, 1, 0, 0}, 2, 3), expected, 1e-9);
  EXPECT_NEAR(effective_rank(std::vector<float>{0, 1, 3, 0, 0, 0}, 3, 2), expected, 1e-9);
  // A drawn (96, 32) matrix, and numpy's value of it: no more than 32, most of it used.
  const auto x = drawn(96 * 32, "rank");
  const double rank = effective_rank(x, 96, 32);
  EXPECT_GT(rank, 28);
  EXPECT_LT(rank, 32);
  std::vector<float> transposed(x.size());
  for (std::size_t i = 0; i < 96; ++i)
    for (std::size_t j = 0; j < 32; ++j) transposed[j * 96 + i] = x[i * 32 + j];
  EXPECT_NEAR(effective_rank(transposed, 32, 96), rank, 1e-9);
}

TEST(Measure, EffectiveRankIsBoundedInCost) {
  EXPECT_TRUE(std::isnan(effective_rank(std::vector<float>(600 * 600, 1.0f), 600, 600)));
  // Of 3 x 4096 rows each third counts: all of these are the same direction, the others are not.
  std::vector<float> rows(3 * 4096 * 2, 0.0f);
  for (std::size_t r = 0; r < 3 * 4096; ++r) rows[2 * r + (r % 3 == 0 ? 0 : 1)] = 1;
  EXPECT_NEAR(effective_rank(rows, 3 * 4096, 2), 1, 1e-9);
}

TEST(Measure, ZerosAreCounted) {
  record::InitRecord r;
  r.shape = {8};
  measure(std::vector<float>{0, 1, -0.0f, 2, 0, 3, 4, 5}, r);
  EXPECT_EQ(r.zeros, 0.375);
  EXPECT_TRUE(std::isnan(r.effective_rank)) << "a vector has none";
}

}  // namespace
}  // namespace initlab::init
