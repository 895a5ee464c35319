// Forward kernels against their scalar twins, with tolerances from eps and the number of terms.
#include <gtest/gtest.h>
#include <omp.h>

#include <cmath>
#include <numeric>
#include <vector>

#include "compute/embedding.hpp"
#include "compute/gelu.hpp"
#include "compute/loss.hpp"
#include "compute/norm.hpp"
#include "compute/reference/dropout.hpp"
#include "compute/reference/embedding.hpp"
#include "compute/reference/gelu.hpp"
#include "compute/reference/loss.hpp"
#include "compute/reference/norm.hpp"
#include "compute/reference/vector.hpp"
#include "compute/simd.hpp"
#include "compute/testing.hpp"
#include "compute/vector.hpp"

namespace initlab::compute {
namespace {

using testing_tools::kEps;
using testing_tools::random_values;

std::vector<double> widened(const std::vector<float>& x) { return {x.begin(), x.end()}; }

TEST(Simd, ExpIsWithinItsStatedError) {
  for (float x = -87; x < 88; x += 0.00913f) {
    const double expected = std::exp(static_cast<double>(x));
    ASSERT_NEAR(static_cast<double>(fast_exp(x)), expected, 2e-7 * expected) << x;
  }
  EXPECT_EQ(fast_exp(0), 1.0f);
  EXPECT_LT(fast_exp(-1000), 2e-38f);
  EXPECT_TRUE(std::isfinite(fast_exp(1000)));
  EXPECT_TRUE(std::isnan(fast_exp(NAN)));
}

TEST(Simd, NormalTailIsWithinItsStatedError) {
  for (float a = 0; a < 13; a += 0.00217f) {
    const double x = static_cast<double>(a);
    const double tail = std::erfc(x / std::sqrt(2.0)) / 2, e = std::exp(-x * x / 2);
    const auto rounded = static_cast<float>(e);
    const double expected = tail * (static_cast<double>(rounded) / e);
    ASSERT_NEAR(static_cast<double>(normal_tail(a, rounded)), expected, 5e-7 * expected) << a;
  }
}

class GeluKernel : public testing::TestWithParam<Gelu> {};
INSTANTIATE_TEST_SUITE_P(Forms, GeluKernel, testing::Values(Gelu::erf, Gelu::tanh));

TEST_P(GeluKernel, EqualsTheTwin) {
  std::vector<float> x, bias;
  for (float v = -9; v < 9; v += 0.0031f) {
    x.push_back(v - 0.25f);
    bias.push_back(0.25f);
  }
  const auto n = static_cast<std::int64_t>(x.size());
  std::vector<float> y(x.size());
  bias_gelu_forward(GetParam(), 1, n, x.data(), bias.data(), y.data());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double v = static_cast<double>(x[i] + bias[i]);
    const double expected = reference::gelu(GetParam(), v);
    // exp's argument is rounded to eps of its size: x^2 / 2, or twice the tanh's argument. 1e-15 |x|: the twin's own
    // cancellation.
    const double argument = GetParam() == Gelu::erf ? v * v / 2 : std::fabs(1.6 * (v + 0.044715 * v * v * v));
    ASSERT_NEAR(y[i], expected, (10 + 3 * argument) * kEps * std::fabs(expected) + 1e-15 * std::fabs(v)) << v;
  }
}

TEST_P(GeluKernel, PassesNanAndStaysFiniteForLargeValues) {
  const float x[4] = {NAN, 1e30f, -1e30f, 3e4f}, bias[4] = {};
  float y[4];
  bias_gelu_forward(GetParam(), 1, 4, x, bias, y);
  EXPECT_TRUE(std::isnan(y[0]));
  EXPECT_EQ(y[1], 1e30f);
  EXPECT_NEAR(y[2], 0, 1e-6);
  EXPECT_EQ(y[3], 3e4f);
}

TEST(Norm, EqualsTheTwinWithBiasDropoutAndResidual) {
  const std::vector<std::int32_t> slots = {0, 0, 3, 7, 7}, positions = {0, 1, 0, 4, 9};
  const std::int64_t rows = 5;
  for (const std::int64_t n : {1, 7, 128, 129, 384}) {
    const auto x = random_values(rows * n, "x"), residual = random_values(rows * n, "residual");
    const auto bias = random_values(n, "bias"), gamma = random_values(n, "gamma"), beta = random_values(n, "beta");
    NormInput input{bias.data(), residual.data(), dropout_site(0.2, 99, 3, 8), {slots.data(), positions.data()}};
    std::vector<float> xhat = x, y(x.size()), r(5);
    norm_forward({rows, n, 1e-5f}, input, gamma.data(), beta.data(), xhat.data(), y.data(), r.data());
    const auto wide_gamma = widened(gamma), wide_beta = widened(beta);
    for (std::size_t row = 0; row < 5; ++row) {
      std::vector<double> s;
      double largest = 0;
      for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
        const std::size_t at = row * static_cast<std::size_t>(n) + i;
        const double factor =
            reference::dropout_factor(0.2, {99, 3, 8, static_cast<std::uint32_t>(slots[row]),
                                            static_cast<std::uint32_t>(positions[row]), static_cast<std::uint32_t>(i)});
        s.push_back(static_cast<double>(residual[at]) +
                    factor * (static_cast<double>(x[at]) + static_cast<double>(bias[i])));
        largest = std::max(largest, std::fabs(s.back()));
      }
      const auto expected = reference::layer_norm(s, 1e-5, wide_gamma.data(), wide_beta.data());
      for (std::size_t i = 0; i < s.size(); ++i) {
        // n terms in 16 partial sums; an error in s is amplified by 1 / deviation.
        const double bound = (static_cast<double>(n) / 16 + 8) * kEps;
        const double tolerance =
            bound * (4 * largest * static_cast<double>(r[row]) * std::fabs(wide_gamma[i]) + std::fabs(wide_beta[i]));
        ASSERT_NEAR(y[row * s.size() + i], expected[i], tolerance) << "n " << n << " row " << row << " feature " << i;
      }
    }
  }
}

