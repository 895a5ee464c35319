// Bias + dropout + residual without a LayerNorm on every instruction set that this CPU has: against the scalar twin,
// and what bf16 and the number of threads change. (Gradients: tests/gradient/.)
#include "compute/residual.hpp"

#include <gtest/gtest.h>
#include <omp.h>

#include <cmath>
#include <vector>

#include "compute/each_target.hpp"
#include "compute/reference/dropout.hpp"
#include "compute/reference/residual.hpp"
#include "compute/testing.hpp"

namespace initlab::compute {
namespace {

using testing_tools::bits_of;
using testing_tools::kEps;
using testing_tools::random_values;
using testing_tools::rounded;

class Residual : public testing_tools::EachTarget {};
INSTANTIATE_TEST_SUITE_P(Targets, Residual, testing::ValuesIn(testing_tools::target_names()),
                         testing_tools::target_name);

TEST_P(Residual, EqualsTheTwin) {
  const std::vector<std::int32_t> slots = {0, 0, 3, 7, 7}, positions = {0, 1, 0, 4, 9};
  const std::int64_t rows = 5;
  for (const std::int64_t n : {1, 7, 128, 129, 1100})
    for (const double p : {0.0, 0.2})
      for (const float scale : {0.0f, 1.0f, -0.7f}) {
        const auto x = random_values(rows * n, "x"), residual = random_values(rows * n, "residual"),
                   bias = random_values(n, "bias");
        const ResidualInput input{
            bias.data(), residual.data(), &scale, dropout_site(p, 99, 3, 8), {slots.data(), positions.data()}};
        std::vector<float> branch = x, y(x.size());
        std::vector<Bf16> y16(x.size());
        residual_forward(rows, n, input, branch.data(), y.data(), y16.data());
        EXPECT_EQ(bits_of(y16), bits_of(rounded(y)));
        for (std::size_t at = 0; at < x.size(); ++at) {
          const std::size_t row = at / static_cast<std::size_t>(n), i = at % static_cast<std::size_t>(n);
          const double factor =
              reference::dropout_factor(p, {99, 3, 8, static_cast<std::uint32_t>(slots[row]),
                                            static_cast<std::uint32_t>(positions[row]), static_cast<std::uint32_t>(i)});
          const auto sum = [&](double shortcut, double of_branch) {
            return reference::residual_sum(shortcut, static_cast<double>(residual[at]), of_branch, factor,
                                           static_cast<double>(x[at]), static_cast<double>(bias[i]));
          };
          const double expected = sum(1, static_cast<double>(scale)), kept = sum(0, 1);
          const double size = std::fabs(static_cast<double>(x[at])) + std::fabs(static_cast<double>(bias[i]));
          ASSERT_NEAR(branch[at], kept, 3 * kEps * factor * size) << "n " << n << " p " << p;
          ASSERT_NEAR(y[at], expected, 4 * kEps * (factor * size + std::fabs(static_cast<double>(residual[at]))))
              << "n " << n << " p " << p << " scale " << scale;
          if (scale == 0) {
            ASSERT_EQ(y[at], residual[at]) << "a closed branch adds nothing";
          }
        }
      }
}

// dx in bf16 is the f32 one rounded, sums are those of f32, and threads change no bit.
TEST_P(Residual, BackwardRoundsDxAndKeepsItsSums) {
  const std::int64_t rows = 39, n = 133;
  std::vector<std::int32_t> slots, positions;
  for (std::int32_t r = 0; r < rows; ++r) {
    slots.push_back(r / 7);
    positions.push_back(r % 7);
  }
  const float scale = 0.7f;
  const auto branch = random_values(rows * n, "branch"), dy = random_values(rows * n, "dy");
  const ResidualInput input{nullptr, nullptr, &scale, dropout_site(0.3, 11, 2, 3), {slots.data(), positions.data()}};
  const auto size = static_cast<std::size_t>(n);
  std::vector<float> scratch(static_cast<std::size_t>(residual_backward_scratch(n)));
  const auto run = [&](Cells dx) {
    std::vector<float> sums(size + 1, 1.0f);  // dbias and, last, dscale
    residual_backward(rows, n, input, branch.data(), dy.data(), {dx, sums.data(), &sums.back()}, scratch.data());
    return sums;
  };
  std::vector<float> dx(dy.size()), again(dy.size());
  std::vector<Bf16> dx16(dy.size());
  const int threads = omp_get_max_threads();
  omp_set_num_threads(1);
  const std::vector<float> sums = run(dx.data());
  omp_set_num_threads(3);
  EXPECT_EQ(run(again.data()), sums);
  omp_set_num_threads(threads);
  EXPECT_EQ(again, dx);
  EXPECT_EQ(run(dx16.data()), sums) << "summed before rounding";
  EXPECT_EQ(bits_of(dx16), bits_of(rounded(dx)));
  double dscale = 1, magnitude = 1;
  for (std::size_t i = 0; i < dy.size(); ++i) {
    dscale += static_cast<double>(dy[i]) * static_cast<double>(branch[i]);
    magnitude += std::fabs(static_cast<double>(dy[i]) * static_cast<double>(branch[i]));
  }
  EXPECT_NEAR(sums.back(), dscale, (16 + 2) * kEps * magnitude) << "groups of 16 rows in float, the rest in double";
}

}  // namespace
}  // namespace initlab::compute
