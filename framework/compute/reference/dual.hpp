// Dual numbers: a value and its derivative along one direction (forward-mode differentiation; Griewank and Walther
// 2008, ch. 3). The reference twins are templates on their scalar type: on double they give values, on Dual exact
// derivatives. Slow, for tests.
#pragma once

#include <cmath>

namespace initlab::compute::reference {

struct Dual {
  double value = 0;
  double slope = 0;

  Dual() = default;
  Dual(double v, double s = 0) : value(v), slope(s) {}  // NOLINT(google-explicit-constructor): constants mix in

  Dual& operator+=(const Dual& b) { return *this = {value + b.value, slope + b.slope}; }
};

inline Dual operator+(Dual a, Dual b) { return {a.value + b.value, a.slope + b.slope}; }
inline Dual operator-(Dual a, Dual b) { return {a.value - b.value, a.slope - b.slope}; }
inline Dual operator-(Dual a) { return {-a.value, -a.slope}; }
inline Dual operator*(Dual a, Dual b) { return {a.value * b.value, a.value * b.slope + a.slope * b.value}; }
inline Dual operator/(Dual a, Dual b) {
  return {a.value / b.value, (a.slope * b.value - a.value * b.slope) / (b.value * b.value)};
}
inline bool operator<(Dual a, Dual b) { return a.value < b.value; }

inline Dual exp(Dual x) { return {std::exp(x.value), x.slope * std::exp(x.value)}; }
inline Dual log(Dual x) { return {std::log(x.value), x.slope / x.value}; }
inline Dual sqrt(Dual x) { return {std::sqrt(x.value), x.slope / (2 * std::sqrt(x.value))}; }
inline Dual tanh(Dual x) {
  const double t = std::tanh(x.value);
  return {t, x.slope * (1 - t * t)};
}
inline Dual erfc(Dual x) {
  const double two_over_root_pi = 1.12837916709551257390;
  return {std::erfc(x.value), -x.slope * two_over_root_pi * std::exp(-x.value * x.value)};
}

}  // namespace initlab::compute::reference
