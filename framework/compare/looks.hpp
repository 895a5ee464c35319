// Looking at results before all seeds are run, without raising the chance of a false claim: alpha spending.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace initlab::compare {

enum class Spending {
  obrien_fleming,  // strict at first, close to alpha at the end: 2 - 2 Phi(z(1 - a/2) / sqrt(t)) a side, a = alpha / 2
  pocock,          // nearly equal thresholds: a log(1 + (e - 1) t) a side
};

struct Look {
  double fraction = 0;   // of the planned seeds, 0 .. 1
  double spent = 0;      // two-sided alpha spent up to and with this look
  double bound = 0;      // reject where |z| is at least this; infinite where the look may spend too little to matter
  double threshold = 0;  // the same as a two-sided p: reject where p <= threshold
};

// Two-sided thresholds of recorded looks at growing data (Lan and DeMets 1983, "Discrete sequential boundaries for
// clinical trials"; with independent increments, by the recursive integration of Armitage, McPherson and Rowe 1969).
// `fractions` ascend, 0 < fraction <= 1: seeds seen over seeds planned. How many looks follow, and when, need not be
// known. The false-positive rate over all looks is at most alpha, for statistics that are near normal; the sign-flip p
// is used as if it were (measured in docs/STATISTICS.md). Needs 0 < alpha < 1.
std::vector<Look> look_thresholds(std::span<const double> fractions, Spending spending, double alpha = 0.05);

}  // namespace initlab::compare
