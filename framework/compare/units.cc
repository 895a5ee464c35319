#include "compare/units.hpp"

#include <map>

#include "compare/statistics.hpp"

namespace initlab::compare {

std::vector<double> independent_units(std::span<const double> values, std::span<const std::int64_t> models) {
  std::map<std::int64_t, std::vector<double>> of_model;
  std::vector<double> units;
  for (std::size_t i = 0; i < values.size(); ++i) (models[i] < 0 ? units : of_model[models[i]]).push_back(values[i]);
  if (of_model.size() < 2) return {values.begin(), values.end()};
  for (const auto& [model, its_values] : of_model) units.push_back(mean(its_values));
  return units;
}

}  // namespace initlab::compare
