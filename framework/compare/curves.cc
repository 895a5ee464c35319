#include "compare/curves.hpp"

#include <algorithm>
#include <cassert>
#include <limits>
#include <map>

namespace initlab::compare {

double mean_height(std::span<const CurvePoint> curve) {
  if (curve.empty()) return std::numeric_limits<double>::quiet_NaN();
  if (curve.size() == 1) return curve.front().value;
  double area = 0;
  for (std::size_t i = 1; i < curve.size(); ++i)
    area += (curve[i].at - curve[i - 1].at) * (curve[i].value + curve[i - 1].value) / 2;
  return area / (curve.back().at - curve.front().at);
}

std::vector<BandPoint> band(std::span<const Curve> curves, double level) {
  std::map<double, std::vector<double>> values_at;
  for (const Curve& curve : curves)
    for (const CurvePoint& point : curve) values_at[point.at].push_back(point.value);
  std::vector<BandPoint> points;
  for (const auto& [at, values] : values_at) {
    BandPoint point{.at = at, .n = values.size(), .mean = mean(values), .interval = {}};
    if (values.size() >= 2) point.interval = student_t_interval(values, level);
    points.push_back(point);
  }
  return points;
}

std::optional<double> leaves_plateau(std::span<const CurvePoint> curve, double plateau, double margin,
                                     bool higher_is_better) {
  assert(margin >= 0);
  std::optional<double> left;
  for (std::size_t i = curve.size(); i > 0; --i) {
    const CurvePoint& point = curve[i - 1];
    const double gain = higher_is_better ? point.value - plateau : plateau - point.value;
    if (!(gain > margin)) break;
    left = point.at;
  }
  return left;
}

}  // namespace initlab::compare
