// Over evaluation examples too: from the predictions that runs keep. Functions over records.
#pragma once

#include <functional>
#include <span>

#include "compare/compare.hpp"

namespace initlab::compare {

// A task's metric of predictions (examples x outputs, row by row) against labels, as the run file has both. Not a
// number where it has none of these examples.
using Score = std::function<double(std::span<const float> predictions, std::span<const float> labels)>;

// Fills Pair::examples wherever both arms' runs keep predictions of the compared evaluation and were evaluated on the
// same labels: the multi-bootstrap over seeds and examples, or, for a single pair of classifiers, McNemar's test.
// `score` computes comparison.metric. Runs are those of the comparison, read with their predictions.
void add_examples(Comparison& comparison, std::span<const record::Run> runs, const Score& score);

}  // namespace initlab::compare
