#include "init/calibrate.hpp"

#include <algorithm>
#include <cmath>

#include "base/error.hpp"
#include "base/text.hpp"

namespace initlab::init {
namespace {

const Output* find(const std::vector<Output>& outputs, std::string_view weight) {
  const auto found = std::ranges::find(outputs, weight, &Output::weight);
  return found == outputs.end() ? nullptr : &*found;
}

// il_activations::output over a vector of outputs.
int lend(const void* context, const char* weight, il_activation* activation) {
  const Output* output = find(*static_cast<const std::vector<Output>*>(context), weight);
  if (output == nullptr || activation->size < sizeof(il_activation)) return 1;
  activation->count = output->count;
  activation->mean = output->mean;
  activation->stddev = output->stddev;
  activation->residual_mean = output->residual_mean;
  activation->residual_stddev = output->residual_stddev;
  return 0;
}

}  // namespace

const std::vector<Output>& Calibrator::pass(std::int64_t batches, const std::string& place,
                                            const std::string& subject) {
  const auto [it, fresh] = passes_.try_emplace(batches);
  if (fresh) it->second = forward_(values_, batches);
  for (const Output& output : it->second)
    if (!std::isfinite(output.mean) || !std::isfinite(output.stddev))
      throw base::Error({place, subject, "a forward pass with finite activations",
                         base::number_text(output.stddev) + " as standard deviation of the product of " + output.weight,
                         "what the rules gave to the tensors before it is too large"});
  return it->second;
}

Calibrator::Result Calibrator::calibrate(const Strategy& strategy, const params::Parameter& p,
                                         const config::ModelConfig& model, const std::string& place,
                                         const std::string& subject) {
  if (!forward_) throw base::Error({place, subject, "a model and data to calibrate on", "none", ""});
  const std::int64_t batches = strategy.calibration_batches();
  if (batches < 1 || batches > IL_MOST_CALIBRATION_BATCHES)
    throw base::Error({place, subject,
                       "a calibration on 1 to " + std::to_string(IL_MOST_CALIBRATION_BATCHES) + " batches",
                       std::to_string(batches), "this is a fault of the plugin; its conformance test would show it"});
  const il_param param = describe_parameter(p, model);
  const std::span<float> own = values_.subspan(static_cast<std::size_t>(p.offset), static_cast<std::size_t>(p.size));
  for (std::uint32_t round = 0; round < IL_MOST_CALIBRATION_ROUNDS; ++round) {
    const std::vector<Output>& outputs = pass(batches, place, subject);
    std::ranges::copy(own, buffer_.prepare(own.size()).begin());
    const il_activations activations{sizeof(il_activations), round, &outputs, &lend};
    bool again = false;
    const std::string refusal = strategy.calibrate(param, activations, buffer_.values(), again);
    check_written(buffer_, refusal, place, subject);
    if (!std::ranges::equal(own, buffer_.values())) {
      std::ranges::copy(buffer_.values(), own.begin());
      passes_.clear();
    }
    if (again) continue;
    Result result{.rounds = round + 1};
    if (const Output* output = find(pass(batches, place, subject), p.name)) result.stddev = output->stddev;
    return result;
  }
  throw base::Error({place, subject, "an end within " + std::to_string(IL_MOST_CALIBRATION_ROUNDS) + " rounds",
                     "a wish for another one", "this is a fault of the plugin; its conformance test would show it"});
}

}  // namespace initlab::init
