#include "compute/mixout.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/random.hpp"
#include "compute/reference/mixout.hpp"

namespace initlab::compute {
namespace {

constexpr std::uint64_t kKey = 0x0123456789abcdefULL;

std::vector<float> normals(std::int64_t n, std::uint64_t first) {
  const base::Stream stream(11, "mixout");
  std::vector<float> x(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(stream.normal(first + i));
  return x;
}

TEST(Mixout, IsThePapersFormulaAndItsDerivative) {
  const std::int64_t rows = 37, columns = 300;
  const std::vector<float> t = normals(rows * columns, 0), w = normals(rows * columns, 1u << 20);
  for (const MixUnit unit : {MixUnit::weight, MixUnit::neuron})
    for (const double p : {0.25, 0.5, 0.875}) {
      const DropoutSite site = dropout_site(p, kKey, 5, 9);
      std::vector<float> mixed(w.size()), dw(w.size(), 1.0f);
      mixout_forward(site, unit, rows, columns, t.data(), w.data(), mixed.data());
      mixout_backward(site, unit, rows, columns, dw.data());
      for (std::size_t i = 0; i < w.size(); ++i) {
        const auto twin =
            reference::mixout(p, unit, {.key = kKey, .step = 5, .site = 9},
                              static_cast<std::uint32_t>(i / static_cast<std::size_t>(columns)),
                              static_cast<std::uint32_t>(i % static_cast<std::size_t>(columns)), t[i], w[i]);
        // Three roundings of terms no larger than (|t| + |w|) / (1 - p).
        ASSERT_NEAR(mixed[i], twin.value, 4 * 6e-8 * (std::fabs(t[i]) + std::fabs(w[i])) / (1 - p)) << i;
        ASSERT_EQ(dw[i], static_cast<float>(twin.gradient)) << i;
      }
    }
}

// Over 2^20 weights: the share that is replaced is p, and the mean of mixed - w is 0, both within 5 standard
// deviations.
TEST(Mixout, ReplacesItsShareAndKeepsTheMean) {
  const std::int64_t n = 1 << 20;
  const std::vector<float> t = normals(n, 0), w = normals(n, 1u << 21);
  for (const double p : {0.1, 0.5, 0.9}) {
    std::vector<float> mixed(w.size());
    mixout_forward(dropout_site(p, kKey, 0, 0), MixUnit::weight, 1024, n / 1024, t.data(), w.data(), mixed.data());
    const double q = std::round(p * 65536) / 65536;
    double replaced = 0, sum = 0, squares = 0;
    for (std::size_t i = 0; i < w.size(); ++i) {
      replaced += mixed[i] == t[i] ? 1 : 0;
      sum += static_cast<double>(mixed[i]) - static_cast<double>(w[i]);
      squares += std::pow(static_cast<double>(w[i]) - static_cast<double>(t[i]), 2);
    }
    const double count = static_cast<double>(n);
    EXPECT_NEAR(replaced, count * q, 5 * std::sqrt(count * q * (1 - q))) << p;
    EXPECT_NEAR(sum, 0, 5 * std::sqrt(squares * q / (1 - q))) << p;
  }
}

TEST(Mixout, ANeuronIsReplacedAsAWhole) {
  const std::int64_t rows = 64, columns = 4096;
  std::vector<float> dw(static_cast<std::size_t>(rows * columns), 1.0f);
  mixout_backward(dropout_site(0.5, kKey, 1, 2), MixUnit::neuron, rows, columns, dw.data());
  double dropped = 0;
  for (std::size_t c = 0; c < static_cast<std::size_t>(columns); ++c) {
    for (std::size_t r = 1; r < static_cast<std::size_t>(rows); ++r)
      ASSERT_EQ(dw[r * static_cast<std::size_t>(columns) + c], dw[c]);
    dropped += dw[c] == 0 ? 1 : 0;
  }
  EXPECT_NEAR(dropped, 2048, 5 * 32);
}

}  // namespace
}  // namespace initlab::compute