TEST(Norm, ARowWithoutVarianceGivesTheShift) {
  std::vector<float> x(16, 0.0f), y(16), gamma(16, 1.0f), beta(16, 0.5f), r(1);
  norm_forward({1, 16, 1e-12f}, {}, gamma.data(), beta.data(), x.data(), y.data(), r.data());
  for (const float v : y) EXPECT_EQ(v, 0.5f);
  EXPECT_NEAR(r[0], 1e6, 1);
}

TEST(Loss, CrossEntropyEqualsTheTwin) {
  for (const std::int64_t n : {1, 2, 3, 1025, 5000}) {
    const auto logits = random_values(3 * n, "logits", 4);
    const std::vector<std::int32_t> labels = {0, static_cast<std::int32_t>(n - 1), static_cast<std::int32_t>(n / 2)};
    std::vector<double> loss(3);
    std::vector<float> log_sum(3);
    std::vector<std::int32_t> hit(3);
    cross_entropy_forward(3, n, logits.data(), labels.data(), loss.data(), log_sum.data(), hit.data());
    for (std::size_t r = 0; r < 3; ++r) {
      const std::vector<double> row(logits.begin() + static_cast<std::ptrdiff_t>(r) * n,
                                    logits.begin() + static_cast<std::ptrdiff_t>(r + 1) * n);
      // The sum of at most 1024 exponentials in 16 parts, each exponential within 2e-7; the logarithm turns relative
      // into absolute.
      EXPECT_NEAR(loss[r], reference::cross_entropy(row, static_cast<std::size_t>(labels[r])),
                  (1024 / 16 + 16) * kEps + 2e-7 + 40 * kEps);
      EXPECT_EQ(hit[r] == 1, std::max_element(row.begin(), row.end()) - row.begin() == labels[r]);
    }
  }
}

TEST(Loss, EqualLogitsGiveTheLogarithmOfTheirNumber) {
  const std::int64_t n = 30522;
  const std::vector<float> logits(static_cast<std::size_t>(n), 0.0f);
  const std::int32_t label = 77;
  double loss = 0;
  float log_sum = 0;
  std::int32_t hit = 0;
  cross_entropy_forward(1, n, logits.data(), &label, &loss, &log_sum, &hit);
  EXPECT_NEAR(loss, std::log(30522.0), 1e-12) << "sums of ones are exact";
  EXPECT_EQ(hit, 0) << "the first of equal logits counts as the highest";
}

TEST(Loss, NanBecomesANanLoss) {
  const float logits[3] = {0, NAN, 1};
  const std::int32_t label = 0;
  double loss = 0;
  float log_sum = 0;
  std::int32_t hit = 0;
  cross_entropy_forward(1, 3, logits, &label, &loss, &log_sum, &hit);
  EXPECT_TRUE(std::isnan(loss));
}

TEST(Loss, SquaredErrorEqualsTheTwin) {
  const auto x = random_values(9, "x"), target = random_values(9, "target");
  double expected = 0;
  for (std::size_t i = 0; i < 9; ++i)
    expected += reference::squared_error(static_cast<double>(x[i]), static_cast<double>(target[i]));
  EXPECT_NEAR(squared_error_forward(9, x.data(), target.data()), expected, 1e-14 * expected);
}

