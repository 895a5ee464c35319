// How fast runs get there: the threshold as survival data, and whole curves. Functions over records.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "compare/curves.hpp"
#include "compare/groups.hpp"
#include "compare/survival.hpp"

namespace initlab::compare {

// One run on its way to the threshold: at the first evaluation that reaches it, or censored at its last one; a run that
// was stopped early never reaches it, so it is censored where the others' watch ends. The same in three units.
struct Way {
  Observation steps, tokens, seconds;  // tokens: valid ones, of all steps so far; seconds: of training steps alone
  bool whole = true;                   // every step so far is recorded; else tokens and seconds are too few
};
// Needs a run with evaluations. watched: the last step that the runs of its grid point were watched to.
Way way_to(const record::Run& run, const Measure& measure, double threshold, std::int64_t watched);

// Steps until a run of masked language modelling has left the unigram plateau for good: its accuracy stays above the
// most frequent word's share by more than kPlateauMargin. Censored as in way_to; nothing for other tasks. Needs a run
// with evaluations.
std::optional<Observation> way_off_plateau(const record::Run& run, std::int64_t watched);

// The metric's curve of a run, without values that are not finite.
Curve finite_curve(const record::Run& run, const std::string& metric);

// The median of the values that runs end with: their last finite one. Nothing where no run has one.
std::optional<double> median_end(const Group& group, const std::string& metric);

// Empty observations give `runs` 0.
Reach reach_of(const std::vector<Observation>& observations, double horizon);

// The steps that all runs of a grid point were watched over. Runs with one evaluation are none of them, nor are runs
// that were stopped early.
struct Span {
  std::int64_t from = 0, to = 0;
};
// Nothing where no two steps are common to all.
std::optional<Span> common_span(const std::vector<const record::Run*>& runs);

// The mean height of a run's curve: its area by trapezoids over the exact steps of the span, divided by its length.
// Nothing where the run has no evaluation at both ends, or a value within that is not finite. A run that was stopped
// early keeps its last value to the end, as it does in the comparison of last values.
std::optional<double> height_over(const record::Run& run, const std::string& metric, const Span& span);

}  // namespace initlab::compare
