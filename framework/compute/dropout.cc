#include "compute/dropout.hpp"

#include <algorithm>
#include <cmath>

#include "compute/parallel.hpp"
#include "compute/simd.hpp"

namespace initlab::compute {
namespace {

constexpr int kLanes = kDropoutBlock / 8;  // Philox blocks made side by side

// kLanes Philox4x32-10 blocks (Salmon et al. 2011) whose counters differ in word 0 by 0, 1, 2, ...
INITLAB_CLONES void philox_factors(std::uint64_t key, std::uint32_t word0, std::uint32_t word1, std::uint32_t word2,
                                   std::uint32_t word3, std::uint32_t threshold, float scale, float* factors) {
  std::uint32_t c0[kLanes], c1[kLanes], c2[kLanes], c3[kLanes];
  for (int i = 0; i < kLanes; ++i) {
    c0[i] = word0 + static_cast<std::uint32_t>(i);
    c1[i] = word1;
    c2[i] = word2;
    c3[i] = word3;
  }
  std::uint32_t key0 = static_cast<std::uint32_t>(key), key1 = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    for (int i = 0; i < kLanes; ++i) {
      const std::uint64_t a = std::uint64_t{0xD2511F53u} * c0[i];
      const std::uint64_t b = std::uint64_t{0xCD9E8D57u} * c2[i];
      const std::uint32_t next0 = static_cast<std::uint32_t>(b >> 32) ^ c1[i] ^ key0;
      const std::uint32_t next2 = static_cast<std::uint32_t>(a >> 32) ^ c3[i] ^ key1;
      c1[i] = static_cast<std::uint32_t>(b);
      c3[i] = static_cast<std::uint32_t>(a);
      c0[i] = next0;
      c2[i] = next2;
    }
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  for (int i = 0; i < kLanes; ++i) {
    float* out = factors + 8 * i;
    const std::uint32_t words[4] = {c0[i], c1[i], c2[i], c3[i]};
    for (int j = 0; j < 4; ++j) {
      out[2 * j] = (words[j] & 0xFFFFu) < threshold ? 0.0f : scale;
      out[2 * j + 1] = (words[j] >> 16) < threshold ? 0.0f : scale;
    }
  }
}

}  // namespace

DropoutSite dropout_site(double probability, std::uint64_t key, std::uint32_t step, std::uint32_t site) {
  DropoutSite result{.key = key, .step = step, .site = site};
  // Something is always kept, or the scale would be infinite.
  result.threshold = static_cast<std::uint32_t>(std::min(std::lround(probability * 65536), 65535L));
  result.scale = static_cast<float>(65536.0 / (65536.0 - result.threshold));
  return result;
}

void dropout_factors(const DropoutSite& site, std::int32_t slot, std::int32_t position, std::int64_t first,
                     float* factors) {
  const std::uint32_t word0 = static_cast<std::uint32_t>(first / 8) + (site.site >> 12 << 18);
  const std::uint32_t word2 = site.site << 20 | static_cast<std::uint32_t>(slot);
  philox_factors(site.key, word0, static_cast<std::uint32_t>(position), word2, site.step, site.threshold, site.scale,
                 factors);
}

void dropout_apply(const DropoutSite& site, const RowNames& names, std::int64_t rows, std::int64_t n, float* x) {
  if (!site.active()) return;
  for_shares(rows, 8, [&](std::int64_t begin, std::int64_t end) {
    float factors[kDropoutBlock];
    for (std::int64_t r = begin; r < end; ++r) {
      for (std::int64_t first = 0; first < n; first += kDropoutBlock) {
        dropout_factors(site, names.slots[r], names.positions[r], first, factors);
        float* block = x + r * n + first;
        const std::int64_t width = std::min(kDropoutBlock, n - first);
        for (std::int64_t i = 0; i < width; ++i) block[i] *= factors[i];
      }
    }
  });
}

}  // namespace initlab::compute
