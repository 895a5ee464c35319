#include "report/figures.hpp"

#include <algorithm>
#include <cmath>

namespace initlab::report {
namespace {

// Collects finite numbers; the others do not count.
class Extent {
 public:
  void add(double value) {
    if (!std::isfinite(value)) return;
    low_ = std::min(low_, value);
    high_ = std::max(high_, value);
  }
  bool any() const { return low_ <= high_; }
  double low() const { return low_; }
  double high() const { return high_; }
  Range range() const {
    if (!any()) return {};
    const double width = high_ - low_;
    if (!std::isfinite(width)) return {low_ / 4, high_ / 4};  // numbers near the largest there is
    // Equal numbers still need a picture with some width.
    const double margin = width > 0 ? 0.04 * width : std::max(std::abs(low_) * 0.05, 1e-9);
    return {low_ - margin, high_ + margin};
  }

 private:
  double low_ = std::numeric_limits<double>::infinity(), high_ = -std::numeric_limits<double>::infinity();
};

}  // namespace

// A band of two runs may be many times as high as what it is around: it may widen the picture by half, not more.
Range range_of(const Curves& figure) {
  Extent lines, all;
  for (const CurveSeries& series : figure.series)
    for (const CurvePoint& point : series.points) lines.add(point.y);
  for (const Reference& reference : figure.references) lines.add(reference.value);
  if (!lines.any()) return {};
  const double most = 0.25 * std::max(lines.high() - lines.low(), 1e-9);
  all = lines;
  for (const CurveSeries& series : figure.series)
    for (const CurvePoint& point : series.points) {
      if (std::isfinite(point.low)) all.add(std::max(point.low, lines.low() - most));
      if (std::isfinite(point.high)) all.add(std::min(point.high, lines.high() + most));
    }
  return all.range();
}

Range range_of(const DotPlot& figure) {
  Extent extent;
  for (const DotRow& row : figure.rows) {
    for (const DotRow::Dot& dot : row.dots) extent.add(dot.value);
    for (const double value : {row.mean, row.low, row.high}) extent.add(value);
  }
  for (const Reference& reference : figure.references) extent.add(reference.value);
  return extent.range();
}

Range range_of(const HeatMap& figure) {
  Extent extent;
  for (const std::vector<double>& row : figure.values)
    for (const double value : row) extent.add(value);
  return extent.any() ? Range{extent.low(), extent.high()} : Range{};
}

bool is_logarithmic(const HeatMap& figure) {
  constexpr double kOrders = 100;
  const Range range = range_of(figure);
  return range.low > 0 && range.high / range.low > kOrders;
}

}  // namespace initlab::report
