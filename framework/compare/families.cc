#include "compare/families.hpp"

#include <algorithm>
#include <cstddef>
#include <numeric>

namespace initlab::compare {
namespace {

// Indices of the p values, smallest p first.
std::vector<std::size_t> by_size(std::span<const double> p) {
  std::vector<std::size_t> order(p.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [p](std::size_t a, std::size_t b) { return p[a] < p[b]; });
  return order;
}

}  // namespace

std::vector<double> holm(std::span<const double> p) {
  const std::vector<std::size_t> order = by_size(p);
  std::vector<double> adjusted(p.size());
  double largest = 0;
  for (std::size_t rank = 0; rank < order.size(); ++rank) {
    largest = std::max(largest, static_cast<double>(p.size() - rank) * p[order[rank]]);
    adjusted[order[rank]] = std::min(1.0, largest);
  }
  return adjusted;
}

std::vector<double> benjamini_hochberg(std::span<const double> p) {
  const std::vector<std::size_t> order = by_size(p);
  std::vector<double> adjusted(p.size());
  double smallest = 1;
  for (std::size_t rank = order.size(); rank > 0; --rank) {
    const std::size_t index = order[rank - 1];
    smallest = std::min(smallest, static_cast<double>(p.size()) * p[index] / static_cast<double>(rank));
    adjusted[index] = smallest;
  }
  return adjusted;
}

std::vector<double> holm_levels(std::span<const double> p, double alpha) {
  const std::vector<double> adjusted = holm(p);
  const std::vector<std::size_t> order = by_size(p);
  std::vector<double> levels(p.size());
  std::size_t rejected = 0;
  for (std::size_t rank = 0; rank < order.size(); ++rank) {
    const std::size_t index = order[rank];
    const bool tied = rank > 0 && p[index] == p[order[rank - 1]];
    levels[index] = tied ? levels[order[rank - 1]] : alpha / static_cast<double>(p.size() - rejected);
    if (adjusted[index] < alpha) ++rejected;
  }
  return levels;
}

}  // namespace initlab::compare
