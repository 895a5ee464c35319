// Numbers against scipy and rational arithmetic (golden.json), and the rates that a test promises, by simulation.
#include "compare/statistics.hpp"
#include "compare/sign_flip.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "base/file.hpp"
#include "base/json.hpp"
#include "base/random.hpp"
#include "paths.hpp"

namespace initlab::compare {
namespace {

using Numbers = std::vector<double>;

const base::Json& golden() {
  static const std::string path = initlab::paths::source_dir() + "/tests/compare/golden.json";
  static const base::Json json = base::parse_json(base::read_file(path), path);
  return json;
}

TEST(Golden, IntervalsAreScipys) {
  for (const base::Json& item : golden().at("intervals")) {
    const auto values = item.at("values").get<Numbers>();
    const Interval interval = student_t_interval(values, item.at("level").get<double>());
    EXPECT_NEAR(interval.low, item.at("interval").at(0).get<double>(), 1e-9) << item.dump();
    EXPECT_NEAR(interval.high, item.at("interval").at(1).get<double>(), 1e-9) << item.dump();
    EXPECT_NEAR(mean(values), item.at("mean").get<double>(), 1e-12);
    EXPECT_NEAR(stddev(values), item.at("std").get<double>(), 1e-12);
  }
}

TEST(Golden, SignFlipPIsScipys) {
  for (const base::Json& item : golden().at("sign_flip"))
    EXPECT_NEAR(sign_flip_p(item.at("differences").get<Numbers>()), item.at("p").get<double>(), 1e-9) << item.dump();
}

// Shares of an evaluation set tie in theory and differ in their last bits; the golden p is rational arithmetic's.
TEST(Golden, TiesOfSharesCount) {
  for (const base::Json& item : golden().at("ties")) {
    const auto size = item.at("size").get<double>();
    const auto arm = item.at("arm").get<Numbers>(), baseline = item.at("baseline").get<Numbers>();
    Numbers differences;
    for (std::size_t i = 0; i < arm.size(); ++i) differences.push_back(arm[i] / size - baseline[i] / size);
    EXPECT_NEAR(sign_flip_p(differences), item.at("p").get<double>(), 1e-9) << item.dump();
  }
}

// Above 20 pairs the patterns are drawn: within 4 standard errors of the exact p, and never 0.
TEST(Golden, MonteCarloIsNearTheExactP) {
  for (const base::Json& item : golden().at("monte_carlo")) {
    const auto differences = item.at("differences").get<Numbers>();
    const double exact = item.at("p").get<double>(), p = sign_flip_p(differences);
    const double error = std::sqrt(exact * (1 - exact) / static_cast<double>(kRandomPatterns));
    EXPECT_NEAR(p, exact, 4 * error + 1.0 / static_cast<double>(kRandomPatterns)) << differences.size() << " pairs";
    EXPECT_EQ(p, sign_flip_p(differences)) << "seeded: the same every time";
  }
  EXPECT_EQ(sign_flip_p(Numbers(80, 1.0)), 1.0 / (static_cast<double>(kRandomPatterns) + 1));
}

// The golden sets are scipy's t test, inverted root by root.
TEST(Golden, FiellerSetsInvertScipysTest) {
  std::map<std::string, int> seen;
  for (const base::Json& item : golden().at("fieller")) {
    const auto denominators = item.at("denominators").get<Numbers>();
    const double level = item.at("level").get<double>();
    const RatioSet set = fieller(item.at("numerators").get<Numbers>(), denominators, level);
    const std::string kind = item.at("kind").get<std::string>();
    ++seen[kind];
    EXPECT_EQ(set.kind == RatioSet::Kind::interval, kind == "interval") << item.dump();
    EXPECT_EQ(set.kind == RatioSet::Kind::everything, kind == "everything") << item.dump();
    const Interval gain = student_t_interval(denominators, level);
    EXPECT_EQ(set.kind == RatioSet::Kind::interval, gain.low > 0 || gain.high < 0) << "bounded: the gain is not 0";
    if (kind == "everything") continue;
    const double low = item.at("low").get<double>(), high = item.at("high").get<double>();
    EXPECT_NEAR(set.low, low, 1e-9 * std::max(1.0, low * low)) << item.dump();  // the golden roots are angles
    EXPECT_NEAR(set.high, high, 1e-9 * std::max(1.0, high * high)) << item.dump();
  }
  EXPECT_EQ(seen.size(), 3u);
}

TEST(Fieller, CasesByHand) {
  using Kind = RatioSet::Kind;
  const Numbers gains{0.3, 0.4, 0.5};
  const RatioSet all = fieller(gains, gains, 0.95);  // the arm is the one that has it all
  EXPECT_EQ(all.kind, Kind::interval);
  EXPECT_EQ(all.low, 1);
  EXPECT_EQ(all.high, 1);
  const RatioSet none = fieller(Numbers{0, 0, 0}, gains, 0.95);
  EXPECT_EQ(none.low, 0);
  EXPECT_EQ(none.high, 0);
  const RatioSet half = fieller(Numbers{0.15, 0.2, 0.25}, gains, 0.95);  // no rounding is squared into a width
  EXPECT_NEAR(half.low, 0.5, 1e-15);
  EXPECT_NEAR(half.high, 0.5, 1e-15);
  // A denominator without spread: the interval is the numerator's, divided.
  const Numbers kept{0.1, 0.2, 0.35};
  const Interval plain = student_t_interval(kept, 0.95);
  const RatioSet fixed = fieller(kept, Numbers{0.5, 0.5, 0.5}, 0.95);
  EXPECT_NEAR(fixed.low, plain.low / 0.5, 1e-14);
  EXPECT_NEAR(fixed.high, plain.high / 0.5, 1e-14);
  // No gain in any replicate: nothing is known of a share of it.
  EXPECT_EQ(fieller(kept, Numbers{0, 0, 0}, 0.95).kind, Kind::everything);
  EXPECT_EQ(fieller(Numbers{1, 1, 1}, Numbers{-0.1, 0.1, 0}, 0.95).kind, Kind::outside) << "surely not near 0";
}

TEST(SignFlip, SmallCasesByHand) {
  EXPECT_EQ(sign_flip_p(Numbers{}), 1);
  EXPECT_EQ(sign_flip_p(Numbers{3.0}), 1);  // + and - are equally extreme
  EXPECT_EQ(sign_flip_p(Numbers{0.0, 0.0, 0.0}), 1);
  EXPECT_EQ(sign_flip_p(Numbers{1.0, 2.0, 3.0}), 0.25);  // 2 of 8: 6 and -6
  EXPECT_EQ(sign_flip_p(Numbers{0.1, 0.2, -0.3}), 1);    // sums to 0 in theory
  EXPECT_EQ(sign_flip_p(Numbers{1.0, 2.0, 0.0}), 0.5);   // zeros stay: they double every pattern
  EXPECT_EQ(sign_flip_p(Numbers{-1, -1, -1, -1, -1}), 0.0625);
  EXPECT_EQ(sign_flip_p(Numbers(20, 0.1)), std::ldexp(2.0, -20));
}

TEST(SignFlip, SmallestP) {
  for (std::size_t n = 1; n <= kExactPairs; ++n) EXPECT_EQ(smallest_sign_flip_p(n), sign_flip_p(Numbers(n, 0.7))) << n;
  EXPECT_EQ(smallest_sign_flip_p(0), 1);
  EXPECT_EQ(smallest_sign_flip_p(5000), 1.0 / (static_cast<double>(kRandomPatterns) + 1));
}

TEST(SignFlip, FewestPairs) {
  EXPECT_EQ(fewest_pairs(0.05), 6U);
  EXPECT_EQ(fewest_pairs(2.0 / 32), 6U) << "below, not at";
  EXPECT_EQ(fewest_pairs(0.05 / 6), 8U);
  EXPECT_EQ(fewest_pairs(0.05 / 7), 9U);
  EXPECT_EQ(fewest_pairs(1.5e-6), 21U) << "drawn patterns: 1 in 1,000,001";
  EXPECT_FALSE(fewest_pairs(1e-7).has_value());
}

TEST(Moments, OfFew) {
  EXPECT_TRUE(std::isnan(mean(Numbers{})));
  EXPECT_TRUE(std::isnan(stddev(Numbers{1.0})));
  EXPECT_DOUBLE_EQ(stddev(Numbers{1.0, 3.0}), std::sqrt(2.0));
}

TEST(MedianSteps, CountsMisses) {
  using Steps = std::vector<std::optional<std::int64_t>>;
  EXPECT_EQ(median_steps(Steps{}), std::nullopt);
  EXPECT_EQ(median_steps(Steps{30, 10, 20}), 20);
  EXPECT_EQ(median_steps(Steps{10, 20, std::nullopt, std::nullopt}), 20);        // half did by 20
  EXPECT_EQ(median_steps(Steps{10, std::nullopt, std::nullopt}), std::nullopt);  // fewer than half did
}

// Simulations: 4000 experiments of 8 pairs under no difference, seed 2025; bounds are 3 standard errors of the rate.
constexpr int kExperiments = 4000;
constexpr std::uint64_t kPairs = 8;

double three_errors(double rate) { return 3 * std::sqrt(rate * (1 - rate) / kExperiments); }

template <class Draw>
Numbers draw_pairs(int experiment, const Draw& draw) {
  Numbers differences;
  for (std::uint64_t i = 0; i < kPairs; ++i)
    differences.push_back(draw(static_cast<std::uint64_t>(experiment) * kPairs + i));
  return differences;
}

// With 8 continuous differences p is a multiple of 2/256, each as likely: P(p <= 0.05) = 6 * 2/256.
TEST(Simulation, SignFlipRejectsAtItsRateUnderAnySymmetricError) {
  const base::Stream stream(2025, "test.sign_flip");
  const auto normal = [&](std::uint64_t i) { return stream.normal(i); };
  const auto heavy = [&](std::uint64_t i) { return std::pow(stream.normal(i), 3); };  // kurtosis 46
  const double exact_rate = 12.0 / 256;
  const auto rate = [&](const auto& draw) {
    int rejected = 0;
    for (int e = 0; e < kExperiments; ++e) rejected += sign_flip_p(draw_pairs(e, draw)) <= 0.05 ? 1 : 0;
    return static_cast<double>(rejected) / kExperiments;
  };
  EXPECT_NEAR(rate(normal), exact_rate, three_errors(exact_rate));
  EXPECT_NEAR(rate(heavy), exact_rate, three_errors(exact_rate));
}

TEST(Simulation, IntervalCoversAtItsLevelUnderNormalErrors) {
  const base::Stream stream(2025, "test.interval");
  int covered = 0;
  for (int e = 0; e < kExperiments; ++e) {
    const Interval interval =
        student_t_interval(draw_pairs(e, [&](std::uint64_t i) { return 0.1 + stream.normal(i); }), 0.95);
    covered += interval.low <= 0.1 && 0.1 <= interval.high ? 1 : 0;
  }
  EXPECT_NEAR(static_cast<double>(covered) / kExperiments, 0.95, three_errors(0.95));
}

// Also where the gain is as small as its spread, so that many sets are not bounded: they count, and the level holds.
TEST(Simulation, FiellerCoversAtItsLevelHoweverSmallTheGain) {
  const base::Stream stream(2025, "test.fieller");
  const auto coverage = [&](double gain, double share) {
    int covered = 0, bounded = 0;
    for (int e = 0; e < kExperiments; ++e) {
      const Numbers x = draw_pairs(e, [&](std::uint64_t i) { return gain + stream.normal(2 * i); });
      const Numbers noise = draw_pairs(e, [&](std::uint64_t i) { return stream.normal(2 * i + 1); });
      Numbers y;
      for (std::size_t i = 0; i < x.size(); ++i) y.push_back(share * gain + 0.5 * (x[i] - gain) + noise[i]);
      const RatioSet set = fieller(y, x, 0.95);
      const bool inside = set.low <= share && share <= set.high;
      bounded += set.kind == RatioSet::Kind::interval ? 1 : 0;
      covered += set.kind == RatioSet::Kind::everything || inside == (set.kind == RatioSet::Kind::interval) ? 1 : 0;
    }
    EXPECT_NEAR(static_cast<double>(covered) / kExperiments, 0.95, three_errors(0.95)) << gain << " " << share;
    return bounded;
  };
  EXPECT_EQ(coverage(8, 0.3), kExperiments);
  EXPECT_LT(coverage(1, 0.3), kExperiments * 9 / 10);
  EXPECT_LT(coverage(0.3, -0.2), kExperiments / 2);
}

// A real difference of two standard deviations is found: by theory (noncentral t) a t test would in 99.7 % of cases.
TEST(Simulation, SignFlipFindsALargeDifference) {
  const base::Stream stream(2025, "test.power");
  int found = 0;
  for (int e = 0; e < kExperiments; ++e)
    found += sign_flip_p(draw_pairs(e, [&](std::uint64_t i) { return 2 + stream.normal(i); })) <= 0.05 ? 1 : 0;
  EXPECT_GT(static_cast<double>(found) / kExperiments, 0.97);
}

}  // namespace
}  // namespace initlab::compare
