#include "report/study.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <set>
#include <utility>

#include "base/text.hpp"
#include "report/parts.hpp"
#include "report/report.hpp"

namespace initlab::report {
namespace {

// An arm's name with its grid point, whatever order its keys were written in.
std::string key_of(const std::string& arm, const std::map<std::string, std::string>& settings) {
  std::string key = arm;
  for (const auto& [path, value] : settings) {
    key += '\n';
    key += path;
    key += '=';
    key += value;
  }
  return key;
}

std::string key_of(const record::Run& run) {
  std::map<std::string, std::string> settings;
  if (!run.header.settings.empty()) {
    const base::Json object = base::parse_json(run.header.settings, run.file);
    for (const auto& [path, value] : object.items()) settings[path] = base::json_text(value);
  }
  return key_of(run.header.arm, settings);
}

std::string key_of(const compare::ArmSummary& arm) {
  std::map<std::string, std::string> settings;
  for (const auto& [path, value] : arm.settings) settings[path] = base::json_text(value);
  return key_of(arm.arm, settings);
}

std::vector<Cell> cells_of(const Study& study) {
  std::map<std::string, std::vector<const record::Run*>> runs;
  for (const record::Run& run : study.runs) runs[key_of(run)].push_back(&run);
  std::map<std::string, std::size_t> colours;
  std::vector<Cell> cells;
  for (const compare::ArmSummary& arm : study.comparison.arms) {
    Cell cell{&arm, colours.emplace(arm.arm, colours.size()).first->second, std::move(runs[key_of(arm)])};
    std::sort(cell.runs.begin(), cell.runs.end(),
              [](const record::Run* a, const record::Run* b) { return a->header.replicate < b->header.replicate; });
    cells.push_back(std::move(cell));
  }
  return cells;
}

// Points that the curves of a cell have at most: training loss, and evaluations twice (metric and loss).
std::size_t points_of(const Cell& cell) {
  std::set<std::int64_t> train, eval;
  for (const record::Run* run : cell.runs) {
    for (const record::StepRecord& step : run->steps) train.insert(step.step);
    for (const record::EvalRecord& record : run->evals) eval.insert(record.step);
  }
  return train.size() + 2 * eval.size();
}

std::string question_of(const Study& study) {
  static const std::string kMark = "# Question:";
  const compare::Comparison& comparison = study.comparison;
  for (const record::Run& run : study.runs) {
    const std::string& spec = run.header.spec;
    const std::size_t at = spec.find(kMark);
    if (at == std::string::npos) continue;
    const std::size_t from = at + kMark.size();
    return std::string(base::trim(std::string_view(spec).substr(from, spec.find('\n', from) - from)));
  }
  const std::string task = study.runs.empty() ? "" : " on " + study.runs.front().header.task;
  return "What does the initialization make of " + comparison.metric + task + ", against " + comparison.baseline + "?";
}

std::vector<std::string> asked(const View& view) {
  const compare::Comparison& comparison = view.study.comparison;
  std::set<std::string> arms;
  for (const Cell& cell : view.cells) arms.insert(cell.summary->arm);
  std::vector<std::string> sentences;
  sentences.push_back("Compared: " + comparison.metric + " " + at_text(comparison.at) + "; " + comparison.better +
                      " is better. Differences are to " + comparison.baseline + ", paired by replicate.");
  sentences.push_back(std::to_string(view.study.runs.size()) + " runs, " + std::to_string(arms.size()) + " arms, " +
                      std::to_string(view.points.size()) +
                      (view.points.size() == 1 ? " grid point." : " grid points.") +
                      (view.study.tuning_runs == 0
                           ? ""
                           : " " + std::to_string(view.study.tuning_runs) + " more runs chose learning rates."));
  if (comparison.gain)
    sentences.push_back("Gain kept: (arm - " + comparison.gain->from + ") / (" + comparison.gain->to + " - " +
                        comparison.gain->from + "), paired by replicate.");
  return sentences;
}

std::vector<std::string> verdicts(const View& view) {
  const compare::Comparison& comparison = view.study.comparison;
  std::vector<std::string> sentences;
  for (std::size_t p = 0; p < view.points.size(); ++p) {
    const compare::Settings& settings = view.cells[view.points[p].front()].summary->settings;
    const std::string title = point_title(view, p);
    const std::string where = title.empty() ? "" : title + ": ";
    for (const compare::Pair& pair : comparison.pairs)
      if (pair.settings == settings) sentences.push_back(where + verdict(comparison, pair));
    for (const compare::Share& share : comparison.shares)
      if (share.settings == settings) sentences.push_back(where + verdict(comparison, share));
    for (const compare::ClaimVerdict& claim : comparison.claims)
      if (claim.settings == settings) sentences.push_back(where + "claim " + verdict(comparison, claim));
    for (const std::string& sentence : tuning_sentences(comparison, settings)) sentences.push_back(where + sentence);
  }
  for (const std::string& line : published(comparison)) sentences.push_back("published, not measured here: " + line);
  return sentences;
}

}  // namespace

bool is_shown_step(std::int64_t step) {
  std::int64_t every = 1;
  for (std::int64_t most = 100; step > most; most *= 10) {
    every = every == 1 ? 5 : every * 10;
    if (most > std::numeric_limits<std::int64_t>::max() / 10) break;
  }
  return step % every == 0;
}

namespace {

// Those that are shown, and those with an evaluation, up to which tokens and seconds are counted; each has these of the
// steps left out before it too.
void thin_steps(record::Run& run) {
  if (run.steps.empty()) return;
  std::set<std::int64_t> needed{run.steps.back().step};
  for (const record::EvalRecord& eval : run.evals) needed.insert(eval.step);
  std::vector<record::StepRecord> kept;
  std::int64_t steps = 0, tokens = 0;  // of those left out since the last one kept
  double seconds = 0;
  for (record::StepRecord& step : run.steps) {
    steps += step.steps;
    tokens += step.tokens;
    seconds += step.seconds;
    if (!is_shown_step(step.step) && !needed.contains(step.step)) continue;
    step.steps = std::exchange(steps, 0);
    step.tokens = std::exchange(tokens, 0);
    step.seconds = std::exchange(seconds, 0);
    kept.push_back(std::move(step));
  }
  kept.shrink_to_fit();
  run.steps = std::move(kept);
}

}  // namespace

Observed thin(record::Run& run) {
  Observed seen;
  seen.steps = static_cast<std::int64_t>(run.steps.size());
  const auto note = [](double value, std::int64_t step, double& most, std::int64_t& at) {
    if (!std::isfinite(value) || value <= most) return;  // false for NaN: the first one counts
    most = value;
    at = step;
  };
  for (const record::StepRecord& step : run.steps) {
    note(step.loss, step.step, seen.most_loss, seen.most_loss_step);
    note(step.grad_norm, step.step, seen.most_grad_norm, seen.most_grad_norm_step);
    if (!std::isfinite(step.loss) || !std::isfinite(step.grad_norm)) ++seen.not_finite;
  }
  thin_steps(run);
  std::set<std::int64_t> diagnosed;
  for (const record::PartDiagnosis& part : run.diagnostics.parts) diagnosed.insert(part.step);
  for (const record::LayerDiagnosis& layer : run.diagnostics.layers) diagnosed.insert(layer.step);
  if (diagnosed.size() > kMostDiagnosed) {
    const std::int64_t last = *diagnosed.rbegin();
    const std::int64_t most = *std::next(diagnosed.begin(), static_cast<std::ptrdiff_t>(kMostDiagnosed) - 2);
    const auto drop = [=](const auto& row) { return row.step > most && row.step != last; };
    std::erase_if(run.diagnostics.parts, drop);
    std::erase_if(run.diagnostics.layers, drop);
  }
  for (record::EvalRecord& eval : run.evals) eval.predictions = {};
  run.diagnostics.parts.shrink_to_fit();
  run.diagnostics.layers.shrink_to_fit();
  return seen;
}

View view_of(const Study& study, std::size_t number, std::size_t most_points) {
  View view{study, std::to_string(number) + "-", cells_of(study), {}, 1};
  std::size_t points = 0;
  for (std::size_t i = 0; i < view.cells.size(); ++i) {
    const bool same = i > 0 && view.cells[i].summary->settings == view.cells[i - 1].summary->settings;
    if (!same) view.points.emplace_back();
    view.points.back().push_back(i);
    points += points_of(view.cells[i]);
  }
  if (points > most_points && most_points > 0) view.stride = (points + most_points - 1) / most_points;
  return view;
}

const Cell* find_cell(const View& view, const std::string& arm, const compare::Settings& settings) {
  for (const Cell& cell : view.cells)
    if (cell.summary->arm == arm && cell.summary->settings == settings) return &cell;
  return nullptr;
}

std::string point_title(const View& view, std::size_t point) {
  if (view.points.size() == 1) return {};
  return compare::text(view.cells[view.points[point].front()].summary->settings);
}

std::string short_number(double value) {
  if (!std::isfinite(value)) return "-";
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

std::string interval_text(double low, double high) {
  if (!std::isfinite(low) || !std::isfinite(high)) return "-";
  std::string text = "[";
  return text += number(low) + ", " + number(high) + "]";
}

std::string with_interval(double value, double low, double high) {
  return std::isfinite(low) && std::isfinite(high) ? number(value) + " " + interval_text(low, high) : number(value);
}

Chapter chapter(const Study& study, std::size_t number, std::size_t most_points) {
  const View view = view_of(study, number, most_points);
  Chapter chapter;
  chapter.experiment = study.comparison.experiment;
  chapter.question = question_of(study);
  chapter.asked = asked(view);
  chapter.verdicts = verdicts(view);
  chapter.notes = study.comparison.notes;
  for (std::size_t p = 0; p < view.points.size(); ++p)
    chapter.results.push_back({point_title(view, p), result_figures(view, p)});
  chapter.statistics = statistics_grids(view);
  chapter.sensitivity = sensitivity_figures(view);
  chapter.tables = sensitivity_grids(view);
  chapter.diagnostics = diagnostic_figures(view);
  chapter.audit_words = audit_sentences(view);
  chapter.audit = audit_grids(view);
  chapter.failures = failure_grids(view);
  chapter.provenance = provenance_grids(view);
  chapter.specs = specs_of(view);
  return chapter;
}

}  // namespace initlab::report
