// What of a comparison is independent. Runs that were fine-tuned from one pre-trained model share its luck: they are
// not independent draws of pre-training, however many there are. Internal to compare/.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace initlab::compare {

// The observations that a test may count, from values that started from these pre-trained models (their numbers; -1:
// from none). Where there are several models, values of one model become their mean, models ascending; a value of no
// model stays one. With one model or none all values stay as they are: what is then said holds given that model. That
// is the analysis of cluster means (Donner & Klar 2000, "Design and Analysis of Cluster Randomization Trials in Health
// Research"). values and models: equally long.
std::vector<double> independent_units(std::span<const double> values, std::span<const std::int64_t> models);

}  // namespace initlab::compare
