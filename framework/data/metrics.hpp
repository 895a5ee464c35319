// Metrics of tasks: pure functions. A constant prediction has no correlation: 0 with the flag `degenerate`, never NaN.
// Values equal scikit-learn's (accuracy_score, f1_score, matthews_corrcoef) and SciPy's (pearsonr, spearmanr).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace initlab::data {

struct Score {
  std::vector<double> values;  // in the order of the names asked for
  bool degenerate = false;     // all predictions equal, or one of them not finite
};

// Throws Error on another name. Predictions and labels are equally many; of none, every metric is 0.
// names: accuracy, f1 (of label 1, as GLUE), mcc, for class indices.
Score score_classes(std::span<const std::string> names, std::span<const std::int32_t> predicted,
                    std::span<const std::int32_t> labels);
// names: pearson, spearman (average ranks of ties), for numbers.
Score score_numbers(std::span<const std::string> names, std::span<const float> predicted,
                    std::span<const float> targets);

}  // namespace initlab::data
