// Counts calls of malloc and its kin, ours apart from oneDNN's. A program that links allocations.cc has its own malloc,
// calloc, realloc, aligned forms and operator new in front of the C library's; they count while asked to.
#pragma once

#include <cstdint>

namespace initlab::app {

struct Allocations {
  std::int64_t ours = 0;    // of everything but oneDNN: this program and the other libraries it calls
  std::int64_t onednn = 0;  // called from oneDNN's code
};

// False where malloc cannot be replaced: another C library than glibc, or a sanitizer that has replaced it already.
bool allocations_are_counted();
// Counts from zero, in all threads, until stop. Not for use from two threads at once.
void start_counting_allocations();
Allocations counted_allocations();  // until now
Allocations stop_counting_allocations();

}  // namespace initlab::app
