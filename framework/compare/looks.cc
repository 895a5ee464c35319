#include "compare/looks.hpp"

#include <algorithm>
#include <boost/math/distributions/normal.hpp>
#include <boost/math/quadrature/gauss.hpp>
#include <cassert>
#include <cmath>
#include <limits>
#include <numbers>
#include <utility>

namespace initlab::compare {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

double upper_tail(double z) { return std::erfc(z / std::numbers::sqrt2) / 2; }

// Of one side, at `fraction`, where `alpha` may be spent in all.
double spent_on_a_side(Spending spending, double fraction, double alpha) {
  if (spending == Spending::pocock) return alpha * std::log1p((std::numbers::e - 1) * fraction);
  const double z = boost::math::quantile(boost::math::complement(boost::math::normal(), alpha / 2));
  return 2 * upper_tail(z / std::sqrt(fraction));
}

// A Brownian motion looked at now and then: B(t) of variance t, on the paths that crossed no bound yet. Known at nodes
// with weights, so that integrals over B are sums over nodes.
class Survivors {
 public:
  // P(|B(fraction)| >= border, not crossed before).
  double crossing(double fraction, double border) const {
    if (nodes_.empty()) return 2 * upper_tail(border / std::sqrt(fraction));
    const double step = std::sqrt(fraction - fraction_);
    double sum = 0;
    for (const Node& node : nodes_)
      sum += node.mass * (upper_tail((border - node.at) / step) + upper_tail((border + node.at) / step));
    return sum;
  }

  // On to `fraction`: those at or beyond `border` leave.
  void advance(double fraction, double border) {
    std::vector<Node> next;
    const double step = std::sqrt(fraction - fraction_);
    const double range = std::min(border, kFarthest * std::sqrt(fraction));
    const auto panels = static_cast<std::size_t>(std::ceil(2 * range / step)) + 1;
    const double half = range / static_cast<double>(panels);  // panels cover -range .. range
    for (std::size_t panel = 0; panel < panels; ++panel) {
      const double middle = -range + half * static_cast<double>(2 * panel + 1);
      for (const auto& [offset, weight] : rule()) {
        const double at = middle + half * offset;
        next.push_back({at, density(at, step) * weight * half});
      }
    }
    nodes_ = std::move(next);
    fraction_ = fraction;
  }

 private:
  struct Node {
    double at, mass;  // mass: density times quadrature weight
  };
  static constexpr double kFarthest = 12;  // standard deviations; beyond, the normal's tail is below 1e-32

  // Gauss-Legendre on -1 .. 1.
  static std::vector<std::pair<double, double>> rule() {
    using Gauss = boost::math::quadrature::gauss<double, 10>;
    std::vector<std::pair<double, double>> points;
    for (std::size_t i = 0; i < Gauss::abscissa().size(); ++i)
      for (const double side : {-1.0, 1.0}) points.emplace_back(side * Gauss::abscissa()[i], Gauss::weights()[i]);
    return points;
  }

  double density(double at, double step) const {
    const auto normal_density = [step](double distance) {
      return std::exp(-distance * distance / (2 * step * step)) / (step * std::sqrt(2 * std::numbers::pi));
    };
    if (nodes_.empty()) return normal_density(at);
    double sum = 0;
    for (const Node& node : nodes_) sum += node.mass * normal_density(at - node.at);
    return sum;
  }

  double fraction_ = 0;
  std::vector<Node> nodes_;  // none: nobody has looked yet, and B(0) = 0
};

// The border that `to_spend` crosses; infinite where that is nothing.
double border_of(const Survivors& survivors, double fraction, double to_spend) {
  if (to_spend < 1e-15) return kInfinity;
  double low = 0, high = 40 * std::sqrt(fraction);
  while (high - low > 1e-12 * std::sqrt(fraction)) {
    const double middle = (low + high) / 2;
    (survivors.crossing(fraction, middle) > to_spend ? low : high) = middle;
  }
  return (low + high) / 2;
}

}  // namespace

std::vector<Look> look_thresholds(std::span<const double> fractions, Spending spending, double alpha) {
  assert(alpha > 0 && alpha < 1);
  std::vector<Look> looks;
  Survivors survivors;
  double spent = 0;
  for (const double fraction : fractions) {
    assert(fraction > (looks.empty() ? 0 : looks.back().fraction) && fraction <= 1);
    Look look;
    look.fraction = fraction;
    look.spent = 2 * spent_on_a_side(spending, fraction, alpha / 2);
    const double border = border_of(survivors, fraction, look.spent - spent);
    look.bound = border / std::sqrt(fraction);
    look.threshold = 2 * upper_tail(look.bound);
    survivors.advance(fraction, border);
    spent = look.spent;
    looks.push_back(look);
  }
  return looks;
}

}  // namespace initlab::compare
