// "Equal, to within a margin": the claim that a large p does not make.
#pragma once

#include <span>

#include "compare/statistics.hpp"

namespace initlab::compare {

struct Equivalence {
  double p_below = 1;  // of "the mean is at or below -margin"
  double p_above = 1;  // of "the mean is at or above margin"
  double p = 1;        // the larger of both
  Interval interval;   // of the mean, at level 1 - 2 alpha: equivalent exactly where it lies within the margins
  bool equivalent = false;
};

// Two one-sided t tests (Schuirmann 1987; Lakens 2017): the mean of the values lies within (-margin, margin), p <
// alpha. For pairs the values are differences; for "arm = constant c" they are arm - c. Values without spread give p =
// 0 where their mean is within the margin, else 1. The margin is stated before the runs. Needs 2 or more finite values,
// margin > 0 and 0 < alpha < 0.5.
Equivalence tost(std::span<const double> values, double margin, double alpha = 0.05);

}  // namespace initlab::compare
