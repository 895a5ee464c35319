#include "compute/threads.hpp"

#include <omp.h>
#if __has_include(<malloc.h>)
#include <malloc.h>
#endif

#if defined(__SSE__)
#include <xmmintrin.h>
#endif

namespace initlab::compute {
namespace {

// oneDNN takes and frees work memory in every product. glibc would map large blocks afresh and give the heap's end back
// each time, and each page that comes back is a page fault: 1,000 in a step of the mini masked language model on AVX2.
void keep_freed_memory() {
#if defined(M_MMAP_THRESHOLD)           // glibc
  mallopt(M_MMAP_THRESHOLD, 32 << 20);  // the largest that glibc takes
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
#endif
}

}  // namespace

void set_threads(int threads) {
  keep_freed_memory();
  omp_set_dynamic(0);
  omp_set_num_threads(threads);
#pragma omp parallel
  {
#if defined(__SSE__)
    _mm_setcsr(_mm_getcsr() | 0x8040u);  // flush to zero, denormals are zero
#endif
  }
}

int threads() { return omp_get_max_threads(); }

}  // namespace initlab::compute
