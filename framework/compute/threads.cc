#include "compute/threads.hpp"

#include <omp.h>

#if defined(__SSE__)
#include <xmmintrin.h>
#endif

namespace initlab::compute {

void set_threads(int threads) {
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
