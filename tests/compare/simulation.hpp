// Simulated experiments whose truth is known: how often an interval covers it, how often a test claims what is not so.
// Every rate is a function of a seed and a number of experiments. simulation_test.cc runs few, coverage_test.cc many.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "compare/description.hpp"
#include "compare/dominance.hpp"
#include "compare/equivalence.hpp"
#include "compare/families.hpp"
#include "compare/looks.hpp"
#include "compare/paired_tests.hpp"
#include "compare/resampling.hpp"
#include "compare/sign_flip.hpp"
#include "compare/survival.hpp"

namespace initlab::compare::simulation {

using Numbers = std::vector<double>;

inline constexpr std::uint64_t kSeed = 2025;

// Draws one after the other from a stream of its own.
class Dice {
 public:
  explicit Dice(const std::string& name) : stream_(kSeed, name) {}
  double normal() { return stream_.normal(next_++); }
  double uniform() { return stream_.uniform(next_++); }
  std::uint64_t below(std::uint64_t bound) { return stream_.below(next_++, bound); }

 private:
  base::Stream stream_;
  std::uint64_t next_ = 0;
};

// Errors of mean 0. Skewed: exponential, skewness 2. Tied: normal, rounded to whole deviations, as accuracies of runs
// that differ by few examples. Heavy: Student's t with 3 degrees of freedom.
enum class Errors { normal, skewed, tied, heavy };
inline const std::vector<std::pair<Errors, std::string>>& all_errors() {
  static const std::vector<std::pair<Errors, std::string>> table = {
      {Errors::normal, "normal"}, {Errors::skewed, "skewed"}, {Errors::tied, "tied"}, {Errors::heavy, "heavy"}};
  return table;
}

inline double draw(Dice& dice, Errors errors) {
  switch (errors) {
    case Errors::normal:
      return dice.normal();
    case Errors::skewed:
      return -std::log1p(-dice.uniform()) - 1;
    case Errors::tied:
      return std::round(dice.normal());
    case Errors::heavy: {
      const double z = dice.normal(), a = dice.normal(), b = dice.normal(), c = dice.normal();
      return z / std::sqrt((a * a + b * b + c * c) / 3);
    }
  }
  return 0;
}

inline Numbers draws(Dice& dice, Errors errors, std::size_t n, double shift = 0) {
  Numbers values(n);
  for (double& value : values) value = shift + draw(dice, errors);
  return values;
}

struct Rate {
  double value = 0;
  int experiments = 0;
  // Of an observed rate where the true one is `truth`.
  double error(double truth) const { return std::sqrt(truth * (1 - truth) / experiments); }
};

// The share of experiments in which `happens`.
template <class Experiment>
Rate rate(int experiments, const std::string& name, const Experiment& happens) {
  Dice dice(name);
  int count = 0;
  for (int i = 0; i < experiments; ++i) count += happens(dice) ? 1 : 0;
  return {static_cast<double>(count) / experiments, experiments};
}

inline bool covers(const Interval& interval, double truth) { return interval.low <= truth && truth <= interval.high; }

// -- intervals: the share that covers the true value
// -------------------------------------------------------------------

using IntervalOf = std::function<Interval(const Numbers&)>;

inline Rate mean_coverage(int experiments, const IntervalOf& interval, Errors errors, std::size_t n) {
  return rate(experiments, "coverage.mean", [&](Dice& dice) { return covers(interval(draws(dice, errors, n)), 0); });
}

inline Interval by_t(const Numbers& values) { return student_t_interval(values, 0.95); }
inline Interval by_sign_flip(const Numbers& values) { return sign_flip_interval(values, 0.95); }
inline Interval by_bca(const Numbers& values) {
  return bca_interval(values, 0.95, mean, {.resamples = 999, .seed = 1});
}

inline Rate dz_coverage(int experiments, double truth, std::size_t n) {
  return rate(experiments, "coverage.dz", [&](Dice& dice) {
    return covers(cohen_dz(draws(dice, Errors::normal, n, truth), 0.95)->interval, truth);
  });
}

// Normal arms; the arm is better by `shift` deviations, and correlates with the baseline over replicates.
inline Rate improvement_coverage(int experiments, double shift, double correlation, std::size_t n) {
  const double truth = std::erfc(-shift / 2) / 2;  // P(N(shift, 1) > N(0, 1)) = Phi(shift / sqrt(2))
  return rate(experiments, "coverage.improvement", [&](Dice& dice) {
    Numbers arm, baseline;
    for (std::size_t i = 0; i < n; ++i) {
      const double common = dice.normal() * std::sqrt(correlation), own = std::sqrt(1 - correlation);
      arm.push_back(shift + common + own * dice.normal());
      baseline.push_back(common + own * dice.normal());
    }
    return covers(probability_of_improvement(arm, baseline, 0.95)->interval, truth);
  });
}

// -- tests: the share of false claims at 0.05
// --------------------------------------------------------------------------

using PValueOf = std::function<double(const Numbers&)>;

inline Rate false_claims(int experiments, const PValueOf& p, Errors errors, std::size_t n) {
  return rate(experiments, "claims.mean", [&](Dice& dice) { return p(draws(dice, errors, n)) <= 0.05; });
}

inline double wilcoxon_p(const Numbers& values) { return wilcoxon_signed_rank(values).p; }

// The mean is at the margin, where "within the margin" is just not so.
inline Rate false_equivalences(int experiments, double deviation, std::size_t n) {
  return rate(experiments, "claims.tost", [&](Dice& dice) {
    Numbers values = draws(dice, Errors::normal, n);
    for (double& value : values) value = 1 + deviation * value;
    return tost(values, 1).equivalent;
  });
}

// Two runs that are right with 0.8, on `examples` examples, half of which they decide alike.
inline Rate false_mcnemar(int experiments, bool mid, int examples) {
  return rate(experiments, "claims.mcnemar", [&](Dice& dice) {
    std::int64_t only_first = 0, only_second = 0;
    for (int i = 0; i < examples; ++i) {
      if (dice.uniform() < 0.5) continue;
      const bool first = dice.uniform() < 0.8, second = dice.uniform() < 0.8;
      only_first += first && !second ? 1 : 0;
      only_second += second && !first ? 1 : 0;
    }
    const McNemar result = mcnemar(only_first, only_second);
    return (mid ? result.mid_p : result.exact_p) <= 0.05;
  });
}

// Steps to a threshold, exponential on a grid of evaluations, a quarter of the runs misses it. Pairs share a part of
// their luck.
inline std::pair<std::vector<Observation>, std::vector<Observation>> survival_pair(Dice& dice, std::size_t n,
                                                                                   double correlation) {
  const auto observation = [&](double z) {
    const double share_left = std::erfc(z / std::sqrt(2.0)) / 2;
    const double steps = std::ceil(-std::log(share_left) * 10);
    return Observation{std::min(steps, 14.0), steps <= 14};
  };
  std::vector<Observation> first, second;
  for (std::size_t i = 0; i < n; ++i) {
    const double common = dice.normal() * std::sqrt(correlation), own = std::sqrt(1 - correlation);
    first.push_back(observation(common + own * dice.normal()));
    second.push_back(observation(common + own * dice.normal()));
  }
  return {first, second};
}

inline Rate false_log_rank(int experiments, bool paired, double correlation, std::size_t n) {
  return rate(experiments, "claims.log_rank", [&](Dice& dice) {
    const auto [first, second] = survival_pair(dice, n, correlation);
    return (paired ? paired_log_rank_p(first, second) : log_rank(first, second).p) <= 0.05;
  });
}

// The interval of the paired difference of restricted means leaves 0 out.
inline Rate false_restricted_mean(int experiments, double correlation, std::size_t n) {
  return rate(experiments, "claims.restricted_mean", [&](Dice& dice) {
    const auto [first, second] = survival_pair(dice, n, correlation);
    return !covers(paired_restricted_mean_difference(first, second, 14, 0.95)->interval, 0);
  });
}

// Any false claim among `arms` arms that are all compared to one baseline and are all like it.
inline Rate any_false_claim(int experiments, bool adjusted, std::size_t arms, std::size_t n) {
  return rate(experiments, "claims.family", [&](Dice& dice) {
    const Numbers baseline = draws(dice, Errors::normal, n);
    Numbers p;
    for (std::size_t arm = 0; arm < arms; ++arm) {
      Numbers differences = draws(dice, Errors::normal, n);
      for (std::size_t i = 0; i < n; ++i) differences[i] -= baseline[i];
      p.push_back(sign_flip_p(differences));
    }
    if (adjusted) p = holm(p);
    return *std::min_element(p.begin(), p.end()) <= 0.05;
  });
}

// The mean share of false claims among all claims, by Benjamini and Hochberg: half of the arms are better by 2
// deviations.
inline double false_discovery_rate(int experiments, std::size_t arms, std::size_t n) {
  Dice dice("claims.discovery");
  double total = 0;
  for (int e = 0; e < experiments; ++e) {
    Numbers p;
    for (std::size_t arm = 0; arm < arms; ++arm)
      p.push_back(sign_flip_p(draws(dice, Errors::normal, n, arm % 2 == 0 ? 0.0 : 2.0)));
    const Numbers adjusted = benjamini_hochberg(p);
    int claims = 0, wrong = 0;
    for (std::size_t arm = 0; arm < arms; ++arm) {
      if (adjusted[arm] > 0.05) continue;
      ++claims;
      wrong += arm % 2 == 0 ? 1 : 0;
    }
    total += claims > 0 ? static_cast<double>(wrong) / claims : 0;
  }
  return total / experiments;
}

// Seeds are added and looked at, the sign-flip p each time: any claim at any look.
enum class Peeking { unadjusted, obrien_fleming, pocock };
inline Rate false_looks(int experiments, Peeking peeking, const std::vector<std::size_t>& pairs_seen) {
  Numbers thresholds(pairs_seen.size(), 0.05);
  if (peeking != Peeking::unadjusted) {
    Numbers fractions;
    for (const std::size_t pairs : pairs_seen)
      fractions.push_back(static_cast<double>(pairs) / static_cast<double>(pairs_seen.back()));
    const auto looks =
        look_thresholds(fractions, peeking == Peeking::pocock ? Spending::pocock : Spending::obrien_fleming, 0.05);
    std::transform(looks.begin(), looks.end(), thresholds.begin(), [](const Look& look) { return look.threshold; });
  }
  return rate(experiments, "claims.looks", [&](Dice& dice) {
    const Numbers differences = draws(dice, Errors::normal, pairs_seen.back());
    for (std::size_t look = 0; look < pairs_seen.size(); ++look)
      if (sign_flip_p(std::span(differences).first(pairs_seen[look])) <= thresholds[look]) return true;
    return false;
  });
}

// Equal arms: the bound of the violation ratio is below `border`. Below kDominanceNeeds the library gives no bound, so
// the deviation is resampled here.
inline Rate false_dominance(int experiments, double border, std::size_t n) {
  return rate(experiments, "claims.dominance", [&](Dice& dice) {
    const Numbers arm = draws(dice, Errors::normal, n), baseline = draws(dice, Errors::normal, n);
    Numbers ratios;
    const auto again = [&](const Numbers& values) {
      Numbers drawn(n);
      for (double& value : drawn) value = values[dice.below(n)];
      return drawn;
    };
    for (int i = 0; i < 200; ++i) {
      const Numbers drawn = again(arm);
      ratios.push_back(violation_ratio(drawn, again(baseline)));
    }
    return violation_ratio(arm, baseline) + 1.6448536269514722 * stddev(ratios) < border;
  });
}

// The differences of two arms, run by run and example by example: a part of the seed, a part of the example, a rest.
// How large each part is, as a deviation.
struct Parts {
  double seed = 0, example = 0, rest = 0;
};
inline Rate false_multi_bootstrap(int experiments, Parts parts, std::size_t runs, std::size_t examples) {
  return rate(experiments, "claims.multi_bootstrap", [&](Dice& dice) {
    const Numbers of_run = draws(dice, Errors::normal, runs), of_example = draws(dice, Errors::normal, examples);
    std::vector<Numbers> scores(runs, Numbers(examples));
    for (std::size_t run = 0; run < runs; ++run)
      for (std::size_t example = 0; example < examples; ++example)
        scores[run][example] =
            parts.seed * of_run[run] + parts.example * of_example[example] + parts.rest * dice.normal();
    const auto arm = [&](std::size_t run, std::span<const std::uint32_t> rows) {
      double sum = 0;
      for (const std::uint32_t row : rows) sum += scores[run][row];
      return sum / static_cast<double>(rows.size());
    };
    const auto nothing = [](std::size_t, std::span<const std::uint32_t>) { return 0.0; };
    return multi_bootstrap(arm, nothing, runs, examples, 0.95, {.resamples = 200, .seed = 1}).p <= 0.05;
  });
}

}  // namespace initlab::compare::simulation
