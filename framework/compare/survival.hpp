// Steps (or tokens, or seconds) to a threshold as survival data: a run that never reached it is censored where it was
// last looked at, not dropped. Pure functions over numbers. Times may be of any unit; all of one comparison share it.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "compare/statistics.hpp"

namespace initlab::compare {

struct Observation {
  double time = 0;       // of reaching the threshold, or of the last look; finite, >= 0
  bool reached = false;  // false: censored, it had not until `time`
};

// After the event times: S(t) = P(not reached by t), constant up to the next entry.
struct SurvivalPoint {
  double time = 0;
  std::size_t at_risk = 0, reached = 0, censored = 0;  // censored: at this time; they are still at risk at it
  double survival = 1;
  double variance = 0;  // Greenwood's, of S(t); 0 where S is 1 or 0
};

// Kaplan and Meier 1958, with Greenwood's variance S^2 sum d / (n (n - d)). One point for each distinct time,
// ascending; empty for no observations.
std::vector<SurvivalPoint> kaplan_meier(std::span<const Observation> observations);

struct SurvivalInterval {
  double low = 0, high = 1;
};
// Pointwise interval of S at one point: on the scale of log(-log S), so it stays within 0 .. 1 (Kalbfleisch and
// Prentice 1980). Where S is 0 or 1 it is that point: the scale has no variance there.
SurvivalInterval survival_interval(const SurvivalPoint& point, double level);

struct SurvivalQuantile {
  std::optional<double> time;       // nothing: S stays above; the threshold is reached by fewer
  std::optional<double> low, high;  // ends of its interval; nothing: open on that side
};
// The first time by which at least half had reached the threshold, S(t) <= 0.5, and the times at which the ends of S's
// pointwise interval fall to 0.5 (Brookmeyer and Crowley 1982).
SurvivalQuantile median_time(std::span<const SurvivalPoint> curve, double level);

struct LogRank {
  double statistic = 0;  // chi-squared, one degree of freedom
  double p = 1;          // 1 where nothing can be said: no event, or one arm only
  double observed = 0;   // events of the first arm
  double expected = 0;   // of the first arm, were both alike
};
// Mantel 1966; Peto and Peto 1972: observed less expected events of the first arm, over the hypergeometric variance.
// p is chi-squared's, for many runs: at 8 in each arm it claims in 5.9 % where it says 5. Needs independent arms. Arms
// that share seeds are not: where they correlate it is conservative. For few runs, and for pairs: paired_log_rank_p.
LogRank log_rank(std::span<const Observation> first, std::span<const Observation> second);

// The same, with observed, expected and variance summed over strata (tasks, say), within which runs are comparable:
// entry s of both is stratum s.
LogRank stratified_log_rank(std::span<const std::vector<Observation>> first,
                            std::span<const std::vector<Observation>> second);

// Log-rank for arms that share seeds, exact at few: the log-rank scores (event less Nelson-Aalen hazard, pooled over
// both arms), differenced within each pair, and the sign-flip test of these (Jung 1999, "Rank tests for matched
// survival data"; permutation within pairs as in O'Brien and Fleming 1987). Needs equal lengths; entry i of both is
// replicate i, and censoring that does not depend on the arm.
double paired_log_rank_p(std::span<const Observation> first, std::span<const Observation> second);

struct RestrictedMean {
  double mean = 0;      // area under S from 0 to the horizon: expected time to the threshold, of the first `horizon`
  double variance = 0;  // of it
};
// Irwin 1949; variance sum over events of (area from t to the horizon)^2 d / (n (n - d)), with no small-sample factor
// (Klein and Moeschberger 2003, section 4.5). Nothing where observation ends before the horizon: the last time is below
// it and was censored, so that S is not known up to there. Needs horizon > 0.
std::optional<RestrictedMean> restricted_mean(std::span<const Observation> observations, double horizon);
Interval restricted_mean_interval(const RestrictedMean& mean, double level);  // normal

// Each run's share of the restricted mean: n theta - (n - 1) theta without run i, the pseudo-values of Andersen, Hansen
// and Klein 2004. Their mean is close to the restricted mean; without censoring before the horizon, run i's is
// min(time, horizon) exactly. In order of the observations. Paired arms are compared by the differences of these, with
// student_t_interval and sign_flip_p. Nothing where restricted_mean gives nothing, with or without one of the runs, or
// for fewer than two.
std::optional<std::vector<double>> restricted_mean_pseudo_values(std::span<const Observation> observations,
                                                                 double horizon);

struct RestrictedMeanDifference {
  double difference = 0;  // first - second, mean of pseudo-values: positive, the first takes longer
  Interval interval;
  double p = 1;  // sign-flip, of the pairs' pseudo-values
};
// Of paired arms, by pseudo-values and Student's t over pairs. Nothing where either arm has none, or for fewer than two
// pairs. Needs equal lengths.
std::optional<RestrictedMeanDifference> paired_restricted_mean_difference(std::span<const Observation> first,
                                                                          std::span<const Observation> second,
                                                                          double horizon, double level);

}  // namespace initlab::compare
