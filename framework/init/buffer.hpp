// The buffer that a strategy writes into: what it did wrong there is found before anything of it reaches the model.
// Internal to init/.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace initlab::init {

// A buffer with guards on both sides, filled with a NaN that no arithmetic makes.
class GuardedBuffer {
 public:
  std::span<float> prepare(std::size_t n);
  std::span<float> values() { return {buffer_.data() + kGuard, buffer_.size() - 2 * kGuard}; }

  bool guards_hold() const;
  static bool is_pattern(float x);

 private:
  static constexpr std::size_t kGuard = 64;
  std::vector<float> buffer_;
};

// Throws Error at `place` where the strategy wrote outside the buffer, refused (in its own words), left an element
// unwritten, or wrote one that is not finite.
void check_written(GuardedBuffer& buffer, const std::string& refusal, const std::string& place,
                   const std::string& subject);

}  // namespace initlab::init
