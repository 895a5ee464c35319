#include "compare/convergence.hpp"

#include <algorithm>
#include <cmath>

#include "compare/description.hpp"

namespace initlab::compare {
namespace {

constexpr double kLevel = 0.95;

// Where a run that did not get there was last looked at.
std::int64_t end_of_watch(const record::Run& run, std::int64_t watched) {
  const std::int64_t last = run.evals.back().step;
  return record::stopped_early(run) ? std::max(last, watched) : last;
}

}  // namespace

Way way_to(const record::Run& run, const Measure& measure, double threshold, std::int64_t watched) {
  const std::optional<std::int64_t> reached = step_of_reaching(run, measure, threshold);
  const std::int64_t until = reached ? *reached : end_of_watch(run, watched);
  Way way{{static_cast<double>(until), reached.has_value()}, {0, reached.has_value()}, {0, reached.has_value()}};
  std::int64_t recorded = 0;
  for (const record::StepRecord& step : run.steps) {
    if (step.step > until) break;
    recorded += step.steps;
    way.tokens.time += static_cast<double>(step.tokens);
    way.seconds.time += step.seconds;
  }
  way.whole = recorded == until;
  return way;
}

std::optional<Observation> way_off_plateau(const record::Run& run, std::int64_t watched) {
  const std::optional<double> plateau = constant_class(run.header, "accuracy");
  if (run.header.task != "mlm" || !plateau) return std::nullopt;
  const std::optional<double> left = leaves_plateau(finite_curve(run, "accuracy"), *plateau, kPlateauMargin, true);
  return Observation{left ? *left : static_cast<double>(end_of_watch(run, watched)), left.has_value()};
}

Curve finite_curve(const record::Run& run, const std::string& metric) {
  Curve points;
  for (const auto& [step, value] : curve(run, metric))
    if (std::isfinite(value)) points.push_back({static_cast<double>(step), value});
  return points;
}

std::optional<double> median_end(const Group& group, const std::string& metric) {
  std::vector<double> ends;
  for (const record::Run* run : group.runs)
    if (const Curve points = finite_curve(*run, metric); run->state == record::State::finished && !points.empty())
      ends.push_back(points.back().value);
  if (ends.empty()) return std::nullopt;
  return median(ends);
}

Reach reach_of(const std::vector<Observation>& observations, double horizon) {
  Reach reach;
  reach.runs = static_cast<std::int64_t>(observations.size());
  reach.reached = std::count_if(observations.begin(), observations.end(), [](const auto& one) { return one.reached; });
  reach.median = median_time(kaplan_meier(observations), kLevel);
  reach.horizon = horizon;
  if (observations.empty() || horizon <= 0) return reach;
  if (const auto mean = restricted_mean(observations, horizon)) {
    reach.restricted = mean->mean;
    reach.restricted_ci95 = restricted_mean_interval(*mean, kLevel);
  }
  return reach;
}

std::optional<Span> common_span(const std::vector<const record::Run*>& runs) {
  std::optional<Span> span;
  for (const record::Run* run : runs) {
    if (run->evals.size() < 2 || record::stopped_early(*run)) continue;
    const Span own{run->evals.front().step, run->evals.back().step};
    span = span ? Span{std::max(span->from, own.from), std::min(span->to, own.to)} : own;
  }
  if (!span || span->from >= span->to) return std::nullopt;
  return span;
}

std::optional<double> height_over(const record::Run& run, const std::string& metric, const Span& span) {
  Curve points;
  for (const auto& [step, value] : curve(run, metric)) {
    if (step < span.from || step > span.to) continue;
    if (!std::isfinite(value)) return std::nullopt;
    points.push_back({static_cast<double>(step), value});
  }
  if (record::stopped_early(run) && !points.empty() && points.back().at < static_cast<double>(span.to))
    points.push_back({static_cast<double>(span.to), points.back().value});
  const bool whole = points.size() >= 2 && points.front().at == static_cast<double>(span.from) &&
                     points.back().at == static_cast<double>(span.to);
  if (!whole) return std::nullopt;
  return mean_height(points);
}

}  // namespace initlab::compare
