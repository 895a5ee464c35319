// Counter-based random streams: randomness is an argument, draw i is a pure function of (seed, name, i).
//
// Source: Philox4x32-10, Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3" (Random123). Normal deviates
// by inversion of the normal distribution function (Wichura 1988, algorithm AS 241, PPND16), in scalar double
// arithmetic with a logarithm of our own: libm's differs between CPUs, and initial bits must not. Not for:
// cryptography. Not std::normal_distribution: its result is implementation-defined.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace initlab::base {

// One Philox4x32-10 block. 128 counter bits and 64 key bits in, 128 random bits out.
std::array<std::uint32_t, 4> philox(const std::array<std::uint32_t, 4>& counter, std::uint64_t key);

class Stream {
 public:
  // Key: the first 8 bytes of SHA-256 over seed and name. Another name is another, independent stream.
  Stream(std::uint64_t seed, std::string_view name);

  std::uint64_t key() const { return key_; }
  std::uint64_t bits(std::uint64_t i) const;                        // 64 random bits
  double uniform(std::uint64_t i) const;                            // [0, 1), 53 bits
  double normal(std::uint64_t i) const;                             // N(0, 1)
  std::uint64_t below(std::uint64_t i, std::uint64_t bound) const;  // [0, bound); bias under bound / 2^64

 private:
  std::uint64_t key_;
};

// A seed derived from another and a name; for separate streams per replicate ("init", "order", ...).
std::uint64_t derive_seed(std::uint64_t seed, std::string_view name);

// Fisher-Yates over 0 .. n-1.
std::vector<std::uint32_t> permutation(const Stream& stream, std::uint32_t n);
// The same into memory that is there: 0 .. order.size()-1.
void permutation(const Stream& stream, std::span<std::uint32_t> order);

// x with P(Z <= x) = p for 0 < p < 1. Relative error about 1e-16 (AS 241).
double inverse_normal_cdf(double p);

}  // namespace initlab::base
