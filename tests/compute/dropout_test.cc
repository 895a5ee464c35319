// Dropout bits against the twin on every instruction set that this CPU has, their statistics, and their use.
#include "compute/dropout.hpp"

#include <gtest/gtest.h>
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "compute/each_target.hpp"
#include "compute/reference/dropout.hpp"
#include "compute/testing.hpp"

namespace initlab::compute {
namespace {

constexpr std::uint64_t kKey = 0x0123456789abcdefULL;

std::vector<float> factors(const DropoutSite& site, std::int32_t slot, std::int32_t position, std::int64_t n) {
  std::vector<float> all;
  for (std::int64_t first = 0; first < n; first += kDropoutBlock) {
    float block[kDropoutBlock];
    dropout_factors(site, slot, position, first, block);
    all.insert(all.end(), block, block + std::min(kDropoutBlock, n - first));
  }
  return all;
}

class DropoutBits : public testing_tools::EachTarget {};
INSTANTIATE_TEST_SUITE_P(Targets, DropoutBits, testing::ValuesIn(testing_tools::target_names()),
                         testing_tools::target_name);

TEST_P(DropoutBits, AreTheTwins) {
  for (const double p : {0.1, 0.5, 0.001})
    for (const std::uint32_t site : {0u, 5u, 4095u, 4096u, (1u << 26) - 1})
      for (const std::int32_t slot : {0, 31, (1 << 20) - 1})
        for (const std::int32_t position : {0, 511}) {
          const auto got = factors(dropout_site(p, kKey, 17, site), slot, position, 300);
          for (std::uint32_t f = 0; f < 300; ++f)
            ASSERT_EQ(got[f],
                      static_cast<float>(reference::dropout_factor(p, {kKey, 17, site, static_cast<std::uint32_t>(slot),
                                                                       static_cast<std::uint32_t>(position), f})))
                << "p " << p << " site " << site << " slot " << slot << " position " << position << " feature " << f;
        }
}

TEST(Dropout, KeepsTheStatedShareAndItsMean) {
  const std::int64_t n = 1 << 20;
  for (const double p : {0.1, 0.25, 0.9}) {
    const DropoutSite site = dropout_site(p, kKey, 3, 2);
    std::int64_t dropped = 0;
    double sum = 0;
    for (std::int32_t position = 0; position < n / 1024; ++position)
      for (const float f : factors(site, 0, position, 1024)) {
        dropped += f == 0 ? 1 : 0;
        sum += static_cast<double>(f);
      }
    const double q = std::round(p * 65536) / 65536, count = static_cast<double>(n);
    const double sigma = std::sqrt(count * q * (1 - q));
    EXPECT_NEAR(static_cast<double>(dropped), count * q, 5 * sigma) << "p " << p;
    EXPECT_NEAR(sum / count, 1, 5 * sigma / count / (1 - q)) << "p " << p;
  }
}

// Any change of a name gives bits that agree with the old ones as often as independent bits do: (1-p)^2 + p^2.
TEST(Dropout, NamesGiveIndependentBits) {
  const std::int64_t n = 1 << 16;
  const DropoutSite base = dropout_site(0.5, kKey, 1, 1);
  const auto bits = factors(base, 1, 1, n);
  const std::vector<std::vector<float>> others = {factors(dropout_site(0.5, kKey + 1, 1, 1), 1, 1, n),
                                                  factors(dropout_site(0.5, kKey, 2, 1), 1, 1, n),
                                                  factors(base.at(2), 1, 1, n),
                                                  factors(base.at(1 + 4096), 1, 1, n),
                                                  factors(base, 2, 1, n),
                                                  factors(base, 1, 2, n)};
  for (std::size_t o = 0; o < others.size(); ++o) {
    std::int64_t equal = 0;
    for (std::size_t i = 0; i < bits.size(); ++i) equal += bits[i] == others[o][i] ? 1 : 0;
    EXPECT_NEAR(static_cast<double>(equal), 0.5 * static_cast<double>(n), 5 * std::sqrt(0.25 * static_cast<double>(n)))
        << o;
  }
}

// Row lengths with and without a rest of a vector and of a Philox block.
TEST_P(DropoutBits, ApplyToRowsOfAnyLength) {
  const std::vector<std::int32_t> slots = {3, 0}, positions = {1, 511};
  const DropoutSite site = dropout_site(0.3, kKey, 9, 4);
  for (const std::int64_t n : {1, 7, 8, 9, 16, 31, 63, 64, 65, 128, 200, 384, 391}) {
    auto x = testing_tools::random_values(2 * n, "x");
    const auto before = x;
    dropout_apply(site, {slots.data(), positions.data()}, 2, n, x.data());
    for (std::size_t i = 0; i < x.size(); ++i) {
      const std::size_t row = i / static_cast<std::size_t>(n);
      const double factor = reference::dropout_factor(
          0.3, {kKey, 9, 4, static_cast<std::uint32_t>(slots[row]), static_cast<std::uint32_t>(positions[row]),
                static_cast<std::uint32_t>(i % static_cast<std::size_t>(n))});
      ASSERT_EQ(x[i], before[i] * static_cast<float>(factor)) << "n " << n << " element " << i;
    }
  }
}

TEST(Dropout, AppliesTheFactorsOfEachRowWithAnyNumberOfThreads) {
  const std::int64_t rows = 37, n = 200;
  std::vector<std::int32_t> slots, positions;
  for (std::int32_t r = 0; r < rows; ++r) {
    slots.push_back(r / 5);
    positions.push_back(r % 5);
  }
  const DropoutSite site = dropout_site(0.3, kKey, 9, 4);
  const auto x = testing_tools::random_values(rows * n, "x");
  const int threads = omp_get_max_threads();
  for (const int t : {1, 3}) {
    omp_set_num_threads(t);
    auto y = x;
    dropout_apply(site, {slots.data(), positions.data()}, rows, n, y.data());
    for (std::size_t r = 0; r < static_cast<std::size_t>(rows); ++r) {
      const auto f = factors(site, slots[r], positions[r], n);
      for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i)
        ASSERT_EQ(y[r * 200 + i], x[r * 200 + i] * f[i]) << t << " threads, row " << r;
    }
  }
  omp_set_num_threads(threads);
}

TEST(Dropout, ExtremeProbabilities) {
  EXPECT_FALSE(dropout_site(0, kKey, 0, 0).active());
  EXPECT_FALSE(dropout_site(1e-7, kKey, 0, 0).active()) << "below half of 1/65536";
  const DropoutSite most = dropout_site(0.999999, kKey, 0, 0);
  EXPECT_TRUE(std::isfinite(most.scale));
}

}  // namespace
}  // namespace initlab::compute
