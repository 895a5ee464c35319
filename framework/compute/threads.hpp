// The one thread pool of a run.
#pragma once

namespace initlab::compute {

// Sets the number of threads of every later kernel and matrix product of this process, and lets all of them flush
// denormal numbers to zero: moments of rows that get no gradient decay into that range, where some CPUs are a hundred
// times slower. Also tells the C library to keep memory that is freed, for what the next product takes. Call before the
// first kernel, never in a process that will fork.
void set_threads(int threads);
int threads();

}  // namespace initlab::compute
