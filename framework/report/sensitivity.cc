// How much an arm's result hangs on what else was chosen: grid axes (train_size above all) and learning rates that were
// tried.
#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>

#include "base/text.hpp"
#include "compare/statistics.hpp"
#include "report/parts.hpp"
#include "report/report.hpp"

namespace initlab::report {
namespace {

using compare::ArmSummary;
using compare::Settings;

constexpr double kSpreadForLog = 8;  // axes whose numbers differ by more are shown logarithmically at first

std::optional<compare::Interval> interval_of(std::vector<double> values) {
  std::erase_if(values, [](double x) { return !std::isfinite(x); });
  if (values.size() < 2) return std::nullopt;
  return compare::student_t_interval(values, 0.95);
}

std::string leaf(const std::string& path) { return path.substr(path.rfind('.') + 1); }

// The grid paths with more than one value, in the spec's order.
std::vector<std::string> axes_of(const View& view) {
  std::vector<std::string> paths;
  std::map<std::string, std::set<std::string>> values;
  for (const Cell& cell : view.cells)
    for (const auto& [path, value] : cell.summary->settings) {
      if (values[path].empty()) paths.push_back(path);
      values[path].insert(base::json_text(value));
    }
  std::erase_if(paths, [&](const std::string& path) { return values[path].size() < 2; });
  return paths;
}

const base::Json* value_at(const Settings& settings, const std::string& path) {
  for (const auto& [key, value] : settings)
    if (key == path) return &value;
  return nullptr;
}

bool is_numeric(const View& view, const std::string& path) {
  return std::all_of(view.cells.begin(), view.cells.end(), [&](const Cell& cell) {
    const base::Json* value = value_at(cell.summary->settings, path);
    return value == nullptr || value->is_number();
  });
}

Settings without(Settings settings, const std::string& path) {
  std::erase_if(settings, [&](const auto& setting) { return setting.first == path; });
  return settings;
}

// The cells that differ along one axis only, under the text of what they share.
std::vector<std::pair<std::string, std::vector<const Cell*>>> lines_along(const View& view, const std::string& path) {
  std::vector<std::pair<std::string, std::vector<const Cell*>>> groups;
  for (const Cell& cell : view.cells) {
    if (value_at(cell.summary->settings, path) == nullptr) continue;
    const std::string rest = compare::text(without(cell.summary->settings, path));
    auto found = std::find_if(groups.begin(), groups.end(), [&](const auto& group) { return group.first == rest; });
    if (found == groups.end()) found = groups.insert(groups.end(), {rest, {}});
    found->second.push_back(&cell);
  }
  return groups;
}

void show_logarithmic_where_wide(Curves& figure) {
  double low = std::numeric_limits<double>::infinity(), high = 0;
  for (const CurveSeries& series : figure.series)
    for (const CurvePoint& point : series.points) {
      low = std::min(low, point.x);
      high = std::max(high, point.x);
    }
  figure.log_x = low > 0 && high / low >= kSpreadForLog;
}

CurveSeries& series_of(Curves& figure, const Cell& cell) {
  for (CurveSeries& series : figure.series)
    if (series.name == cell.summary->arm) return series;
  return figure.series.emplace_back(CurveSeries{cell.summary->arm, cell.colour, {}});
}

void sort_points(Curves& figure) {
  for (CurveSeries& series : figure.series)
    std::sort(series.points.begin(), series.points.end(), [](const auto& a, const auto& b) { return a.x < b.x; });
}

Curves axis_curves(const View& view, const std::string& path, const std::vector<const Cell*>& cells) {
  const compare::Comparison& comparison = view.study.comparison;
  Curves figure;
  figure.x_label = leaf(path);
  figure.y_label = comparison.metric;
  figure.markers = true;
  if (comparison.constant_class) figure.references.push_back({"constant class", *comparison.constant_class});
  for (const Cell* cell : cells) {
    const ArmSummary& arm = *cell->summary;
    if (!std::isfinite(arm.mean)) continue;
    const std::optional<compare::Interval>& interval = arm.ci95;
    series_of(figure, *cell)
        .points.push_back({value_at(arm.settings, path)->get<double>(), arm.mean, interval ? interval->low : kNoNumber,
                           interval ? interval->high : kNoNumber, arm.n});
  }
  sort_points(figure);
  show_logarithmic_where_wide(figure);
  return figure;
}

// Of the arms of one grid point that tuned their rate.
Curves rate_curves(const View& view, std::size_t point) {
  Curves figure;
  figure.x_label = "learning rate";
  figure.markers = true;
  std::vector<std::string> chosen, lost;
  for (const std::size_t i : view.points[point]) {
    const Cell& cell = view.cells[i];
    if (!cell.summary->tuning) continue;
    const compare::Tuning& tuning = *cell.summary->tuning;
    figure.y_label = tuning.metric + " on what was held out";
    chosen.push_back(cell.summary->arm + " " + base::number_text(tuning.learning_rate));
    for (const compare::Trial& trial : tuning.trials) {
      if (!std::isfinite(trial.mean)) {
        lost.push_back(cell.summary->arm + " at " + base::number_text(trial.learning_rate));
        continue;
      }
      const auto interval = interval_of(trial.values);
      series_of(figure, cell)
          .points.push_back({trial.learning_rate, trial.mean, interval ? interval->low : kNoNumber,
                             interval ? interval->high : kNoNumber, static_cast<std::int64_t>(trial.values.size())});
    }
  }
  sort_points(figure);
  show_logarithmic_where_wide(figure);
  const std::string where = point_title(view, point);
  figure.legend = {view.prefix + "rates-" + std::to_string(point + 1),
                   "learning rates that were tried" + (where.empty() ? "" : ", " + where),
                   "Mean of the tuning runs of each rate, with its 95 % interval. Chosen: " + base::join(chosen, ", ") +
                       "." + (lost.empty() ? "" : " Diverged, and not shown: " + base::join(lost, ", ") + ".")};
  return figure;
}

}  // namespace

std::vector<Figure> sensitivity_figures(const View& view) {
  std::vector<Figure> figures;
  for (const std::string& path : axes_of(view)) {
    if (!is_numeric(view, path)) continue;
    for (const auto& [rest, cells] : lines_along(view, path)) {
      Curves figure = axis_curves(view, path, cells);
      figure.legend = {view.prefix + "axis-" + std::to_string(figures.size() + 1),
                       view.study.comparison.metric + " over " + leaf(path) + (rest.empty() ? "" : ", " + rest),
                       "Mean over runs at each value of " + path + ", with its 95 % interval (Student t over runs)."};
      if (!figure.series.empty()) figures.emplace_back(std::move(figure));
    }
  }
  for (std::size_t p = 0; p < view.points.size(); ++p)
    if (Curves figure = rate_curves(view, p); !figure.series.empty()) figures.emplace_back(std::move(figure));
  return figures;
}

std::vector<Grid> sensitivity_grids(const View& view) {
  std::vector<Grid> grids;
  for (const std::string& path : axes_of(view)) {
    if (is_numeric(view, path)) continue;
    for (const auto& [rest, cells] : lines_along(view, path)) {
      Grid grid;
      grid.title = view.study.comparison.metric + " over " + leaf(path) + (rest.empty() ? "" : ", " + rest);
      grid.caption = "Mean over runs, with its 95 % interval (Student t over runs).";
      grid.head = {"arm"};
      std::vector<std::string> arms;
      std::map<std::pair<std::string, std::string>, std::string> texts;
      for (const Cell* cell : cells) {
        const std::string value = compare::value_text(*value_at(cell->summary->settings, path));
        if (std::find(grid.head.begin() + 1, grid.head.end(), value) == grid.head.end()) grid.head.push_back(value);
        if (std::find(arms.begin(), arms.end(), cell->summary->arm) == arms.end()) arms.push_back(cell->summary->arm);
        const std::optional<compare::Interval>& interval = cell->summary->ci95;
        texts[{cell->summary->arm, value}] = with_interval(cell->summary->mean, interval ? interval->low : kNoNumber,
                                                           interval ? interval->high : kNoNumber);
      }
      for (const std::string& arm : arms) {
        std::vector<std::string>& row = grid.rows.emplace_back(std::vector<std::string>{arm});
        for (std::size_t c = 1; c < grid.head.size(); ++c) {
          const auto found = texts.find({arm, grid.head[c]});
          row.push_back(found == texts.end() ? "-" : found->second);
        }
      }
      grids.push_back(std::move(grid));
    }
  }
  return grids;
}

}  // namespace initlab::report
