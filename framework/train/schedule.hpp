// Learning-rate schedules, as factors of the peak rate.
#pragma once

#include <cstdint>

#include "config/config.hpp"

namespace initlab::train {

// Factor for the update with 0-based index `step` of `total`. Warmup rises linearly from 0 (so the first update of a
// warmed-up run has rate 0, as transformers.get_linear_schedule_with_warmup has) over int(warmup * total) updates; then
// linear to 0 at `total`, constant, or half a cosine to 0.
double rate_factor(const config::ScheduleConfig& schedule, std::int64_t step, std::int64_t total);

// The same over a time budget: `progress` in [0, 1] is the share of the budget that has passed.
double rate_factor(const config::ScheduleConfig& schedule, double progress);

}  // namespace initlab::train
