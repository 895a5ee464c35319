// Tests and effect sizes of two arms that share their seeds, beside the sign-flip test.
// Pure functions over numbers; entry i of both arms is replicate i.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "compare/statistics.hpp"

namespace initlab::compare {

struct Wilcoxon {
  double positive_ranks = 0;  // W+, the sum of the ranks of the positive differences
  std::size_t n = 0;          // differences that are not 0
  bool exact = true;
  double p = 1;  // two-sided; 1 for n = 0
};
inline constexpr std::size_t kExactRanks = 50;

// Signed-rank test (Wilcoxon 1945, "Individual Comparisons by Ranking Methods"): ranks of |d|, ties share their mean
// rank, zeros are left out (Wilcoxon's own rule, SciPy's default). Up to kExactRanks differences p is exact, with ties
// too: the distribution of W+ over all sign patterns of these ranks. Above, the normal approximation with the variance
// corrected for ties, without continuity correction. |d| within 1e-10 of the largest |d| tie, for the reason given at
// sign_flip_p. Needs finite values and symmetry of the differences.
Wilcoxon wilcoxon_signed_rank(std::span<const double> differences);

struct EffectSize {
  double value = 0;
  Interval interval;
};

// d_z = mean(d) / s_d, the paired standardized difference (Cohen 1988; Lakens 2013), with the interval of
// noncentralities that the paired t test does not reject, by inverting the noncentral t (Steiger and Fouladi 1997).
// Exact for normal differences. Nothing for fewer than two differences or for differences that are all equal (to 1e-12
// of their mean). Needs finite values and 0 < level < 1. Where |t| = |d_z| sqrt(n) is above 1000 the sampling error of
// the mean is negligible and the interval is that of 1 / s, by chi-squared.
std::optional<EffectSize> cohen_dz(std::span<const double> differences, double level);

// P(a run of the arm beats a run of the baseline), ties one half: the share over all n x m pairs of runs (Mann and
// Whitney 1947; "probability of improvement" of Agarwal et al. 2021). Over all pairs, not the matched ones: it speaks
// of a new run of either. The interval is Newcombe's score interval (2006, "Confidence intervals for an effect size
// measure based on the Mann-Whitney statistic. Part 2", method 5): the theta with |share - theta| <= z sqrt(V(theta)),
// V = theta (1 - theta) (1 + k (1 - theta) / (2 - theta) + k theta / (1 + theta)) / (n m), k = (n + m) / 2 - 1. It does
// not shrink to a point where the arms are separate. Arms that correlate over seeds make it wider than it need be.
// `higher is better`; for losses swap the arms. Nothing where an arm is empty. Needs finite values and 0 < level < 1.
std::optional<EffectSize> probability_of_improvement(std::span<const double> arm, std::span<const double> baseline,
                                                     double level);

// What sharing seeds bought.
struct Pairing {
  double correlation = 0;  // Pearson, over replicates; NaN where an arm does not vary
  // Seeds that each arm would need without pairing for a difference that is as sure, per seed used: (var(x) + var(y)) /
  // var(x - y), which is 1 / (1 - correlation) where the variances are equal. Below 1 pairing cost seeds. Infinite
  // where the differences do not vary but the arms do; NaN where neither does.
  double seeds_factor = 1;
};
// Nothing for fewer than two pairs. Needs equal lengths and finite values.
std::optional<Pairing> pairing(std::span<const double> arm, std::span<const double> baseline);

struct McNemar {
  double exact_p = 1;  // two-sided, binomial
  double mid_p = 1;    // less conservative
};
// One pair of classifiers on the same examples: `only_first` examples that only the first gets right, `only_second`
// that only the second does (McNemar 1947). Exact: min(1, 2 P(X <= min)), X ~ Binomial(sum, 1/2). Mid-p: 2 P(X <= min)
// - P(X = min) (Fagerland, Lydersen and Laake 2013). 1 where they never differ. It speaks of these two runs and of
// examples; not of seeds.
McNemar mcnemar(std::int64_t only_first, std::int64_t only_second);

}  // namespace initlab::compare
