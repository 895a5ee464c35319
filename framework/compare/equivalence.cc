#include "compare/equivalence.hpp"

#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <cassert>
#include <cmath>

namespace initlab::compare {

Equivalence tost(std::span<const double> values, double margin, double alpha) {
  assert(values.size() >= 2 && margin > 0 && alpha > 0 && alpha < 0.5);
  const double center = mean(values), error = stddev(values) / std::sqrt(static_cast<double>(values.size()));
  // P(T >= t) of the one-sided test whose border lies `inside` away from the mean, on the side of the claim.
  const auto one_sided_p = [&](double inside) {
    if (error == 0) return inside > 0 ? 0.0 : 1.0;
    const boost::math::students_t student(static_cast<double>(values.size() - 1));
    return boost::math::cdf(boost::math::complement(student, inside / error));
  };
  Equivalence result;
  result.p_below = one_sided_p(center + margin);
  result.p_above = one_sided_p(margin - center);
  result.p = std::max(result.p_below, result.p_above);
  result.interval = student_t_interval(values, 1 - 2 * alpha);
  result.equivalent = result.p < alpha;
  return result;
}

}  // namespace initlab::compare
