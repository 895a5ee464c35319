// The long run of the simulations: the numbers of docs/STATISTICS.md, printed as its tables, and held to what it
// claims.
#include <gtest/gtest.h>

#include <cstdio>

#include "simulation.hpp"

namespace initlab::compare::simulation {
namespace {

constexpr int kMany = 20'000;
constexpr int kSlow = 2'000;  // where an experiment resamples

double percent(const Rate& rate) { return 100 * rate.value; }

void print(const std::string& what, const Rate& rate) {
  std::printf("%-60s %6.2f %%  (%d experiments)\n", what.c_str(), percent(rate), rate.experiments);
  std::fflush(stdout);
}

void expect_at_most(const std::string& what, const Rate& rate, double alpha) {
  print(what, rate);
  EXPECT_LE(rate.value, alpha + 3 * rate.error(alpha)) << what;
}

void expect_covers(const std::string& what, const Rate& rate, double low, double high) {
  print(what, rate);
  EXPECT_GE(rate.value, low) << what;
  EXPECT_LE(rate.value, high) << what;
}

TEST(Coverage, OfMeansAtFewSeeds) {
  for (const std::size_t n : {6u, 8u, 12u})
    for (const auto& [errors, name] : all_errors()) {
      const std::string where = ", " + name + ", n = " + std::to_string(n);
      const Rate t = mean_coverage(kMany, by_t, errors, n), flips = mean_coverage(kMany, by_sign_flip, errors, n);
      if (errors == Errors::normal) {
        expect_covers("t" + where, t, 0.93, 0.97);
        expect_covers("sign-flip" + where, flips, 0.93, n == 6 ? 0.98 : 0.97);  // 1 - 2/64 at 6
      } else {
        print("t" + where, t);
        print("sign-flip" + where, flips);
      }
    }
}

TEST(Coverage, OfTheBootstrap) {
  for (const std::size_t n : {8u, 50u, 100u})
    for (const auto& [errors, name] : all_errors()) {
      const Rate rate = mean_coverage(kSlow, by_bca, errors, n);
      const std::string what = "BCa, " + name + ", n = " + std::to_string(n);
      if (n >= kBootstrapNeeds && errors == Errors::normal) {
        expect_covers(what, rate, 0.92, 0.97);
      } else {
        print(what, rate);
      }
    }
}

TEST(Coverage, OfEffectSizes) {
  for (const std::size_t n : {8u, 20u})
    for (const double truth : {0.0, 1.0, 3.0}) {
      const Rate covered = dz_coverage(kSlow / 2, truth, n);
      expect_covers("d_z of " + std::to_string(truth) + ", n = " + std::to_string(n), covered,
                    0.95 - 3 * covered.error(0.95), 0.95 + 3 * covered.error(0.95));
    }
  for (const std::size_t n : {8u, 20u})
    for (const double shift : {0.0, 0.5, 2.0})
      for (const double correlation : {0.0, 0.7})
        expect_covers("P(improvement), shift " + std::to_string(shift) + ", correlation " +
                          std::to_string(correlation) + ", n = " + std::to_string(n),
                      improvement_coverage(kMany, shift, correlation, n), 0.93, 1);
}

TEST(FalseClaims, OfPairedTests) {
  for (const std::size_t n : {8u, 12u})
    for (const auto& [errors, name] : all_errors()) {
      const std::string where = ", " + name + ", n = " + std::to_string(n);
      const Rate flips = false_claims(kMany, sign_flip_p, errors, n),
                 ranks = false_claims(kMany, wilcoxon_p, errors, n);
      if (errors == Errors::skewed) {
        print("sign-flip" + where, flips);
        print("signed rank" + where, ranks);
      } else {
        expect_at_most("sign-flip" + where, flips, 0.05);
        expect_at_most("signed rank" + where, ranks, 0.05);
      }
    }
  expect_at_most("signed rank, normal approximation, n = 60", false_claims(kSlow, wilcoxon_p, Errors::normal, 60),
                 0.05);
  for (const double deviation : {0.5, 3.0})
    expect_at_most("TOST at its margin, deviation " + std::to_string(deviation),
                   false_equivalences(kMany, deviation, 8), 0.05);
  for (const int examples : {30, 100, 400}) {
    expect_at_most("McNemar exact, examples " + std::to_string(examples), false_mcnemar(kMany, false, examples), 0.05);
    expect_at_most("McNemar mid-p, examples " + std::to_string(examples), false_mcnemar(kMany, true, examples), 0.05);
  }
}

TEST(FalseClaims, OfSurvival) {
  for (const double correlation : {0.0, 0.7}) {
    const std::string correlated = ", correlation " + std::to_string(correlation);
    for (const std::size_t n : {8u, 20u}) {
      const int experiments = n == 8 ? kMany : kSlow;
      const std::string where = correlated + ", n = " + std::to_string(n);
      expect_at_most("paired log-rank" + where, false_log_rank(experiments, true, correlation, n), 0.05);
      expect_at_most("restricted mean" + where, false_restricted_mean(experiments, correlation, n), 0.05);
    }
    print("log-rank, chi-squared" + correlated + ", n = 8", false_log_rank(kMany, false, correlation, 8));
    expect_at_most("log-rank, chi-squared" + correlated + ", n = 50", false_log_rank(kSlow * 2, false, correlation, 50),
                   0.05);
  }
}

TEST(FalseClaims, OfFamiliesAndLooks) {
  print("5 arms, unadjusted", any_false_claim(kMany, false, 5, 8));
  expect_at_most("5 arms, Holm", any_false_claim(kMany, true, 5, 8), 0.05);
  std::printf("false discovery rate, 6 arms, half of them better: %.2f %%\n", 100 * false_discovery_rate(kMany, 6, 8));
  const std::vector<std::vector<std::size_t>> plans = {{6, 8, 10, 12}, {8, 16}, {8, 12, 16, 20}};
  for (const auto& plan : plans) {
    const std::string where = std::to_string(plan.size()) + " looks up to " + std::to_string(plan.back()) + " pairs, ";
    const int experiments = plan.back() > 12 ? kSlow * 2 : kMany;
    print(where + "unadjusted", false_looks(experiments, Peeking::unadjusted, plan));
    expect_at_most(where + "O'Brien-Fleming", false_looks(experiments, Peeking::obrien_fleming, plan), 0.05);
    expect_at_most(where + "Pocock", false_looks(experiments, Peeking::pocock, plan), 0.05);
  }
}

TEST(FalseClaims, OfDominance) {
  for (const std::size_t n : {5u, 8u, 10u, 20u, 50u}) {
    const std::string where = ", n = " + std::to_string(n);
    print("eps_min < 0.5" + where, false_dominance(kSlow, 0.5, n));
    const Rate rate = false_dominance(kSlow, kDominanceBorder, n);
    if (n >= kDominanceNeeds) {
      expect_at_most("eps_min < 0.2" + where, rate, 0.05);
    } else {
      print("eps_min < 0.2" + where, rate);
    }
  }
}

TEST(FalseClaims, OfTheMultiBootstrap) {
  const std::vector<std::pair<std::string, Parts>> cases = {{"seeds vary", {1, 0.1, 0.1}},
                                                            {"examples vary", {0.01, 1, 0.1}},
                                                            {"both vary alike", {0.1, 1, 0.1}},
                                                            {"all three alike", {0.1, 1, 3}}};
  for (const std::size_t runs : {5u, 8u, 20u})
    for (const auto& [name, parts] : cases)
      expect_at_most("multi-bootstrap, " + name + ", runs " + std::to_string(runs),
                     false_multi_bootstrap(kSlow, parts, runs, 100), 0.05);
}

}  // namespace
}  // namespace initlab::compare::simulation
