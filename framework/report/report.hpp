// Tables, JSON and CSV of a comparison. Text only here; no file formats of runs.
#pragma once

#include <span>
#include <string>

#include "base/json.hpp"
#include "compare/compare.hpp"
#include "record/record.hpp"

namespace initlab::report {

std::string table(const compare::Comparison& comparison);
base::Json to_json(const compare::Comparison& comparison);  // keys: docs/CLI.md; later versions add, never rename
// One row per (run, arm, settings, replicate, step, metric, value), with a head line.
std::string to_csv(std::span<const record::Run> runs);

// Aligned columns: numbers to the right, text to the left, two spaces between.
std::string align(const std::vector<std::vector<std::string>>& rows, const std::vector<bool>& right);

}  // namespace initlab::report
