// Whole curves: a metric or loss over steps (or tokens, or seconds), at exactly the places where it was measured.
// Pure functions over numbers; nothing is binned or smoothed.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "compare/statistics.hpp"

namespace initlab::compare {

struct CurvePoint {
  double at = 0;  // steps, tokens or seconds
  double value = 0;
};
using Curve = std::vector<CurvePoint>;  // `at` ascending, without repetition; values finite

// Area by trapezoids between the points, divided by the length from the first to the last: the curve's mean height, in
// the unit of the value. Curves are compared on the same range only. The value itself for one point, NaN for none.
double mean_height(std::span<const CurvePoint> curve);

struct BandPoint {
  double at = 0;
  std::size_t n = 0;  // curves that have a point exactly here
  double mean = 0;
  std::optional<Interval> interval;  // student_t_interval, pointwise; nothing for n < 2
};
// For each place where any curve has a point, the mean and interval of those that do. Pointwise: the chance that all of
// a true curve lies within is smaller than `level`. Where n falls, the curves that ended are missing from the mean.
std::vector<BandPoint> band(std::span<const Curve> curves, double level);

// Where a curve leaves a plateau: the first point from which on every value is better than `plateau` by more than
// `margin`. For masked language modelling the plateau is what word frequencies alone predict: the constant-class
// accuracy (the most frequent token's share), or the unigram entropy for the loss; models sit on it before they begin
// to use the context. A noisy value beyond it does not count unless the rest stays beyond. Nothing where the last value
// is not beyond. Needs margin >= 0.
inline constexpr double kPlateauMargin = 0.02;  // of accuracy
std::optional<double> leaves_plateau(std::span<const CurvePoint> curve, double plateau, double margin,
                                     bool higher_is_better);

}  // namespace initlab::compare
