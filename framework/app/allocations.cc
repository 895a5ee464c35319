// malloc and its kin in front of glibc's. The caller is told by the address it will return to: oneDNN's code lies in
// the mappings of its shared library. Where it is linked statically, its calls count as ours.
#include "app/allocations.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <new>

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define INITLAB_COUNTS 1
#else
#define INITLAB_COUNTS 0
#endif

namespace initlab::app {
namespace {

struct Range {
  std::uintptr_t begin = 0, end = 0;
};
std::array<Range, 16> g_onednn;  // where its library is mapped; set before counting starts
std::size_t g_ranges = 0;
std::atomic<bool> g_counting{false};
std::atomic<std::int64_t> g_ours{0}, g_of_onednn{0};

// Lines of /proc/self/maps: "begin-end permissions ... path".
void find_onednn() {
  g_ranges = 0;
  std::FILE* maps = std::fopen("/proc/self/maps", "r");
  if (maps == nullptr) return;
  char line[4096];
  while (g_ranges < g_onednn.size() && std::fgets(line, sizeof line, maps) != nullptr) {
    Range range;
    if (std::strstr(line, "/libdnnl.so") == nullptr || std::sscanf(line, "%zx-%zx", &range.begin, &range.end) != 2)
      continue;
    g_onednn[g_ranges++] = range;
  }
  std::fclose(maps);
}

[[maybe_unused]] void note(const void* caller) {
  if (!g_counting.load(std::memory_order_relaxed)) return;
  const auto address = reinterpret_cast<std::uintptr_t>(caller);
  const bool of_onednn = std::any_of(g_onednn.begin(), g_onednn.begin() + g_ranges, [address](const Range& range) {
    return range.begin <= address && address < range.end;
  });
  (of_onednn ? g_of_onednn : g_ours).fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

bool allocations_are_counted() { return INITLAB_COUNTS == 1; }

void start_counting_allocations() {
  find_onednn();
  g_ours = 0;
  g_of_onednn = 0;
  g_counting = true;
}

Allocations counted_allocations() { return {g_ours.load(), g_of_onednn.load()}; }

Allocations stop_counting_allocations() {
  g_counting = false;
  return counted_allocations();
}

}  // namespace initlab::app

#if INITLAB_COUNTS

extern "C" {

// glibc's own, under the names that it keeps for this.
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* block, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);

__attribute__((visibility("default"))) void* malloc(std::size_t size) {
  initlab::app::note(__builtin_return_address(0));
  return __libc_malloc(size);
}

__attribute__((visibility("default"))) void* calloc(std::size_t count, std::size_t size) {
  initlab::app::note(__builtin_return_address(0));
  return __libc_calloc(count, size);
}

__attribute__((visibility("default"))) void* realloc(void* block, std::size_t size) {
  initlab::app::note(__builtin_return_address(0));
  return __libc_realloc(block, size);
}

__attribute__((visibility("default"))) void* memalign(std::size_t alignment, std::size_t size) {
  initlab::app::note(__builtin_return_address(0));
  return __libc_memalign(alignment, size);
}

__attribute__((visibility("default"))) void* aligned_alloc(std::size_t alignment, std::size_t size) {
  initlab::app::note(__builtin_return_address(0));
  return __libc_memalign(alignment, size);
}

__attribute__((visibility("default"))) int posix_memalign(void** block, std::size_t alignment, std::size_t size) {
  initlab::app::note(__builtin_return_address(0));
  if (alignment % sizeof(void*) != 0 || (alignment & (alignment - 1)) != 0 || alignment == 0) return EINVAL;
  void* made = __libc_memalign(alignment, size);
  if (made == nullptr) return ENOMEM;
  *block = made;
  return 0;
}

}  // extern "C"

namespace {

void* counted_new(std::size_t size, const void* caller) {
  initlab::app::note(caller);
  if (void* block = __libc_malloc(size)) return block;
  throw std::bad_alloc();
}

void* counted_new(std::size_t size, std::align_val_t alignment, const void* caller) {
  initlab::app::note(caller);
  if (void* block = __libc_memalign(static_cast<std::size_t>(alignment), size)) return block;
  throw std::bad_alloc();
}

}  // namespace

// The C++ library's would call malloc, and hide who called them.
__attribute__((visibility("default"))) void* operator new(std::size_t size) {
  return counted_new(size, __builtin_return_address(0));
}

__attribute__((visibility("default"))) void* operator new[](std::size_t size) {
  return counted_new(size, __builtin_return_address(0));
}

__attribute__((visibility("default"))) void* operator new(std::size_t size, std::align_val_t alignment) {
  return counted_new(size, alignment, __builtin_return_address(0));
}

__attribute__((visibility("default"))) void* operator new[](std::size_t size, std::align_val_t alignment) {
  return counted_new(size, alignment, __builtin_return_address(0));
}

#endif  // INITLAB_COUNTS
