// Mean and standard deviation of values, in double.
#pragma once

#include <cmath>
#include <cstddef>
#include <span>

namespace initlab::plugins {

struct MeanAndDeviation {
  double mean = 0;
  double stddev = 0;  // of the population: divided by n, not n - 1
};

// Sums over several spans at once; two passes, so that equal values have a deviation of exactly 0.
class MomentSums {
 public:
  void add_first(std::span<const float> values) {
    for (const float x : values) sum_ += static_cast<double>(x);
    n_ += static_cast<double>(values.size());
  }
  // After all first passes.
  void add_second(std::span<const float> values) {
    const double mean = sum_ / n_;
    for (const float x : values) {
      const double d = static_cast<double>(x) - mean;
      squares_ += d * d;
    }
  }
  MeanAndDeviation result() const { return {sum_ / n_, std::sqrt(squares_ / n_)}; }

 private:
  double sum_ = 0, squares_ = 0, n_ = 0;
};

inline MeanAndDeviation moments_of(std::span<const float> values) {
  MomentSums sums;
  sums.add_first(values);
  sums.add_second(values);
  return sums.result();
}

}  // namespace initlab::plugins
