// training.stop: rules that end a run before its last step. They look at the run's own records alone, so that a run
// that goes on after an interruption ends where it would have ended without one.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "config/config.hpp"
#include "data/data.hpp"
#include "record/record.hpp"

namespace initlab::train {

// Steps whose mean loss is looked at.
inline constexpr std::int64_t kDivergenceWindow = 20;

// The metric that the hopeless rule reads: its place in data.info.metrics. Throws Error at training.place where the
// task has no such metric, or where a constant answer has none.
std::size_t hopeless_metric(const config::TrainingConfig& training, const data::TaskData& data);

// The step after which the hopeless rule decides: of the first evaluation at or after stop.hopeless.after that is not
// the last. steps: of the run, 0 where a time budget decides. Throws Error at training.place where there is none.
std::int64_t hopeless_step(const config::TrainingConfig& training, std::int64_t steps);

// Is told all records of a run in their order, those before an interruption included.
class StopRules {
 public:
  // Throws Error as hopeless_metric. Both must outlive it.
  StopRules(const config::TrainingConfig& training, const data::TaskData& data);

  // Why the run has failed; empty: it has not. A loss, or a gradient norm, that is not finite always is a reason.
  std::string failure(const record::StepRecord& step);
  // Why the run need not go on; empty: it does.
  std::string hopeless(const record::EvalRecord& eval);

 private:
  std::string divergence(const record::StepRecord& step);

  const config::StopConfig& stop_;
  const data::TaskData& data_;
  std::array<double, kDivergenceWindow> losses_{};  // of the last steps
  double first_ = 0;                                // mean of the first ones
  std::size_t metric_ = 0;
  double best_;  // of the metric so far: once it is good enough, it stays so
};

}  // namespace initlab::train
