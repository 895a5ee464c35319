// Work in equal, contiguous shares, one a thread, always the same for a number of threads. Internal to compute/.
#pragma once

#include <omp.h>

#include <algorithm>
#include <cstdint>

namespace initlab::compute {

// Calls body(begin, end) so that the calls cover 0 .. n-1 once; borders are multiples of `grain`. One share where there
// is no more than one grain of work: without a region then, since libgomp allocates for a team of another size than the
// last one's.
template <class Body>
void for_shares(std::int64_t n, std::int64_t grain, const Body& body) {
  const std::int64_t blocks = (n + grain - 1) / grain;
  if (blocks <= 1) {
    if (n > 0) body(std::int64_t{0}, n);
    return;
  }
#pragma omp parallel
  {
    const std::int64_t thread = omp_get_thread_num();
    const std::int64_t threads = omp_get_num_threads();
    const std::int64_t begin = std::min(n, blocks * thread / threads * grain);
    const std::int64_t end = std::min(n, blocks * (thread + 1) / threads * grain);
    if (begin < end) body(begin, end);
  }
}

}  // namespace initlab::compute
