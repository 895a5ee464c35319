// Where a step's time goes: a clock for each kind of work. Times of phases that nest would count twice, so they do not
// nest.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>

namespace initlab::compute {

enum class Phase {
  embedding,     // gather, sum, norm, dropout; scatter of the gradient
  gemm_forward,  // y = x W^T
  gemm_input,    // dx = dy W
  gemm_weight,   // dW = dy^T x
  attention,     // scores, softmax, context, and their backward
  elementwise,   // bias, activation, dropout, residual, norm, outside attention
  loss,          // the head's loss: cross-entropy, its own products where they are fused with it
  optimizer,     // gradient norm, clip, update, mixout
  data,          // batches: assembling them, or waiting for them
  packing,       // weights brought into the form that products read
};
inline constexpr std::size_t kPhases = 10;
inline constexpr std::array<const char*, kPhases> kPhaseNames = {
    "embedding",   "gemm_forward", "gemm_input", "gemm_weight", "attention",
    "elementwise", "loss",         "optimizer",  "data",        "packing"};

// Seconds spent in each phase since reset().
class PhaseTimes {
 public:
  void reset() { seconds_ = {}; }
  void add(Phase phase, double seconds) { seconds_[static_cast<std::size_t>(phase)] += seconds; }
  double operator[](Phase phase) const { return seconds_[static_cast<std::size_t>(phase)]; }
  const std::array<double, kPhases>& all() const { return seconds_; }  // by kPhaseNames

 private:
  std::array<double, kPhases> seconds_{};
};

// Counts the time of its scope: `const Timed timed(times, Phase::attention);`. Null counts nothing. Costs two readings
// of the clock, some tens of ns.
class Timed {
 public:
  Timed(PhaseTimes* times, Phase phase) : times_(times), phase_(phase) {
    if (times_ != nullptr) start_ = Clock::now();
  }
  Timed(PhaseTimes& times, Phase phase) : Timed(&times, phase) {}
  ~Timed() {
    if (times_ != nullptr) times_->add(phase_, std::chrono::duration<double>(Clock::now() - start_).count());
  }
  Timed(const Timed&) = delete;
  Timed& operator=(const Timed&) = delete;

 private:
  using Clock = std::chrono::steady_clock;
  PhaseTimes* times_;
  Phase phase_;
  Clock::time_point start_;
};

}  // namespace initlab::compute
