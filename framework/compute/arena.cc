#include "compute/arena.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <string>

#include "base/error.hpp"

namespace initlab::compute {
namespace {

constexpr std::size_t kLine = 64;
constexpr std::size_t kHugePage = std::size_t{1} << 21;

std::size_t round_up(std::size_t n, std::size_t unit) { return (n + unit - 1) / unit * unit; }

}  // namespace

Arena::~Arena() {
  if (block_ != nullptr) munmap(block_, bytes_);
}

void* Arena::take_bytes(std::size_t n) {
  const std::size_t at = used_;
  used_ += round_up(n, kLine);
  if (block_ == nullptr) return nullptr;
  assert(used_ <= bytes_);
  return block_ + at;
}

void Arena::grant() {
  assert(block_ == nullptr);
  bytes_ = round_up(std::max(used_, kLine), kHugePage);
  void* block = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (block == MAP_FAILED)
    throw base::Error(
        {.place = "memory",
         .subject = "model",
         .expected = std::to_string(bytes_ >> 20) + " MiB",
         .got = std::strerror(errno),
         .hint = "a smaller training.batch, training.max_length or model, or training.accumulate, needs less"});
  if (huge_pages_) {
    madvise(block, bytes_, MADV_HUGEPAGE);  // a wish: without it the program is slower, not wrong
    std::memset(block, 0, bytes_);
  }
  block_ = static_cast<std::byte*>(block);
  used_ = 0;
}

}  // namespace initlab::compute