TEST(Embedding, SumsAndScattersRows) {
  const std::int64_t n = 33;
  const auto word = random_values(10 * n, "word"), position = random_values(6 * n, "position"),
             type = random_values(2 * n, "type");
  const std::vector<std::int32_t> words = {3, 9, 3, 0}, positions = {0, 1, 5, 0}, types = {0, 1, 1, 0};
  const EmbeddingRows rows{words.data(), positions.data(), types.data()};
  std::vector<float> y(static_cast<std::size_t>(4 * n));
  embedding_forward(4, n, rows, word.data(), position.data(), type.data(), y.data());
  for (std::size_t t = 0; t < 4; ++t)
    for (std::size_t i = 0; i < 33; ++i)
      EXPECT_EQ(y[t * 33 + i], reference::embedding_element(33, i, word.data(), static_cast<std::size_t>(words[t]),
                                                            position.data(), static_cast<std::size_t>(positions[t]),
                                                            type.data(), static_cast<std::size_t>(types[t])));
  const auto dy = random_values(4 * n, "dy");
  std::vector<float> dword(word.size()), dposition(position.size()), dtype(type.size(), 1.0f);
  embedding_backward(4, n, rows, dy.data(), dword.data(), dposition.data(), dtype.data());
  for (std::size_t i = 0; i < 33; ++i) {
    EXPECT_EQ(dword[3 * 33 + i], dy[i] + dy[2 * 33 + i]) << "a word that occurs twice";
    EXPECT_EQ(dword[9 * 33 + i], dy[33 + i]);
    EXPECT_EQ(dword[1 * 33 + i], 0.0f) << "a word that does not occur";
    EXPECT_EQ(dposition[5 * 33 + i], dy[2 * 33 + i]);
    EXPECT_EQ(dtype[33 + i], 1.0f + dy[33 + i] + dy[2 * 33 + i]) << "backward adds";
  }
}

TEST(Vector, ColumnSumsAndSumOfSquaresEqualTheTwins) {
  const std::int64_t rows = 150, n = 70, row = 75;
  const auto x = random_values(rows * row, "x");
  std::vector<float> sums(70, 1.0f);
  add_column_sums(rows, n, x.data(), row, sums.data());
  for (std::size_t i = 0; i < 70; ++i) {
    double size = 1;
    for (std::size_t r = 0; r < 150; ++r) size += std::fabs(static_cast<double>(x[r * 75 + i]));
    EXPECT_NEAR(sums[i], 1 + reference::column_sum(150, 75, i, x.data()), (64 + 3) * kEps * size);
  }
  for (const std::int64_t m : {0, 1, 4097, 150 * 75}) {
    const auto expected = static_cast<double>(reference::sum_of_squares(static_cast<std::size_t>(m), x.data()));
    EXPECT_NEAR(sum_of_squares(m, x.data()), expected, 1e-12 * expected);
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

// Sums over rows are taken in an order that does not depend on the number of threads.
TEST(Threads, ChangeNoBit) {
  const std::int64_t rows = 300, n = 200;
  const auto x = random_values(rows * n, "x"), dy = random_values(rows * n, "dy"), bias = random_values(n, "bias"),
             gamma = random_values(n, "gamma");
  const int before = omp_get_max_threads();
  std::vector<std::vector<float>> results;
  for (const int threads : {1, 2, 5}) {
    omp_set_num_threads(threads);
    std::vector<float> all(static_cast<std::size_t>(5 * n)), d = dy, xhat = x, y(x.size()),
                                                             r(static_cast<std::size_t>(rows));
    std::vector<float> scratch(static_cast<std::size_t>(norm_backward_scratch(n)));
    bias_gelu_backward(Gelu::erf, rows, n, x.data(), bias.data(), d.data(), all.data());
    add_column_sums(rows, n, x.data(), n, all.data() + n);
    norm_forward({rows, n, 1e-6f}, {}, gamma.data(), bias.data(), xhat.data(), y.data(), r.data());
    norm_backward(
        {rows, n, 1e-6f}, {}, gamma.data(), xhat.data(), r.data(), dy.data(),
        {.dx = y.data(), .dbias = all.data() + 2 * n, .dgamma = all.data() + 3 * n, .dbeta = all.data() + 4 * n},
        scratch.data());
    all.insert(all.end(), d.begin(), d.end());
    all.insert(all.end(), y.begin(), y.end());
    all.push_back(static_cast<float>(sum_of_squares(rows * n, x.data())));
    results.push_back(all);
  }
  omp_set_num_threads(before);
  EXPECT_EQ(results[0], results[1]);
  EXPECT_EQ(results[0], results[2]);
}

}  // namespace
}  // namespace initlab::compute
