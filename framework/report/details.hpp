// The tables behind the table: spread over seeds, paired tests, ways to the threshold and off the plateau, mean
// heights, stochastic order, examples. Internal to report/.
#pragma once

#include <span>
#include <vector>

#include "report/sheet.hpp"

namespace initlab::report {

// Of the arms of one grid point; those that have something to show.
std::vector<Sheet> detail_sheets(const compare::Comparison& comparison, std::span<const compare::ArmSummary> arms);

// The pair of an arm with its baseline; null: it has none.
const compare::Pair* pair_of(const compare::Comparison& comparison, const compare::ArmSummary& arm);
std::string interval_text(const std::optional<compare::Interval>& interval);  // "[+0.1, +0.2]", "-"; infinite ends too

}  // namespace initlab::report
