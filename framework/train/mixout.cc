#include "train/mixout.hpp"

#include <algorithm>

namespace initlab::train {

Mixout::Mixout(const config::TrainingConfig& training, const config::Seeds& seeds, const params::ParameterTable& table,
               std::span<const float> initial)
    : probability_(training.mixout),
      unit_(training.mixout_unit == "neuron" ? compute::MixUnit::neuron : compute::MixUnit::weight),
      stream_(seeds.dropout, "mixout"),
      table_(&table),
      initial_(initial) {
  if (probability_ > 0) kept_.resize(static_cast<std::size_t>(table.size()));
}

compute::DropoutSite Mixout::site(std::uint32_t step, std::size_t parameter) const {
  return compute::dropout_site(probability_, stream_.key(), step, static_cast<std::uint32_t>(parameter));
}

// Calls body(number in the table, rows, columns, offset).
template <class Body>
void Mixout::for_matrices(const Body& body) const {
  if (!compute::dropout_site(probability_, 0, 0, 0).active()) return;
  for (std::size_t i = 0; i < table_->all().size(); ++i) {
    const params::Parameter& p = table_->all()[i];
    if (p.role == params::Role::matrix && !p.head) body(i, p.shape[0], p.shape[1], p.offset);
  }
}

void Mixout::mix(std::uint32_t step, std::span<float> values) {
  for_matrices([&](std::size_t i, std::int64_t rows, std::int64_t columns, std::int64_t offset) {
    float* const w = values.data() + offset;
    float* const kept = kept_.data() + offset;
    std::copy_n(w, rows * columns, kept);
    compute::mixout_forward(site(step, i), unit_, rows, columns, initial_.data() + offset, kept, w);
  });
}

void Mixout::unmix(std::uint32_t step, std::span<float> values, std::span<float> gradients) const {
  for_matrices([&](std::size_t i, std::int64_t rows, std::int64_t columns, std::int64_t offset) {
    std::copy_n(kept_.data() + offset, rows * columns, values.data() + offset);
    compute::mixout_backward(site(step, i), unit_, rows, columns, gradients.data() + offset);
  });
}

}  // namespace initlab::train
