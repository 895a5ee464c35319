// Many comparisons at once: p values adjusted for how many there are.
#pragma once

#include <span>
#include <vector>

namespace initlab::compare {

// Holm 1979, "A simple sequentially rejective multiple test procedure": adjusted p in the order given, max over the
// smaller ones of (m - rank + 1) p, at most 1. Rejecting where it is <= alpha keeps the chance of any false rejection
// at alpha, however the tests depend on each other. Needs 0 <= p <= 1.
std::vector<double> holm(std::span<const double> p);

// Benjamini and Hochberg 1995: adjusted p in the order given, min over the larger ones of m p / rank. Rejecting where
// it is <= q keeps the expected share of false rejections among all rejections at q, for independent or positively
// dependent tests (which comparisons to one baseline are). Needs 0 <= p <= 1.
std::vector<double> benjamini_hochberg(std::span<const double> p);

// The level that Holm holds each p against, in the order given: alpha / (m - those rejected before it), the
// same for equal p. A p that is not rejected would be if it fell below its level, the others staying as they are.
std::vector<double> holm_levels(std::span<const double> p, double alpha);

}  // namespace initlab::compare
