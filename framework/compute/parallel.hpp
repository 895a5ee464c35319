// Work for the threads, divided the same way at each call with the same number of threads. Internal to compute/.
//
// What one thread can do alone is done without a region: libgomp allocates a team for each region of one thread, and
// for each whose size is not the last one's.
#pragma once

#include <omp.h>

#include <algorithm>
#include <cstdint>

namespace initlab::compute {

// Calls body(begin, end) so that the calls cover 0 .. n-1 once; borders are multiples of `grain`. One share where there
// is no more than one grain of work.
template <class Body>
void for_shares(std::int64_t n, std::int64_t grain, const Body& body) {
  const std::int64_t blocks = (n + grain - 1) / grain;
  if (blocks <= 1 || omp_get_max_threads() == 1) {
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

// Calls body(i) for i = 0 .. n-1. Threads, at most `most`, take turns of `turn` neighbours.
template <class Body>
void for_turns(std::int64_t n, std::int64_t turn, int most, const Body& body) {
  const int threads = std::min(most, omp_get_max_threads());
  if (threads == 1 || n <= turn) {
    for (std::int64_t i = 0; i < n; ++i) body(i);
    return;
  }
#pragma omp parallel for schedule(static, turn) num_threads(threads)
  for (std::int64_t i = 0; i < n; ++i) body(i);
}

}  // namespace initlab::compute
