// What the parts of a chapter are made from: the study's runs sorted under the comparison's arms. Internal to report/.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "report/study.hpp"

namespace initlab::report {

// One arm at one grid point, with all its runs, whatever their state; replicates ascending.
struct Cell {
  const compare::ArmSummary* summary = nullptr;
  std::size_t colour = 0;
  std::vector<const record::Run*> runs;
};

struct View {
  const Study& study;
  std::string prefix;                            // of ids
  std::vector<Cell> cells;                       // as Comparison::arms
  std::vector<std::vector<std::size_t>> points;  // cells of each grid point
  std::size_t stride = 1;                        // each n-th point of a curve is shown, and the last
};

View view_of(const Study& study, std::size_t number, std::size_t most_points);
const Cell* find_cell(const View& view, const std::string& arm, const compare::Settings& settings);

// "" where there is one grid point, else "train_size = 100".
std::string point_title(const View& view, std::size_t point);

// Metric per arm, paired differences, shares of the gain, curves, time to the threshold: of one grid point.
std::vector<Figure> result_figures(const View& view, std::size_t point);
// The tables of `compare --details`.
std::vector<Grid> statistics_grids(const View& view);
// Over each numeric grid axis, and over the learning rates that were tried.
std::vector<Figure> sensitivity_figures(const View& view);
// The comparison over grid axes that are no numbers.
std::vector<Grid> sensitivity_grids(const View& view);
// Heat maps: at step 0 by layer and arm, and over the steps that were measured.
std::vector<Figure> diagnostic_figures(const View& view);

std::vector<Grid> audit_grids(const View& view);
std::vector<std::string> audit_sentences(const View& view);
std::vector<Grid> failure_grids(const View& view);
std::vector<Grid> provenance_grids(const View& view);
std::vector<std::pair<std::string, std::string>> specs_of(const View& view);

// "0.9130 [0.9012, 0.9248]"; the brackets only where there is an interval.
std::string with_interval(double value, double low, double high);
std::string interval_text(double low, double high);
// 4 significant digits; "-" for what is no finite number.
std::string short_number(double value);

}  // namespace initlab::report
