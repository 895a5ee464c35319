// Power against statsmodels (golden_power.json), and against simulation with this project's own t interval.
#include "compare/power.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "base/file.hpp"
#include "base/json.hpp"
#include "base/random.hpp"
#include "compare/statistics.hpp"
#include "paths.hpp"

namespace initlab::compare {
namespace {

const base::Json& golden() {
  static const std::string path = initlab::paths::source_dir() + "/tests/compare/golden_power.json";
  static const base::Json json = base::parse_json(base::read_file(path), path);
  return json;
}

TEST(Power, IsStatsmodels) {
  for (const base::Json& item : golden().at("powers"))
    for (const double deviation : {1.0, 0.02})
      EXPECT_NEAR(paired_t_power(item["effect"].get<double>() * deviation, deviation, item["pairs"], item["alpha"]),
                  item["power"].get<double>(), 1e-6)
          << item.dump();
}

TEST(Power, TheDetectableEffectIsStatsmodels) {
  for (const base::Json& item : golden().at("detectable")) {
    const double effect = detectable_effect(0.02, item["pairs"], item["power"]);
    EXPECT_NEAR(effect / 0.02, item["effect"].get<double>(), 1e-4) << item.dump();  // statsmodels' root is that exact
    EXPECT_NEAR(paired_t_power(effect, 0.02, item["pairs"]), item["power"].get<double>(), 1e-6);
  }
  EXPECT_TRUE(std::isinf(detectable_effect(1, 1)));
  EXPECT_EQ(paired_t_power(1, 1, 1), 0);
}

// How often the t interval of drawn differences leaves 0 out, within 4 standard errors.
TEST(Power, IsHowOftenTheIntervalLeavesZeroOut) {
  constexpr int kTimes = 20'000;
  constexpr std::size_t kPairs = 6;
  const base::Stream stream(3, "power");
  for (const double effect : {0.5, 1.5}) {
    int found = 0;
    for (int i = 0; i < kTimes; ++i) {
      std::vector<double> differences;
      for (std::size_t k = 0; k < kPairs; ++k)
        differences.push_back(effect + stream.normal(static_cast<std::uint64_t>(i) * kPairs + k));
      const Interval interval = student_t_interval(differences, 0.95);
      found += interval.low > 0 || interval.high < 0 ? 1 : 0;
    }
    const double power = paired_t_power(effect, 1, kPairs);
    EXPECT_NEAR(static_cast<double>(found) / kTimes, power, 4 * std::sqrt(power * (1 - power) / kTimes)) << effect;
  }
}

TEST(Power, EnoughPairsAreNeverTooFewForTheSignFlipTest) {
  EXPECT_EQ(pairs_needed(100, 1), 6u) << "2 / 2^5 is above 0.05";
  for (const double effect : {0.3, 0.5, 1.0}) {
    const std::size_t n = pairs_needed(effect, 1);
    EXPECT_GE(paired_t_power(effect, 1, n), 0.8);
    EXPECT_LT(paired_t_power(effect, 1, n - 1), 0.8);
  }
  EXPECT_EQ(pairs_needed(0.001, 1, 0.8, 0.05, 1000), 0u);
}

}  // namespace
}  // namespace initlab::compare
