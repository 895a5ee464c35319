// The distributions are what their files say, over more than a million draws of the program's own streams. Bounds are
// computed: 5 standard errors. Standard deviations, not variances; cuts in sigmas.
#include "plugins/draws.hpp"

namespace initlab {
namespace {

using namespace draws;

TEST(Statistics, Normal) {
  const auto x = draw("normal", {{"mean", "0.01"}, {"stddev", "0.05"}});
  expect_moments(x, 0.01, 0.05);
  expect_distribution(x, [](double v) { return normal_cdf((v - 0.01) / 0.05); });
}

TEST(Statistics, TruncatedNormalIsCutAtTwoSigmasAndNarrowerForIt) {
  const auto x = draw("truncated_normal");
  expect_moments(x, 0, 0.02 * 0.87962566);
  for (const float v : x) ASSERT_LE(std::fabs(v), static_cast<float>(0.04));
  const double low = normal_cdf(-2);
  expect_distribution(x, [low](double v) { return (normal_cdf(v / 0.02) - low) / (1 - 2 * low); });
  // No pile at the cut, as clipping would leave: the outermost hundredth holds what the density says.
  const auto outer = std::ranges::count_if(x, [](float v) { return std::fabs(v) > 0.0396f; });
  const double share = (normal_cdf(2) - normal_cdf(1.98)) * 2 / (1 - 2 * low), n = static_cast<double>(x.size());
  EXPECT_NEAR(static_cast<double>(outer), share * n, 5 * std::sqrt(share * n));
}

TEST(Statistics, TheCutIsInSigmasAndAroundTheMean) {
  const auto x = draw("truncated_normal", {{"mean", "1"}, {"stddev", "0.5"}, {"cut_sigmas", "1"}});
  expect_moments(x, 1, 0.5 * 0.53956);  // sqrt(1 - 2 phi(1) / (2 Phi(1) - 1))
  const auto [least, most] = std::ranges::minmax(x);
  EXPECT_GE(least, 0.5f);
  EXPECT_LE(most, 1.5f);
}

TEST(Statistics, TruncatedNormalTakesTheNormalsDrawsWhereTheyAreInside) {
  const auto x = draw("truncated_normal"), z = draw("normal");
  std::size_t inside = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (std::fabs(z[i]) > 0.0399f) continue;
    ASSERT_EQ(x[i], z[i]);
    ++inside;
  }
  EXPECT_NEAR(static_cast<double>(inside) / static_cast<double>(x.size()), 0.954, 0.002);
}

TEST(Statistics, BertDefaultIsTruncatedNormalOnWeights) {
  EXPECT_EQ(draw("bert_default"), draw("truncated_normal"));
  EXPECT_EQ(draw("bert_default", {{"stddev", "0.1"}}, params::Role::matrix),
            draw("truncated_normal", {{"stddev", "0.1"}}, params::Role::matrix));
}

TEST(Statistics, XavierUniform) {
  const double a = std::sqrt(6.0 / (kRows + kWidth));
  const auto x = draw("xavier_uniform");
  expect_moments(x, 0, a / std::sqrt(3.0));
  for (const float v : x) ASSERT_LE(std::fabs(v), static_cast<float>(a));
  expect_distribution(x, [a](double v) { return (v / a + 1) / 2; });
  expect_moments(draw("xavier_uniform", {{"gain", "3"}}), 0, 3 * a / std::sqrt(3.0));
}

TEST(Statistics, XavierNormal) {
  const double s = std::sqrt(2.0 / (kRows + kWidth));
  const auto x = draw("xavier_normal");
  expect_moments(x, 0, s);
  expect_distribution(x, [s](double v) { return normal_cdf(v / s); });
  expect_moments(draw("xavier_normal", {{"gain", "0.5"}}), 0, s / 2);
}

TEST(Statistics, XavierOfAnEmbeddingIsThatOfAMatrixOfItsShape) {
  EXPECT_EQ(draw("xavier_uniform"), draw("xavier_uniform", {}, params::Role::matrix));
}

TEST(Statistics, ConstantsAreExact) {
  for (const float v : draw("zero")) ASSERT_EQ(v, 0.0f);
  for (const float v : draw("one")) ASSERT_EQ(v, 1.0f);
  for (const float v : draw("constant", {{"value", "0.1"}})) ASSERT_EQ(v, 0.1f);
}

TEST(Statistics, SeedsAreIndependent) {
  const auto a = draw("normal", {{"stddev", "1"}}),
             b = draw("normal", {{"stddev", "1"}}, params::Role::embedding, 2026);
  double product = 0;
  for (std::size_t i = 0; i < a.size(); ++i) product += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  const double n = static_cast<double>(a.size());
  EXPECT_LT(std::fabs(product / n), 5 / std::sqrt(n));
}

TEST(Statistics, NeighboursAreIndependent) {
  for (const char* use : {"normal", "truncated_normal", "xavier_uniform"}) {
    const auto x = draw(use);
    const double s = moments(x).stddev, n = static_cast<double>(x.size());
    for (const std::size_t lag : {std::size_t{1}, std::size_t{2}, static_cast<std::size_t>(kWidth)}) {
      double product = 0;
      for (std::size_t i = lag; i < x.size(); ++i)
        product += static_cast<double>(x[i]) * static_cast<double>(x[i - lag]);
      EXPECT_LT(std::fabs(product / n) / (s * s), 5 / std::sqrt(n)) << use << " lag " << lag;
    }
  }
}

}  // namespace
}  // namespace initlab
