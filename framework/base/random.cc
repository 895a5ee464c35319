#include "base/random.hpp"

#include <Random123/philox.h>

#include <cmath>
#include <numeric>
#include <utility>

#include "base/hash.hpp"

namespace initlab::base {
namespace {

std::uint64_t hashed_key(std::uint64_t seed, std::string_view name) {
  Sha256 hash;
  std::array<std::uint8_t, 8> bytes{};
  for (std::size_t i = 0; i < 8; ++i) bytes[i] = static_cast<std::uint8_t>(seed >> (8 * i));
  hash.add(bytes.data(), bytes.size());
  hash.add(name);
  const auto digest = hash.finish();
  std::uint64_t key = 0;
  for (std::size_t i = 0; i < 8; ++i) key |= std::uint64_t{digest[i]} << (8 * i);
  return key;
}

// ln(x) for finite x > 0 from basic arithmetic alone: x = m 2^e with m in [sqrt(1/2), sqrt(2)), and
// ln m = 2 artanh((m-1)/(m+1)) by its series; |s| <= 0.172, so 12 terms leave less than 1e-17.
double portable_log(double x) {
  int exponent = 0;
  double m = std::frexp(x, &exponent);  // exact
  if (m < 0.70710678118654752440) {
    m *= 2;
    --exponent;
  }
  const double s = (m - 1) / (m + 1);
  const double s2 = s * s;
  double series = 0;
  for (int k = 23; k >= 3; k -= 2) series = (series + 1.0 / k) * s2;
  // ln 2 in two parts, so that exponent * high is exact.
  constexpr double kHigh = 6.93147180369123816490e-01;
  constexpr double kLow = 1.90821492927058770002e-10;
  return exponent * kHigh + (2 * s * (1 + series) + exponent * kLow);
}

double ratio(const double (&top)[8], const double (&bottom)[8], double r) {
  double a = top[7], b = bottom[7];
  for (int i = 6; i >= 0; --i) {
    a = a * r + top[i];
    b = b * r + bottom[i];
  }
  return a / b;
}

}  // namespace

std::array<std::uint32_t, 4> philox(const std::array<std::uint32_t, 4>& counter, std::uint64_t key) {
  const r123::Philox4x32::ctr_type in = {{counter[0], counter[1], counter[2], counter[3]}};
  const r123::Philox4x32::key_type k = {{static_cast<std::uint32_t>(key), static_cast<std::uint32_t>(key >> 32)}};
  const auto out = r123::Philox4x32()(in, k);
  return {out[0], out[1], out[2], out[3]};
}

Stream::Stream(std::uint64_t seed, std::string_view name) : key_(hashed_key(seed, name)) {}

std::uint64_t Stream::bits(std::uint64_t i) const {
  const std::uint64_t block = i / 2;
  const auto out = philox({static_cast<std::uint32_t>(block), static_cast<std::uint32_t>(block >> 32), 0, 0}, key_);
  const std::size_t half = i % 2 == 0 ? 0 : 2;
  return std::uint64_t{out[half]} | std::uint64_t{out[half + 1]} << 32;
}

double Stream::uniform(std::uint64_t i) const { return static_cast<double>(bits(i) >> 11) * 0x1p-53; }

double Stream::normal(std::uint64_t i) const {
  // The middle of each of 2^52 cells: never 0, never 1, symmetric.
  return inverse_normal_cdf((static_cast<double>(bits(i) >> 12) + 0.5) * 0x1p-52);
}

std::uint64_t Stream::below(std::uint64_t i, std::uint64_t bound) const {
  __extension__ using Wide = unsigned __int128;
  return static_cast<std::uint64_t>((static_cast<Wide>(bits(i)) * bound) >> 64);
}

std::uint64_t derive_seed(std::uint64_t seed, std::string_view name) { return hashed_key(seed, name); }

std::vector<std::uint32_t> permutation(const Stream& stream, std::uint32_t n) {
  std::vector<std::uint32_t> order(n);
  permutation(stream, order);
  return order;
}

void permutation(const Stream& stream, std::span<std::uint32_t> order) {
  const auto n = static_cast<std::uint32_t>(order.size());
  std::iota(order.begin(), order.end(), 0u);
  for (std::uint32_t i = n; i > 1; --i) std::swap(order[i - 1], order[stream.below(n - i, i)]);
}

double inverse_normal_cdf(double p) {
  // Coefficients: Wichura 1988, Applied Statistics 37, 477-484.
  static constexpr double kA[8] = {3.3871328727963666080e0,  1.3314166789178437745e+2, 1.9715909503065514427e+3,
                                   1.3731693765509461125e+4, 4.5921953931549871457e+4, 6.7265770927008700853e+4,
                                   3.3430575583588128105e+4, 2.5090809287301226727e+3};
  static constexpr double kB[8] = {1.0,
                                   4.2313330701600911252e+1,
                                   6.8718700749205790830e+2,
                                   5.3941960214247511077e+3,
                                   2.1213794301586595867e+4,
                                   3.9307895800092710610e+4,
                                   2.8729085735721942674e+4,
                                   5.2264952788528545610e+3};
  static constexpr double kC[8] = {1.42343711074968357734e0,  4.63033784615654529590e0, 5.76949722146069140550e0,
                                   3.64784832476320460504e0,  1.27045825245236838258e0, 2.41780725177450611770e-1,
                                   2.27238449892691845833e-2, 7.74545014278341407640e-4};
  static constexpr double kD[8] = {1.0,
                                   2.05319162663775882187e0,
                                   1.67638483018380384940e0,
                                   6.89767334985100004550e-1,
                                   1.48103976427480074590e-1,
                                   1.51986665636164571966e-2,
                                   5.47593808499534494600e-4,
                                   1.05075007164441684324e-9};
  static constexpr double kE[8] = {6.65790464350110377720e0,  5.46378491116411436990e0,  1.78482653991729133580e0,
                                   2.96560571828504891230e-1, 2.65321895265761230930e-2, 1.24266094738807843860e-3,
                                   2.71155556874348757815e-5, 2.01033439929228813265e-7};
  static constexpr double kF[8] = {1.0,
                                   5.99832206555887937690e-1,
                                   1.36929880922735805310e-1,
                                   1.48753612908506148525e-2,
                                   7.86869131145613259100e-4,
                                   1.84631831751005468180e-5,
                                   1.42151175831644588870e-7,
                                   2.04426310338993978564e-15};
  const double q = p - 0.5;
  if (std::fabs(q) <= 0.425) return q * ratio(kA, kB, 0.180625 - q * q);
  double r = std::sqrt(-portable_log(q < 0 ? p : 1 - p));
  const double x = r <= 5 ? ratio(kC, kD, r - 1.6) : ratio(kE, kF, r - 5);
  return q < 0 ? -x : x;
}

}  // namespace initlab::base
