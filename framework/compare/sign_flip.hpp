// The sign-flip test of paired differences, and the interval that it leaves: exact for few pairs, without normality.
// Pure functions over numbers. Formulas and limits: docs/STATISTICS.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "compare/statistics.hpp"

namespace initlab::compare {

// Two-sided sign-flip p of the mean of paired differences: the share of the 2^n sign patterns whose |sum| is at least
// the observed one's (Fisher 1935, "The Design of Experiments", section 21; Pitman 1937). Exact up to kExactPairs
// differences; above, kRandomPatterns random patterns with a fixed seed, p = (k + 1) / (m + 1) (Phipson and Smyth
// 2010). Zeros stay zeros, and ties count: sums within 1e-10 of the sum of |differences| are equal, because differences
// of shares such as 279/408 - 276/408 are equal in theory and differ in their last bits. 1 for no differences. Needs
// finite values.
inline constexpr std::size_t kExactPairs = 20;
inline constexpr std::int64_t kRandomPatterns = 1'000'000;
double sign_flip_p(std::span<const double> differences);

// The smallest p that sign_flip_p can give for this many differences: 2 / 2^n (all of one sign), at least 1 / (m + 1)
// where patterns are drawn; 1 for none.
double smallest_sign_flip_p(std::size_t pairs);

// The fewest differences whose smallest p lies below alpha: 6 for 0.05. Nothing where drawn patterns never give so
// small a p.
std::optional<std::size_t> fewest_pairs(double alpha);

// The shifts c for which sign_flip_p(differences - c) > 1 - level: the test, inverted. Both ends belong to it. p rises
// with c up to the mean and falls after it, in steps at the means of subsets of the differences, so the ends are order
// statistics of the 2^n - 1 subset means, taken exactly (Hartigan 1969, "Using subsample values as typical values").
// Above kExactPairs the subsets are those of sign_flip_p's random patterns. Covers at least `level` where the
// differences are symmetric about their centre, at least 1 - floor((1 - level) 2^(n-1)) / 2^(n-1) to be exact: 95.3 %
// at 8 pairs. From minus to plus infinity where no p can fall to 1 - level: at 0.95 for fewer than 6 differences. Needs
// finite values and 0 < level < 1.
Interval sign_flip_interval(std::span<const double> differences, double level);

}  // namespace initlab::compare
