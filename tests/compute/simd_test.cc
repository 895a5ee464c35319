// What vectorised kernels share, on every instruction set that this CPU has: exp and the normal
// distribution within their stated errors, sums over rows with a rest.
#include "compute/each_target.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "compute/simd_test.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "compute/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace initlab::compute::HWY_NAMESPACE {

void exp_all(std::int64_t n, const float* x, float* y) {
  for_lanes(n, [&](auto d, std::int64_t i) HWY_ATTR { store(d, fast_exp(d, load(d, x + i)), y + i); });
}

void bell_all(std::int64_t n, const float* x, float* y) {
  for_lanes(n, [&](auto d, std::int64_t i) HWY_ATTR { store(d, bell(d, load(d, x + i)), y + i); });
}

void tail_all(std::int64_t n, const float* a, float* y) {
  for_lanes(n, [&](auto d, std::int64_t i) HWY_ATTR { store(d, scaled_tail(d, load(d, a + i)), y + i); });
}

float sum_all(std::int64_t n, const float* x) {
  return sum_lanes(n, [&](auto d, std::int64_t i) HWY_ATTR { return load(d, x + i); });
}

}  // namespace initlab::compute::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <cmath>

#include "compute/testing.hpp"

namespace initlab::compute {
namespace {

HWY_EXPORT(exp_all);
HWY_EXPORT(bell_all);
HWY_EXPORT(tail_all);
HWY_EXPORT(sum_all);

class Simd : public testing_tools::EachTarget {};
INSTANTIATE_TEST_SUITE_P(Targets, Simd, testing::ValuesIn(testing_tools::target_names()), testing_tools::target_name);

std::vector<float> exp_of(const std::vector<float>& x) {
  std::vector<float> y(x.size());
  HWY_DYNAMIC_DISPATCH(exp_all)(std::ssize(x), x.data(), y.data());
  return y;
}

TEST_P(Simd, ExpIsWithinItsStatedError) {
  std::vector<float> x;
  for (float v = -87; v < 88; v += 0.00913f) x.push_back(v);
  const std::vector<float> y = exp_of(x);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double expected = std::exp(static_cast<double>(x[i]));
    ASSERT_NEAR(static_cast<double>(y[i]), expected, 2e-7 * expected) << x[i];
  }
  for (const std::size_t copies : {1, 16}) {  // single lanes and whole vectors
    for (const float v : exp_of(std::vector<float>(copies, 0.0f))) EXPECT_EQ(v, 1.0f);
    for (const float v : exp_of(std::vector<float>(copies, -1000.0f))) EXPECT_LT(v, 2e-38f);
    for (const float v : exp_of(std::vector<float>(copies, 1000.0f))) EXPECT_TRUE(std::isfinite(v));
    for (const float v : exp_of(std::vector<float>(copies, NAN))) EXPECT_TRUE(std::isnan(v));
  }
}

TEST_P(Simd, BellIsWithinItsStatedError) {
  std::vector<float> x;
  for (float v = -13.1f; v < 13.1f; v += 0.00217f) x.push_back(v);
  std::vector<float> y(x.size());
  HWY_DYNAMIC_DISPATCH(bell_all)(std::ssize(x), x.data(), y.data());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double argument = static_cast<double>(x[i]) * static_cast<double>(x[i]) / 2, expected = std::exp(-argument);
    ASSERT_NEAR(static_cast<double>(y[i]), expected, (1e-7 + 3 * testing_tools::kEps * argument) * expected) << x[i];
  }
}

TEST_P(Simd, ScaledTailIsWithinItsStatedError) {
  std::vector<float> a;
  for (float v = 0; v < 13.5f; v += 0.00217f) a.push_back(v);
  std::vector<float> y(a.size());
  HWY_DYNAMIC_DISPATCH(tail_all)(std::ssize(a), a.data(), y.data());
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double x = static_cast<double>(a[i]);
    const double expected = std::erfc(x / std::sqrt(2.0)) / 2 * std::exp(x * x / 2);
    ASSERT_NEAR(static_cast<double>(y[i]), expected, 5e-7 * expected) << a[i];
  }
}

// Integers below 2^24 add up exactly in any order.
TEST_P(Simd, SumsEveryElementOnce) {
  std::vector<float> x;
  float sum = 0;
  for (std::int64_t n = 0; n < 150; ++n) {
    EXPECT_EQ(HWY_DYNAMIC_DISPATCH(sum_all)(n, x.data()), sum) << n;
    x.push_back(static_cast<float>(n * n + 1));
    sum += x.back();
  }
}

}  // namespace
}  // namespace initlab::compute
#endif
