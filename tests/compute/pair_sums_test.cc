// Sums over two vectors, on every instruction set that this CPU has.
#include "compute/pair_sums.hpp"

#include <gtest/gtest.h>
#include <omp.h>

#include <cmath>
#include <limits>
#include <vector>

#include "compute/each_target.hpp"
#include "compute/reference/pair_sums.hpp"
#include "compute/testing.hpp"

namespace initlab::compute {
namespace {

class PairSumsKernel : public testing_tools::EachTarget {};
INSTANTIATE_TEST_SUITE_P(Targets, PairSumsKernel, testing::ValuesIn(testing_tools::target_names()),
                         testing_tools::target_name);

TEST_P(PairSumsKernel, EqualTheTwin) {
  for (const std::int64_t n : {0, 1, 3, 64, 1001, 200'003}) {
    const auto x = testing_tools::random_values(n, "x"), y = testing_tools::random_values(n, "y");
    const PairSums sums = pair_sums(x, y);
    const reference::PairSums expected = reference::pair_sums(x, y);
    const double error = (65536.0 + static_cast<double>(n) / 65536) * 0x1p-53;
    const auto near = [&](double got, long double wanted, long double scale) {
      EXPECT_NEAR(got, static_cast<double>(wanted), error * static_cast<double>(scale)) << n;
    };
    near(sums.xx, expected.xx, expected.xx);
    near(sums.yy, expected.yy, expected.yy);
    near(sums.xy, expected.xy, std::sqrt(expected.xx * expected.yy));
    near(sums.difference, expected.difference, expected.difference);
    EXPECT_EQ(sums.opposite, static_cast<double>(expected.opposite)) << n;
  }
}

TEST_P(PairSumsKernel, ZerosAndTheSmallestNumbersHaveTheirSigns) {
  const float tiny = 1e-30f;
  const std::vector<float> x = {tiny, -tiny, 0.0f, -0.0f, 5.0f, -1.0f, 2.0f};
  const std::vector<float> y = {-tiny, -tiny, -1.0f, 1.0f, -tiny, 1.0f, 0.0f};
  EXPECT_EQ(pair_sums(x, y).opposite, 3);
}

TEST_P(PairSumsKernel, ThreadsChangeNoBit) {
  const auto x = testing_tools::random_values(500'000, "x"), y = testing_tools::random_values(500'000, "y");
  const int before = omp_get_max_threads();
  std::vector<PairSums> all;
  for (const int threads : {1, 3}) {
    omp_set_num_threads(threads);
    all.push_back(pair_sums(x, y));
  }
  omp_set_num_threads(before);
  EXPECT_EQ(all[0].xx, all[1].xx);
  EXPECT_EQ(all[0].xy, all[1].xy);
  EXPECT_EQ(all[0].difference, all[1].difference);
}

}  // namespace
}  // namespace initlab::compute
