// The pictures of one grid point: dots with intervals, curves with bands, and the time to the threshold.
#include <algorithm>
#include <cmath>
#include <functional>
#include <map>

#include "base/text.hpp"
#include "compare/curves.hpp"
#include "compare/survival.hpp"
#include "report/parts.hpp"
#include "report/report.hpp"

namespace initlab::report {
namespace {

using compare::ArmSummary;
using compare::Comparison;

constexpr double kLevel = 0.95;

std::string replicate_name(std::int64_t replicate) { return "replicate " + std::to_string(replicate); }

// A threshold of the baseline's is one of its grid point.
std::optional<double> threshold_of(const View& view, std::size_t point) {
  return view.cells[view.points[point].front()].summary->threshold;
}

std::vector<Reference> levels_of(const View& view, std::size_t point) {
  const Comparison& comparison = view.study.comparison;
  std::vector<Reference> references;
  if (const auto threshold = threshold_of(view, point)) references.push_back({"threshold", *threshold});
  if (comparison.constant_class) references.push_back({"constant class", *comparison.constant_class});
  return references;
}

DotPlot metric_plot(const View& view, std::size_t point) {
  const Comparison& comparison = view.study.comparison;
  DotPlot plot;
  plot.legend = {
      "metric",
      comparison.metric + " of each arm",
      "A dot a run; the bar is the mean with its 95 % interval (Student t over runs).",
  };
  plot.x_label = comparison.metric + " " + at_text(comparison.at) + " (" + comparison.better + " is better)";
  plot.columns = {"mean", "95 % CI", "runs", "failed"};
  plot.references = levels_of(view, point);
  for (const std::size_t i : view.points[point]) {
    const ArmSummary& arm = *view.cells[i].summary;
    DotRow row{arm.arm, view.cells[i].colour, {}, arm.mean, kNoNumber, kNoNumber, {}};
    for (std::size_t r = 0; r < arm.values.size(); ++r)
      row.dots.push_back({arm.values[r], replicate_name(arm.replicates[r])});
    if (arm.ci95) {
      row.low = arm.ci95->low;
      row.high = arm.ci95->high;
    }
    row.cells = {number(arm.mean), interval_text(row.low, row.high), std::to_string(arm.n), std::to_string(arm.failed)};
    plot.rows.push_back(std::move(row));
  }
  return plot;
}

// arm - baseline of the replicates that both have.
std::vector<DotRow::Dot> differences(const ArmSummary& arm, const ArmSummary& baseline) {
  std::map<std::int64_t, double> others;
  for (std::size_t i = 0; i < baseline.values.size(); ++i) others[baseline.replicates[i]] = baseline.values[i];
  std::vector<DotRow::Dot> dots;
  for (std::size_t i = 0; i < arm.values.size(); ++i)
    if (const auto other = others.find(arm.replicates[i]); other != others.end())
      dots.push_back({arm.values[i] - other->second, replicate_name(arm.replicates[i])});
  return dots;
}

// What the pair counts: replicates, or pre-trained models where several replicates share one.
std::vector<DotRow::Dot> dots_of(const compare::Pair& pair, const ArmSummary& arm, const ArmSummary& baseline) {
  if (pair.n == pair.replicates) return differences(arm, baseline);
  std::vector<DotRow::Dot> dots;
  for (const double value : pair.differences)
    dots.push_back({value, "mean of the replicates of pre-trained model " + std::to_string(dots.size())});
  return dots;
}

DotPlot difference_plot(const View& view, const compare::Settings& settings) {
  const Comparison& comparison = view.study.comparison;
  DotPlot plot;
  plot.legend = {"differences", "difference to " + comparison.baseline,
                 "A dot a replicate, paired by its seeds (or a pre-trained model, where replicates share one); the bar "
                 "is the mean "
                 "with its 95 % interval (Student t over the dots)."};
  plot.x_label = "difference in " + comparison.metric;
  plot.columns = {"difference", "95 % CI", "p", "pairs"};
  plot.references = {{"no difference", 0}};
  const Cell* baseline = find_cell(view, comparison.baseline, settings);
  for (const compare::Pair& pair : comparison.pairs) {
    if (pair.settings != settings) continue;
    const Cell* arm = find_cell(view, pair.arm, settings);
    if (arm == nullptr || baseline == nullptr) continue;
    DotRow row{pair.arm,  arm->colour, dots_of(pair, *arm->summary, *baseline->summary), pair.difference, kNoNumber,
               kNoNumber, {}};
    if (pair.ci95) {
      row.low = pair.ci95->low;
      row.high = pair.ci95->high;
    }
    row.cells = {signed_number(pair.difference), interval_text(row.low, row.high), p_text(pair.p_sign_flip),
                 std::to_string(pair.n)};
    plot.rows.push_back(std::move(row));
  }
  return plot;
}

// The ladder: which part of the way from one arm to another each rung goes.
DotPlot share_plot(const View& view, const compare::Settings& settings) {
  const Comparison& comparison = view.study.comparison;
  DotPlot plot;
  plot.legend = {
      "shares", "what each arm keeps of the gain from " + comparison.gain->from + " to " + comparison.gain->to,
      "The share with its 95 % interval (Fieller). Without a bar it is not bounded: the gain itself may be 0."};
  plot.x_label = "share of the gain: 0 is " + comparison.gain->from + ", 1 is " + comparison.gain->to;
  plot.columns = {"gain kept", "95 % CI", "replicates"};
  plot.references = {{comparison.gain->from, 0}, {comparison.gain->to, 1}};
  for (const compare::Share& share : comparison.shares) {
    if (share.settings != settings) continue;
    const Cell* arm = find_cell(view, share.arm, settings);
    DotRow row{share.arm, arm == nullptr ? 0 : arm->colour, {}, share.share, kNoNumber, kNoNumber, {}};
    const bool bounded = share.ci95 && share.ci95->kind == compare::RatioSet::Kind::interval;
    if (bounded) {
      row.low = share.ci95->low;
      row.high = share.ci95->high;
    }
    row.cells = {percent(share.share),
                 bounded      ? "[" + percent(row.low) + ", " + percent(row.high) + "]"
                 : share.ci95 ? "not bounded"
                              : "-",
                 std::to_string(share.n)};
    plot.rows.push_back(std::move(row));
  }
  return plot;
}

using Reader = std::function<compare::Curve(const record::Run&)>;

void put(compare::Curve& curve, std::int64_t step, double value) {
  if (std::isfinite(value)) curve.push_back({static_cast<double>(step), value});
}

// Means over the runs that have a finite number at exactly this step, with their band.
Curves curves_of(const View& view, std::size_t point, const Reader& reader) {
  Curves figure;
  figure.x_label = "step";
  for (const std::size_t i : view.points[point]) {
    std::vector<compare::Curve> curves;
    for (const record::Run* run : view.cells[i].runs) curves.push_back(reader(*run));
    CurveSeries series{view.cells[i].summary->arm, view.cells[i].colour, {}};
    const std::vector<compare::BandPoint> band = compare::band(curves, kLevel);
    for (std::size_t k = 0; k < band.size(); ++k) {
      if (k % view.stride != 0 && k + 1 != band.size()) continue;
      const auto& at = band[k];
      series.points.push_back({at.at, at.mean, at.interval ? at.interval->low : kNoNumber,
                               at.interval ? at.interval->high : kNoNumber, static_cast<std::int64_t>(at.n)});
    }
    if (!series.points.empty()) figure.series.push_back(std::move(series));
  }
  return figure;
}

std::string band_caption(const View& view) {
  std::string text =
      "Mean over runs at exactly these steps, with its pointwise 95 % band (Student t over runs). Where runs end or "
      "fail, "
      "fewer are behind the mean.";
  if (view.stride > 1)
    text += " Thinned for display: 1 of " + std::to_string(view.stride) +
            " points, and the last; `initlab export` has all.";
  return text;
}

// Each evaluation that was made.
Curves evaluation_curves(const View& view, std::size_t point, const std::string& metric) {
  Curves figure = curves_of(view, point, [&metric](const record::Run& run) {
    compare::Curve curve;
    for (const auto& [step, value] : compare::curve(run, metric)) put(curve, step, value);
    return curve;
  });
  figure.y_label = metric;
  figure.legend = {metric == "loss" ? "evaluation-loss" : "evaluation", "evaluation: " + metric, band_caption(view)};
  return figure;
}

Curves training_curves(const View& view, std::size_t point) {
  Curves figure = curves_of(view, point, [](const record::Run& run) {
    compare::Curve curve;
    for (const record::StepRecord& step : run.steps)
      if (is_shown_step(step.step) || &step == &run.steps.back()) put(curve, step.step, step.loss);
    return curve;
  });
  figure.y_label = "loss";
  figure.legend = {
      "training-loss", "training loss",
      band_caption(view) +
          " Shown are all steps up to 100, each 5th up to 1,000, each 50th up to 10,000, and so on, and the last; "
          "nothing is averaged over steps. The highest of all steps stands under Failures."};
  return figure;
}

// Of the arms' ways to somewhere.
Curves reaching_curves(const View& view, std::size_t point, std::vector<compare::Observation> ArmSummary::*ways,
                       const std::string& id, const std::string& title) {
  Curves figure;
  figure.legend = {
      id, title,
      "Kaplan-Meier: the share of runs that had got there by each step, with its pointwise 95 % interval "
      "(log-log). Runs that never did are censored at their last evaluation; failed ones are none of them."};
  figure.x_label = "step";
  figure.y_label = "share of runs";
  figure.stairs = true;
  double longest = 0;  // of all arms: an arm whose runs all reached it stays at 1 until then
  for (const std::size_t i : view.points[point]) {
    const std::vector<compare::Observation>& seen = view.cells[i].summary->*ways;
    if (seen.empty()) continue;
    CurveSeries series{view.cells[i].summary->arm, view.cells[i].colour, {}};
    const auto survival = compare::kaplan_meier(seen);
    if (survival.front().time > 0)
      series.points.push_back({0, 0, kNoNumber, kNoNumber, static_cast<std::int64_t>(seen.size())});
    for (const compare::SurvivalPoint& at : survival) {
      const compare::SurvivalInterval interval = compare::survival_interval(at, kLevel);
      series.points.push_back(
          {at.time, 1 - at.survival, 1 - interval.high, 1 - interval.low, static_cast<std::int64_t>(at.at_risk)});
    }
    longest = std::max(longest, survival.back().time);
    figure.series.push_back(std::move(series));
  }
  for (CurveSeries& series : figure.series)
    if (CurvePoint last = series.points.back(); last.y == 1 && last.x < longest) {
      last.x = longest;
      last.n = 0;
      series.points.push_back(last);
    }
  return figure;
}

}  // namespace

std::vector<Figure> result_figures(const View& view, std::size_t point) {
  const Comparison& comparison = view.study.comparison;
  const compare::Settings& settings = view.cells[view.points[point].front()].summary->settings;
  std::vector<Figure> figures;
  figures.emplace_back(metric_plot(view, point));
  if (DotPlot plot = difference_plot(view, settings); !plot.rows.empty()) figures.emplace_back(std::move(plot));
  if (comparison.gain)
    if (DotPlot plot = share_plot(view, settings); !plot.rows.empty()) figures.emplace_back(std::move(plot));
  Curves metric = evaluation_curves(view, point, comparison.metric);
  metric.references = levels_of(view, point);
  figures.emplace_back(std::move(metric));
  if (comparison.metric != "loss") figures.emplace_back(evaluation_curves(view, point, "loss"));
  figures.emplace_back(training_curves(view, point));
  if (const auto threshold = threshold_of(view, point))
    figures.emplace_back(
        reaching_curves(view, point, &ArmSummary::steps, "threshold",
                        "runs that have reached " + comparison.metric + " " + base::number_text(*threshold)));
  figures.emplace_back(reaching_curves(view, point, &ArmSummary::leaving, "plateau",
                                       "runs that have left the unigram plateau: accuracy above the most frequent "
                                       "word's share by more than " +
                                           base::number_text(compare::kPlateauMargin)));
  std::erase_if(figures, [](const Figure& figure) {
    const auto* curves = std::get_if<Curves>(&figure);
    return curves != nullptr && curves->series.empty();
  });
  const std::string title = point_title(view, point);
  for (Figure& figure : figures) {
    Legend& legend = std::visit([](auto& f) -> Legend& { return f.legend; }, figure);
    legend.id = view.prefix + (view.points.size() == 1 ? "" : std::to_string(point + 1) + "-") + legend.id;
    if (!title.empty()) legend.title += ", " + title;
  }
  return figures;
}

}  // namespace initlab::report
