// Looks at results before all seeds are run, recorded in the results folder (looks.json), and what they leave of alpha.
#pragma once

#include <filesystem>

#include "compare/compare.hpp"

namespace initlab::app {

// Records this look, unless no seed was added since the last one, and returns the p below which it may claim anything:
// O'Brien and Fleming's spending over compare.planned_seeds. Throws Error without planned seeds, where more were run
// than planned, and where the file is not one of ours.
double record_look(const std::filesystem::path& folder, const compare::Comparison& comparison);

}  // namespace initlab::app
