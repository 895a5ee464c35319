// Calibration: a strategy sees what a forward pass makes of its values, and changes them. Internal to init/.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "init/buffer.hpp"
#include "init/init.hpp"
#include "init/strategy.hpp"

namespace initlab::init {

// Goes through tensors one after another. A pass is kept until the values change, so that the one which satisfies a
// tensor is the first that the next one sees.
class Calibrator {
 public:
  // Borrows both. `values`: the flat block, filled; calibrated tensors are written back into it.
  Calibrator(const ForwardPass& forward, std::span<float> values) : forward_(forward), values_(values) {}

  struct Result {
    std::int64_t rounds = 0;
    double stddev = std::numeric_limits<double>::quiet_NaN();  // of the product of this weight; NaN: there is none
  };
  // Rounds until the strategy is satisfied. Throws Error at `place` where it fails, writes beyond its buffer or a value
  // that is not finite, or wants more than IL_MOST_CALIBRATION_ROUNDS; or where the pass gives what is not finite.
  Result calibrate(const Strategy& strategy, const params::Parameter& p, const config::ModelConfig& model,
                   const std::string& place, const std::string& subject);

 private:
  const std::vector<Output>& pass(std::int64_t batches, const std::string& place, const std::string& subject);

  const ForwardPass& forward_;
  std::span<float> values_;
  std::map<std::int64_t, std::vector<Output>> passes_;  // on the present values, by number of batches
  GuardedBuffer buffer_;
};

}  // namespace initlab::init
