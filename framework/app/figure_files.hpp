// Figures of a report as files for a paper, drawn by gnuplot.
#pragma once

#include <filesystem>
#include <vector>

#include "report/figures.hpp"

namespace initlab::app {

// Throws Error where there is no gnuplot on PATH, with the package that has it. Writes nothing.
std::filesystem::path find_gnuplot();

// <id>.gp, <id>.svg and <id>.pdf of each figure into the folder, which is made. Throws Error where gnuplot fails; the
// scripts then stand there.
void write_figures(const std::filesystem::path& gnuplot, const std::filesystem::path& folder,
                   const std::vector<const report::Figure*>& figures);

}  // namespace initlab::app
