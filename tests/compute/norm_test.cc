// Bias + dropout + scaled residual + LayerNorm on every instruction set that this CPU has: against the scalar twin, and
// what bf16 and missing parts change. (Gradients: tests/gradient/.)
#include "compute/norm.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "compute/each_target.hpp"
#include "compute/reference/dropout.hpp"
#include "compute/reference/norm.hpp"
#include "compute/reference/residual.hpp"
#include "compute/testing.hpp"

namespace initlab::compute {
namespace {

using testing_tools::bits_of;
using testing_tools::kEps;
using testing_tools::random_values;
using testing_tools::rounded;

class Norm : public testing_tools::EachTarget {};
INSTANTIATE_TEST_SUITE_P(Targets, Norm, testing::ValuesIn(testing_tools::target_names()), testing_tools::target_name);

TEST_P(Norm, EqualsTheTwinWithBiasDropoutAndResidual) {
  const std::vector<std::int32_t> slots = {0, 0, 3, 7, 7}, positions = {0, 1, 0, 4, 9};
  const std::int64_t rows = 5;
  for (const std::int64_t n : {1, 7, 128, 129, 384, 1100})
    for (const int parts : {0, 1, 2, 4, 7, 10, 15}) {  // of bias, residual, dropout, the residual's scale
      const bool with_bias = parts & 1, with_residual = parts & 2;
      const bool with_scale = parts & 8;
      const double p = parts & 4 ? 0.2 : 0;
      const auto x = random_values(rows * n, "x"), residual = random_values(rows * n, "residual");
      const auto bias = random_values(n, "bias"), gamma = random_values(n, "gamma"), beta = random_values(n, "beta"),
                 scale = random_values(n, "scale");
      NormInput input{
          with_bias ? bias.data() : nullptr, with_residual ? residual.data() : nullptr, dropout_site(p, 99, 3, 8), {}};
      if (with_scale) input.residual_scale = scale.data();
      if (p > 0) input.names = {slots.data(), positions.data()};
      std::vector<float> xhat = x, y(x.size()), r(5);
      std::vector<Bf16> y16(x.size());
      norm_forward({rows, n, 1e-5f}, input, gamma.data(), beta.data(), xhat.data(), y.data(), r.data(), y16.data());
      EXPECT_EQ(bits_of(y16), bits_of(rounded(y)));
      const std::vector<double> wide_gamma(gamma.begin(), gamma.end()), wide_beta(beta.begin(), beta.end());
      for (std::size_t row = 0; row < 5; ++row) {
        std::vector<double> s;
        double largest = 0;
        for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
          const std::size_t at = row * static_cast<std::size_t>(n) + i;
          const double factor =
              reference::dropout_factor(p, {99, 3, 8, static_cast<std::uint32_t>(slots[row]),
                                            static_cast<std::uint32_t>(positions[row]), static_cast<std::uint32_t>(i)});
          s.push_back(reference::residual_sum(
              with_scale ? static_cast<double>(scale[i]) : 1, with_residual ? static_cast<double>(residual[at]) : 0,
              1.0, factor, static_cast<double>(x[at]), with_bias ? static_cast<double>(bias[i]) : 0));
          largest = std::max(largest, std::fabs(s.back()));
        }
        const auto expected = reference::layer_norm(s, 1e-5, wide_gamma.data(), wide_beta.data());
        for (std::size_t i = 0; i < s.size(); ++i) {
          // n terms in at least 4 partial sums; an error in s is amplified by 1 / deviation.
          const double bound = (static_cast<double>(n) / 4 + 8) * kEps;
          const double tolerance =
              bound * (4 * largest * static_cast<double>(r[row]) * std::fabs(wide_gamma[i]) + std::fabs(wide_beta[i]));
          ASSERT_NEAR(y[row * s.size() + i], expected[i], tolerance)
              << "n " << n << " parts " << parts << " row " << row << " feature " << i;
          ASSERT_NEAR(y[row * s.size() + i], gamma[i] * xhat[row * s.size() + i] + beta[i], 1e-5)
              << "xhat is what the backward pass takes it for";
        }
      }
    }
}

TEST_P(Norm, ARowWithoutVarianceGivesTheShift) {
  std::vector<float> x(16, 0.0f), y(16), gamma(16, 1.0f), beta(16, 0.5f), r(1);
  norm_forward({1, 16, 1e-12f}, {}, gamma.data(), beta.data(), x.data(), y.data(), r.data());
  for (const float v : y) EXPECT_EQ(v, 0.5f);
  EXPECT_NEAR(r[0], 1e6, 1);
}

// dx in bf16 is the f32 one rounded; the sums over rows are those of f32. What is not asked for changes nothing else.
TEST_P(Norm, BackwardRoundsDxAndKeepsItsSums) {
  const std::int64_t rows = 39;
  std::vector<std::int32_t> slots, positions;
  for (std::int32_t r = 0; r < rows; ++r) {
    slots.push_back(r / 7);
    positions.push_back(r % 7);
  }
  for (const std::int64_t n : {21, 128, 1100})
    for (const double p : {0.0, 0.3}) {
      const auto dy = random_values(rows * n, "dy"), xhat = random_values(rows * n, "xhat"),
                 gamma = random_values(n, "gamma"), inverse = random_values(rows, "inverse");
      const NormInput input{nullptr, nullptr, dropout_site(p, 11, 2, 3), {slots.data(), positions.data()}};
      const auto size = static_cast<std::size_t>(n);
      std::vector<float> scratch(static_cast<std::size_t>(norm_backward_scratch(n)));
      struct Sums {
        std::vector<float> bias, gamma, beta;
      };
      const auto run = [&](const float* from, Cells dx, float* dresidual, bool with_bias) {
        Sums sums{std::vector<float>(size, 1.0f), std::vector<float>(size, 2.0f), std::vector<float>(size, 3.0f)};
        norm_backward({rows, n}, input, gamma.data(), xhat.data(), inverse.data(), from,
                      {dresidual, dx, with_bias ? sums.bias.data() : nullptr, sums.gamma.data(), sums.beta.data()},
                      scratch.data());
        return sums;
      };
      std::vector<float> dx(dy.size()), dresidual(dy.size()), in_place = dy, alone = dy;
      std::vector<Bf16> dx16(dy.size());
      const Sums all = run(dy.data(), dx.data(), dresidual.data(), true);
      const Sums narrow = run(in_place.data(), dx16.data(), in_place.data(), true);
      const Sums least = run(alone.data(), alone.data(), nullptr, false);
      EXPECT_EQ(bits_of(dx16), bits_of(rounded(dx)));
      EXPECT_EQ(in_place, dresidual) << "dresidual may be dy";
      EXPECT_EQ(alone, dx) << "dx may be dy";
      for (const Sums* other : {&narrow, &least}) {
        EXPECT_EQ(other->gamma, all.gamma);
        EXPECT_EQ(other->beta, all.beta);
      }
      EXPECT_EQ(narrow.bias, all.bias) << "summed before rounding";
      EXPECT_EQ(least.bias, std::vector<float>(size, 1.0f));
      for (std::size_t i = 0; i < size; ++i) {
        double sum = 1, magnitude = 1;
        for (std::size_t r = 0; r < static_cast<std::size_t>(rows); ++r) {
          sum += static_cast<double>(dx[r * size + i]);
          magnitude += std::fabs(static_cast<double>(dx[r * size + i]));
        }
        ASSERT_NEAR(all.bias[i], sum, (16 + 4) * kEps * magnitude) << "groups of 16 rows, then 3 groups";
      }
    }
}

// A scale of ones is no scale, bit by bit, in both directions; and its gradient is summed as the others are.
TEST_P(Norm, AScaleOfOnesChangesNoBit) {
  const std::int64_t rows = 39, n = 133;
  std::vector<std::int32_t> slots, positions;
  for (std::int32_t r = 0; r < rows; ++r) {
    slots.push_back(r / 7);
    positions.push_back(r % 7);
  }
  const auto x = random_values(rows * n, "x"), residual = random_values(rows * n, "residual"),
             dy = random_values(rows * n, "dy"), bias = random_values(n, "bias"), gamma = random_values(n, "gamma"),
             beta = random_values(n, "beta");
  const std::vector<float> ones(static_cast<std::size_t>(n), 1.0f);
  const auto size = static_cast<std::size_t>(n);
  const auto run = [&](const float* scale, std::vector<float>* dscale) {
    const NormInput input{
        bias.data(), residual.data(), dropout_site(0.3, 11, 2, 3), {slots.data(), positions.data()}, scale};
    std::vector<float> xhat = x, y(x.size()), inverse(static_cast<std::size_t>(rows)), dresidual(x.size()),
                       dx(x.size()), scratch(static_cast<std::size_t>(norm_backward_scratch(n)));
    std::vector<float> dbias(size), dgamma(size), dbeta(size);
    norm_forward({rows, n, 1e-6f}, input, gamma.data(), beta.data(), xhat.data(), y.data(), inverse.data());
    norm_backward({rows, n}, input, gamma.data(), xhat.data(), inverse.data(), dy.data(),
                  {dresidual.data(), dx.data(), dbias.data(), dgamma.data(), dbeta.data(),
                   dscale == nullptr ? nullptr : dscale->data()},
                  scratch.data());
    return std::vector<std::vector<float>>{xhat, y, inverse, dresidual, dx, dbias, dgamma, dbeta};
  };
  std::vector<float> dscale(size, 2.0f);
  const auto plain = run(nullptr, nullptr);
  EXPECT_EQ(run(ones.data(), &dscale), plain);
  EXPECT_EQ(run(ones.data(), nullptr), plain) << "a fixed scale has no gradient";
  for (std::size_t i = 0; i < size; ++i) {
    double sum = 2, magnitude = 2;
    for (std::size_t r = 0; r < static_cast<std::size_t>(rows); ++r) {
      const double term = static_cast<double>(plain[3][r * size + i]) * static_cast<double>(residual[r * size + i]);
      sum += term;
      magnitude += std::fabs(term);
    }
    ASSERT_NEAR(dscale[i], sum, (16 + 4) * kEps * magnitude) << "groups of 16 rows, then 3 groups";
  }
}

}  // namespace
}  // namespace initlab::compute
