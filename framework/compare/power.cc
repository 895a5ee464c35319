#include "compare/power.hpp"

#include <algorithm>
#include <boost/math/distributions/non_central_t.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <cassert>
#include <cmath>
#include <limits>
#include <optional>

#include "compare/sign_flip.hpp"

namespace initlab::compare {

double paired_t_power(double effect, double deviation, std::size_t pairs, double alpha) {
  assert(deviation > 0 && alpha > 0 && alpha < 1);
  if (pairs < 2) return 0;
  const double freedom = static_cast<double>(pairs - 1);
  const double shift = std::abs(effect) * std::sqrt(static_cast<double>(pairs)) / deviation;
  const double critical = boost::math::quantile(boost::math::students_t(freedom), 1 - alpha / 2);
  if (shift > 37 + critical) return 1;  // beyond what the series of the noncentral t is made for; 1 to the last bit
  const boost::math::non_central_t distribution(freedom, shift);
  return boost::math::cdf(boost::math::complement(distribution, critical)) + boost::math::cdf(distribution, -critical);
}

double detectable_effect(double deviation, std::size_t pairs, double power, double alpha) {
  assert(power > alpha && power < 1);
  if (pairs < 2) return std::numeric_limits<double>::infinity();
  double low = 0, high = deviation;
  while (paired_t_power(high, deviation, pairs, alpha) < power) high *= 2;
  while (high - low > 1e-9 * deviation) {
    const double middle = (low + high) / 2;
    (paired_t_power(middle, deviation, pairs, alpha) < power ? low : high) = middle;
  }
  return high;
}

std::size_t pairs_needed(double effect, double deviation, double power, double alpha, std::size_t most) {
  const std::optional<std::size_t> fewest = fewest_pairs(alpha);
  if (!fewest || *fewest > most || paired_t_power(effect, deviation, most, alpha) < power) return 0;
  std::size_t low = std::max<std::size_t>(2, *fewest), high = most;
  while (low < high) {
    const std::size_t middle = (low + high) / 2;
    if (paired_t_power(effect, deviation, middle, alpha) < power)
      low = middle + 1;
    else
      high = middle;
  }
  return high;
}

}  // namespace initlab::compare
