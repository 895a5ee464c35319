#include "model/moments.hpp"

#include <cmath>

namespace initlab::model {

Moments::Moments(std::span<const float> values) : count_(static_cast<double>(values.size())) {
  if (values.empty()) return;
  for (const float x : values) mean_ += static_cast<double>(x);
  mean_ /= count_;
  for (const float x : values) squares_ += (static_cast<double>(x) - mean_) * (static_cast<double>(x) - mean_);
}

void Moments::add(const Moments& other) {
  const double all = count_ + other.count_, distance = other.mean_ - mean_;
  if (all == 0) return;
  squares_ += other.squares_ + distance * distance * count_ * other.count_ / all;
  mean_ += distance * other.count_ / all;
  count_ = all;
}

double Moments::stddev() const {
  return count_ > 0 ? std::sqrt(squares_ / count_) : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace initlab::model
