// Forward kernels against their scalar twins, with tolerances from eps and the number of terms.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "compute/loss.hpp"
#include "compute/reference/loss.hpp"
#include "compute/testing.hpp"

namespace initlab::compute {
namespace {

using testing_tools::kEps;
using testing_tools::random_values;

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

}  // namespace
}  // namespace initlab::compute
