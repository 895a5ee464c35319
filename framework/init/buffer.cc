#include "init/buffer.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/error.hpp"
#include "base/text.hpp"

namespace initlab::init {
namespace {

constexpr std::uint32_t kPattern = 0x7fe5c3e1;
constexpr const char* kPluginsFault = "this is a fault of the plugin; its conformance test would show it";

}  // namespace

std::span<float> GuardedBuffer::prepare(std::size_t n) {
  buffer_.assign(n + 2 * kGuard, std::bit_cast<float>(kPattern));
  return values();
}

bool GuardedBuffer::is_pattern(float x) { return std::bit_cast<std::uint32_t>(x) == kPattern; }

bool GuardedBuffer::guards_hold() const {
  const std::span<const float> all(buffer_);
  return std::ranges::all_of(all.first(kGuard), is_pattern) && std::ranges::all_of(all.last(kGuard), is_pattern);
}

void check_written(GuardedBuffer& buffer, const std::string& refusal, const std::string& place,
                   const std::string& subject) {
  if (!buffer.guards_hold())
    throw base::Error({place, subject, "nothing written outside the buffer", "a write beyond its end", kPluginsFault});
  if (!refusal.empty()) throw base::Error({place, subject + ": " + refusal, "", "", ""});
  const std::span<const float> values = buffer.values();
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::isfinite(values[i])) continue;
    const bool unwritten = GuardedBuffer::is_pattern(values[i]);
    throw base::Error({place, subject, unwritten ? "every element written" : "finite values",
                       (unwritten ? "nothing" : base::number_text(static_cast<double>(values[i]))) + " at element " +
                           std::to_string(i) + " of " + std::to_string(values.size()),
                       unwritten ? kPluginsFault : "look at the strategy's options"});
  }
}

}  // namespace initlab::init
