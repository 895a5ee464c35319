#include "train/schedule.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace initlab::train {
namespace {

// After warmup; `left` falls from 1 to 0.
double after_warmup(const config::ScheduleConfig& schedule, double left) {
  left = std::clamp(left, 0.0, 1.0);
  if (schedule.name == "constant") return 1;
  if (schedule.name == "cosine") return 0.5 * (1 + std::cos(std::numbers::pi * (1 - left)));
  return left;
}

}  // namespace

double rate_factor(const config::ScheduleConfig& schedule, std::int64_t step, std::int64_t total) {
  const auto warm = static_cast<std::int64_t>(schedule.warmup * static_cast<double>(total));
  if (step < warm) return static_cast<double>(step) / static_cast<double>(std::max<std::int64_t>(1, warm));
  const auto rest = static_cast<double>(std::max<std::int64_t>(1, total - warm));
  return after_warmup(schedule, static_cast<double>(total - step) / rest);
}

double rate_factor(const config::ScheduleConfig& schedule, double progress) {
  if (progress < schedule.warmup) return progress / schedule.warmup;
  return after_warmup(schedule, (1 - progress) / (1 - schedule.warmup));
}

}  // namespace initlab::train
