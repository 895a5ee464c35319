// Mean and standard deviation of activations, of which there may be too many to hold at once.
#pragma once

#include <limits>
#include <span>

namespace initlab::model {

// Two passes in double over each piece; pieces are joined as by Chan, Golub & LeVeque 1979, "Updating formulae and a
// pairwise algorithm for computing sample variances". Nothing has a mean of NaN and a deviation of NaN.
class Moments {
 public:
  Moments() = default;
  explicit Moments(std::span<const float> values);
  void add(const Moments& other);
  double count() const { return count_; }
  double mean() const { return count_ > 0 ? mean_ : std::numeric_limits<double>::quiet_NaN(); }
  double stddev() const;  // of the population: divided by n

 private:
  double count_ = 0, mean_ = 0, squares_ = 0;  // squares_: sum of squared distances from the mean
};

}  // namespace initlab::model
