#include "compare/sign_flip.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "base/random.hpp"

namespace initlab::compare {
namespace {

constexpr double kTie = 1e-10;  // of the sum of |differences|; see sign_flip_p
constexpr double kInfinity = std::numeric_limits<double>::infinity();

double sum(std::span<const double> values) {
  double total = 0;
  for (const double value : values) total += value;
  return total;
}

// What |sum| a pattern needs to count as at least as extreme as the observed one.
double extreme_sum(std::span<const double> differences) {
  double magnitude = 0;
  for (const double difference : differences) magnitude += std::abs(difference);
  return std::abs(sum(differences)) - kTie * magnitude;
}

// The sums of all 2^n sign patterns, ascending.
std::vector<double> signed_sums(std::span<const double> values) {
  std::vector<double> sums{0.0};
  for (const double value : values) {
    const std::size_t n = sums.size();
    for (std::size_t i = 0; i < n; ++i) {
      sums.push_back(sums[i] - value);
      sums[i] += value;
    }
  }
  std::sort(sums.begin(), sums.end());
  return sums;
}

// Meet in the middle: 2^(n/2) sums of either half, and for each of the first the count of the second that make it
// extreme.
double exact_p(std::span<const double> differences) {
  const double extreme = extreme_sum(differences);
  if (extreme <= 0) return 1;  // every pattern counts
  const std::size_t half = differences.size() / 2;
  const std::vector<double> first = signed_sums(differences.first(half));
  const std::vector<double> second = signed_sums(differences.subspan(half));
  std::int64_t count = 0;
  for (const double sum : first) {
    count += second.end() - std::lower_bound(second.begin(), second.end(), extreme - sum);
    count += std::upper_bound(second.begin(), second.end(), -extreme - sum) - second.begin();
  }
  return static_cast<double>(count) / (static_cast<double>(first.size()) * static_cast<double>(second.size()));
}

// Calls visit(pattern) for each random pattern of `n` signs, where pattern(i) is whether sign i is positive.
template <class Visit>
void visit_random_patterns(std::size_t n, const Visit& visit) {
  const base::Stream stream(1, "compare.sign_flip");
  const std::uint64_t words = (n + 63) / 64;  // of random bits a pattern
  std::vector<std::uint64_t> bits(words);
  for (std::int64_t pattern = 0; pattern < kRandomPatterns; ++pattern) {
    for (std::uint64_t word = 0; word < words; ++word)
      bits[word] = stream.bits(static_cast<std::uint64_t>(pattern) * words + word);
    visit([&bits](std::size_t i) { return (bits[i / 64] >> (i % 64) & 1) != 0; });
  }
}

double monte_carlo_p(std::span<const double> differences) {
  const double extreme = extreme_sum(differences);
  std::int64_t count = 0;
  visit_random_patterns(differences.size(), [&](const auto& is_positive) {
    double total = 0;
    for (std::size_t i = 0; i < differences.size(); ++i) total += is_positive(i) ? differences[i] : -differences[i];
    if (std::abs(total) >= extreme) ++count;
  });
  return static_cast<double>(count + 1) / static_cast<double>(kRandomPatterns + 1);
}

// The `rank`-th smallest and largest, counted from 1.
Interval ends_of_rank(std::vector<double>& lows, std::vector<double>& highs, std::size_t rank) {
  const auto at = static_cast<std::ptrdiff_t>(rank) - 1;
  std::nth_element(lows.begin(), lows.begin() + at, lows.end());
  const double low = lows[rank - 1];
  std::nth_element(highs.begin(), highs.begin() + at, highs.end(), std::greater<>());
  return {low, highs[rank - 1]};
}

// p(c) = 2 (1 + |{subsets with mean <= c}|) / 2^n for c below the mean of all, since a pattern's sum is at least the
// observed one exactly where the mean of those whose sign it turns is at most c.
Interval exact_interval(std::span<const double> differences, double alpha) {
  const std::size_t n = differences.size(), patterns = std::size_t{1} << n;
  const auto rank = static_cast<std::size_t>(alpha * std::ldexp(1.0, static_cast<int>(n) - 1));
  if (rank == 0) return {-kInfinity, kInfinity};
  std::vector<double> sums(patterns, 0.0), means;
  means.reserve(patterns - 1);
  for (std::size_t subset = 1; subset < patterns; ++subset) {
    const auto lowest = static_cast<std::size_t>(std::countr_zero(subset));
    sums[subset] = sums[subset & (subset - 1)] + differences[lowest];
    means.push_back(sums[subset] / std::popcount(subset));
  }
  std::vector<double> again = means;
  return ends_of_rank(means, again, rank);
}

// The same for the random patterns, each of which counts on both sides: it is extreme at c where either the mean of
// those it turns or that of the others is beyond c.
Interval monte_carlo_interval(std::span<const double> differences, double alpha) {
  const auto rank = static_cast<std::size_t>(alpha * static_cast<double>(kRandomPatterns + 1));
  if (rank == 0) return {-kInfinity, kInfinity};
  std::vector<double> lows, highs;
  lows.reserve(kRandomPatterns), highs.reserve(kRandomPatterns);
  visit_random_patterns(differences.size(), [&](const auto& is_positive) {
    double sums[2] = {0, 0};
    std::size_t counts[2] = {0, 0};
    for (std::size_t i = 0; i < differences.size(); ++i) {
      const std::size_t side = is_positive(i) ? 1 : 0;
      sums[side] += differences[i], ++counts[side];
    }
    const bool all_alike = counts[0] == 0 || counts[1] == 0;  // as extreme as the observed pattern at any c
    const double first = sums[0] / static_cast<double>(counts[0]), second = sums[1] / static_cast<double>(counts[1]);
    lows.push_back(all_alike ? -kInfinity : std::min(first, second));
    highs.push_back(all_alike ? kInfinity : std::max(first, second));
  });
  return ends_of_rank(lows, highs, rank);
}

[[maybe_unused]] bool all_finite(std::span<const double> values) {
  return std::all_of(values.begin(), values.end(), [](double value) { return std::isfinite(value); });
}

}  // namespace

double sign_flip_p(std::span<const double> differences) {
  assert(all_finite(differences));
  if (differences.empty()) return 1;
  return differences.size() <= kExactPairs ? exact_p(differences) : monte_carlo_p(differences);
}

double smallest_sign_flip_p(std::size_t pairs) {
  if (pairs == 0) return 1;
  const double exact = std::ldexp(2.0, -static_cast<int>(std::min<std::size_t>(pairs, 1000)));
  return pairs <= kExactPairs ? exact : std::max(exact, 1 / static_cast<double>(kRandomPatterns + 1));
}

std::optional<std::size_t> fewest_pairs(double alpha) {
  for (std::size_t pairs = 1; pairs <= 2 * kExactPairs; ++pairs)  // beyond kExactPairs it soon falls no further
    if (smallest_sign_flip_p(pairs) < alpha) return pairs;
  return std::nullopt;
}

Interval sign_flip_interval(std::span<const double> differences, double level) {
  assert(level > 0 && level < 1 && all_finite(differences));
  if (differences.empty()) return {-kInfinity, kInfinity};
  const double alpha = 1 - level;
  return differences.size() <= kExactPairs ? exact_interval(differences, alpha)
                                           : monte_carlo_interval(differences, alpha);
}

}  // namespace initlab::compare
