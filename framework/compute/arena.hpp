// One block of memory for everything a model works on: booked while planning, granted once, never grown.
//
// The same layout function runs twice: first against an arena that only counts (pointers are null), then, after
// grant(), against the memory itself. The block is 64-byte aligned and zero, asks for huge pages, and is touched by
// grant(): a first touch of a fresh page inside a step would cost more than the step's work on it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace initlab::compute {

class Arena {
 public:
  // huge_pages: whether to ask for them, and to touch the memory when it is granted.
  explicit Arena(bool huge_pages = true) : huge_pages_(huge_pages) {}
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // n elements, 64-byte aligned, zero. Null before grant(). After it, calls must repeat the calls before it, in order.
  template <class T>
  T* take(std::int64_t n) {
    return static_cast<T*>(take_bytes(static_cast<std::size_t>(n) * sizeof(T)));
  }
  // Books what was taken so far. Throws base::Error where the system has no such memory.
  void grant();
  std::size_t bytes() const { return bytes_; }

 private:
  void* take_bytes(std::size_t n);

  bool huge_pages_;
  std::byte* block_ = nullptr;  // owned
  std::size_t bytes_ = 0;
  std::size_t used_ = 0;
};

}  // namespace initlab::compute
