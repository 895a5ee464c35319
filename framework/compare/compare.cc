#include "compare/compare.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "base/error.hpp"
#include "base/text.hpp"
#include "compare/claims.hpp"
#include "compare/convergence.hpp"
#include "compare/groups.hpp"
#include "compare/notes.hpp"
#include "compare/pairs.hpp"
#include "compare/sign_flip.hpp"
#include "compare/units.hpp"

namespace initlab::compare {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kLevel = 0.95;

// The run whose header decides what the options leave open.
const record::Run& newest(std::span<const record::Run> runs) {
  const record::Run* found = &runs.front();
  for (const record::Run& run : runs)
    if (run.header.started > found->header.started) found = &run;
  return *found;
}

void require_comparable(std::span<const record::Run> runs, bool together) {
  if (runs.empty()) throw base::Error({"compare", "runs", "at least one", "none", "make them with `initlab run SPEC`"});
  const record::Run& first = runs.front();
  const auto require_same = [&first](const record::Run& run, const char* subject, const std::string& want,
                                     const std::string& have, const char* hint) {
    if (want != have)
      throw base::Error({run.file, subject, base::quote(want) + " as in " + first.file, base::quote(have), hint});
  };
  for (const record::Run& run : runs) {
    if (!together)
      require_same(run, "experiment", first.header.experiment, run.header.experiment,
                   "compare one experiment at a time, or --together as one design");
    require_same(run, "task", first.header.task, run.header.task, "metrics of two tasks do not compare");
    require_same(run, "metrics", base::join(first.header.metric_names, ", "), base::join(run.header.metric_names, ", "),
                 "metrics of two tasks do not compare");
  }
  const bool any_ended = std::any_of(runs.begin(), runs.end(), [](const record::Run& run) {
    return run.state == record::State::finished || run.state == record::State::failed;
  });
  if (!any_ended)
    throw base::Error({"compare", "experiment " + base::quote(first.header.experiment), "at least one finished run",
                       std::to_string(runs.size()) + ", all running or interrupted",
                       "wait for them, or finish them with `initlab run SPEC`"});
}

std::string choose_metric(const record::RunHeader& header, const Options& options) {
  std::vector<std::string> known = header.metric_names;
  known.emplace_back("loss");
  const std::string metric = options.metric ? *options.metric : !header.metric.empty() ? header.metric : known.front();
  if (std::find(known.begin(), known.end(), metric) == known.end())
    throw base::Error({"compare", "metric", "one of " + base::join(known, ", "), base::quote(metric),
                       base::did_you_mean(metric, known)});
  return metric;
}

std::string choose_better(const record::RunHeader& header, const Options& options, const std::string& metric) {
  if (options.better) {
    if (*options.better != "higher" && *options.better != "lower")
      throw base::Error({"compare", "better", "higher or lower", base::quote(*options.better), ""});
    return *options.better;
  }
  if (metric == header.metric && (header.better == "higher" || header.better == "lower")) return header.better;
  return metric == "loss" ? "lower" : "higher";
}

// "mrpc", or "mrpc + mrpc_more" of several.
std::string experiment_names(std::span<const record::Run> runs) {
  std::set<std::string> names;
  for (const record::Run& run : runs) names.insert(run.header.experiment);
  return base::join(std::vector<std::string>(names.begin(), names.end()), " + ");
}

std::vector<std::string> arm_names(std::span<const record::Run> runs) {
  std::set<std::string> arms;
  for (const record::Run& run : runs) arms.insert(run.header.arm);
  return {arms.begin(), arms.end()};
}

// A baseline asked for must exist; one that only the runs name may be still to come, and a note says so.
std::string choose_baseline(std::span<const record::Run> runs, const record::RunHeader& header,
                            const Options& options) {
  if (options.baseline) {
    const std::vector<std::string> arms = arm_names(runs);
    if (std::find(arms.begin(), arms.end(), *options.baseline) == arms.end())
      throw base::Error({"compare", "baseline", "one of " + base::join(arms, ", "), base::quote(*options.baseline),
                         base::did_you_mean(*options.baseline, arms)});
    return *options.baseline;
  }
  return header.baseline.empty() ? runs.front().header.arm : header.baseline;
}

// The runs' own threshold is of their own metric.
void choose_threshold(const record::RunHeader& header, const Design& design, const Options& options,
                      Comparison& result) {
  result.threshold = options.threshold;
  result.threshold_of_baseline = options.threshold_of_baseline;
  if (result.threshold || result.threshold_of_baseline || result.metric != header.metric) return;
  if (std::isfinite(header.threshold)) result.threshold = header.threshold;
  result.threshold_of_baseline = design.threshold_of_baseline;
}

// As with the baseline: arms that only the runs name may be still to come.
std::optional<Gain> choose_gain(std::span<const record::Run> runs, const record::RunHeader& header,
                                const Options& options) {
  if (options.gain) {
    const std::vector<std::string> arms = arm_names(runs);
    for (const std::string& arm : {options.gain->from, options.gain->to})
      if (std::find(arms.begin(), arms.end(), arm) == arms.end())
        throw base::Error(
            {"compare", "gain", "two of " + base::join(arms, ", "), base::quote(arm), base::did_you_mean(arm, arms)});
    if (options.gain->from == options.gain->to)
      throw base::Error({"compare", "gain", "two different arms", base::quote(options.gain->from) + " twice", ""});
    return options.gain;
  }
  if (header.gain_from.empty() || header.gain_to.empty()) return std::nullopt;
  return Gain{header.gain_from, header.gain_to};
}

// One number for all runs, or nothing where they disagree or have none.
std::optional<double> common_constant_class(std::span<const record::Run> runs, const std::string& metric) {
  std::optional<double> common;
  for (const record::Run& run : runs) {
    const std::optional<double> value = constant_class(run.header, metric);
    if (!value || (common && std::abs(*value - *common) > 1e-9)) return std::nullopt;
    common = value;
  }
  return common;
}

// What the values of the arm say together.
void describe_values(ArmSummary& arm, bool higher_is_better) {
  arm.mean = mean(arm.values);
  arm.stddev = stddev(arm.values);
  arm.spread = describe(arm.values);
  arm.best_of = best_of_curve(arm.values, higher_is_better);
  const std::vector<double> units = independent_units(arm.values, arm.pretraining);
  if (units.size() < 2) return;
  arm.ci95 = student_t_interval(units, kLevel);
  arm.sign_flip_ci95 = sign_flip_interval(units, kLevel);
  if (units.size() >= kBootstrapNeeds) arm.bootstrap_ci95 = bca_interval(units, kLevel);
}

void describe_way(const record::Run& run, const Measure& measure, std::int64_t watched, ArmSummary& arm) {
  const Way way = way_to(run, measure, *arm.threshold, watched);
  arm.steps_to_threshold.push_back(way.steps.reached ? std::optional(static_cast<std::int64_t>(way.steps.time))
                                                     : std::nullopt);
  arm.steps.push_back(way.steps);
  if (!way.whole) return;
  arm.tokens.push_back(way.tokens);
  arm.seconds.push_back(way.seconds);
}

// What is known of a grid point before its arms are summarized.
struct PointFacts {
  std::optional<double> threshold;
  std::optional<Span> span;  // of steps that all its runs were watched over
};

ArmSummary summarize(const Group& group, const Measure& measure, const PointFacts& facts) {
  ArmSummary arm;
  arm.arm = group.arm;
  arm.settings = group.settings;
  arm.threshold = facts.threshold;
  for (const record::Run* run : group.runs) {
    std::optional<Tuning> tuning = tuning_of(*run);
    if (tuning && (!arm.tuning || tuning->trials.size() > arm.tuning->trials.size())) arm.tuning = std::move(tuning);
    const Outcome result = outcome(*run, measure);
    switch (result.kind) {
      case Outcome::Kind::failed:
      case Outcome::Kind::not_a_number:
        ++arm.failed;
        continue;
      case Outcome::Kind::unfinished:
        ++arm.unfinished;
        continue;
      case Outcome::Kind::missing:
        ++arm.missing;
        continue;
      case Outcome::Kind::value:
        break;
    }
    ++arm.n;
    arm.values.push_back(result.value);
    arm.replicates.push_back(run->header.replicate);
    arm.pretraining.push_back(run->reads_checkpoint ? run->header.checkpoint_replicate : -1);
    arm.degenerate += result.degenerate ? 1 : 0;
    arm.stopped += record::stopped_early(*run) ? 1 : 0;
    arm.last_step = std::max(arm.last_step, run->evals.back().step);
    const std::int64_t watched = facts.span ? facts.span->to : 0;
    if (arm.threshold) describe_way(*run, measure, watched, arm);
    if (const auto leaving = way_off_plateau(*run, watched)) arm.leaving.push_back(*leaving);
    arm.heights.push_back(facts.span ? height_over(*run, measure.metric, *facts.span) : std::nullopt);
  }
  if (arm.tokens.size() < arm.steps.size()) {
    arm.tokens.clear();
    arm.seconds.clear();
  }
  describe_values(arm, measure.higher_is_better);
  const double horizon = facts.span ? static_cast<double>(facts.span->to) : 0;
  arm.steps_reach = reach_of(arm.steps, horizon);
  arm.leaving_reach = reach_of(arm.leaving, horizon);
  arm.tokens_reach = reach_of(arm.tokens, 0);
  arm.seconds_reach = reach_of(arm.seconds, 0);
  return arm;
}

// Of each grid point, by its number.
std::vector<PointFacts> facts_of(std::span<const Group> groups, const Comparison& of) {
  std::vector<std::vector<const record::Run*>> finished;
  std::vector<PointFacts> facts;
  for (const Group& group : groups) {
    facts.resize(group.point + 1, {of.threshold, std::nullopt});
    finished.resize(group.point + 1);
    for (const record::Run* run : group.runs)
      if (run->state == record::State::finished) finished[group.point].push_back(run);
    if (of.threshold_of_baseline && group.arm == of.baseline)
      facts[group.point].threshold = median_end(group, of.metric);
  }
  for (std::size_t point = 0; point < facts.size(); ++point) facts[point].span = common_span(finished[point]);
  return facts;
}

std::vector<ArmSummary> summarize_all(std::span<const Group> groups, const Measure& measure, Comparison& of) {
  const std::vector<PointFacts> facts = facts_of(groups, of);
  std::vector<ArmSummary> arms;
  for (const Group& group : groups) arms.push_back(summarize(group, measure, facts[group.point]));
  if (of.threshold_of_baseline &&
      std::all_of(facts.begin(), facts.end(), [&](const auto& one) { return one.threshold == facts[0].threshold; }))
    of.threshold = facts[0].threshold;
  return arms;
}

// Pairs of arms that share a grid point; group() puts the baseline first in each. arms[i] is the summary of groups[i].
std::vector<Pair> pair_all(std::span<const Group> groups, std::span<const ArmSummary> arms, const Comparison& of) {
  std::vector<Pair> pairs;
  std::optional<std::size_t> reference;
  for (std::size_t i = 0; i < arms.size(); ++i) {
    if (arms[i].arm == of.baseline) {
      reference = i;
    } else if (reference && groups[*reference].point == groups[i].point) {
      pairs.push_back(pair_up(arms[i], arms[*reference], of.better == "higher"));
    }
  }
  adjust(pairs, of.alpha);
  return pairs;
}

// Where a replicate stands in the arm's lists.
std::optional<std::size_t> place_of(const ArmSummary& arm, std::int64_t replicate) {
  const auto found = std::lower_bound(arm.replicates.begin(), arm.replicates.end(), replicate);
  if (found == arm.replicates.end() || *found != replicate) return std::nullopt;
  return static_cast<std::size_t>(found - arm.replicates.begin());
}

Share share_of(const ArmSummary& arm, const ArmSummary& from, const ArmSummary& to) {
  std::vector<double> kept, gained;  // a replicate each: arm - from, to - from
  std::vector<std::int64_t> pretraining;
  for (std::size_t i = 0; i < arm.replicates.size(); ++i) {
    const auto low = place_of(from, arm.replicates[i]), high = place_of(to, arm.replicates[i]);
    if (!low || !high) continue;
    kept.push_back(arm.values[i] - from.values[*low]);
    gained.push_back(to.values[*high] - from.values[*low]);
    pretraining.push_back(std::max({arm.pretraining[i], from.pretraining[*low], to.pretraining[*high]}));
  }
  Share share;
  share.arm = arm.arm;
  share.settings = arm.settings;
  share.replicates = static_cast<std::int64_t>(kept.size());
  kept = independent_units(kept, pretraining);
  gained = independent_units(gained, pretraining);
  share.n = static_cast<std::int64_t>(kept.size());
  share.gain = mean(gained);
  share.share = share.gain == 0 ? kNaN : mean(kept) / share.gain;
  if (kept.size() < 2) return share;
  share.ci95 = fieller(kept, gained, 0.95);
  share.gain_ci95 = student_t_interval(gained, 0.95);
  return share;
}

// Of every arm at a grid point where both of the gain's arms have runs.
std::vector<Share> all_shares(std::span<const Group> groups, std::span<const ArmSummary> arms, const Gain& gain) {
  const auto find = [&](const std::string& name, std::size_t point) -> const ArmSummary* {
    for (std::size_t i = 0; i < arms.size(); ++i)
      if (arms[i].arm == name && groups[i].point == point) return &arms[i];
    return nullptr;
  };
  std::vector<Share> shares;
  for (std::size_t i = 0; i < arms.size(); ++i) {
    if (arms[i].arm == gain.from || arms[i].arm == gain.to) continue;
    const ArmSummary* from = find(gain.from, groups[i].point);
    const ArmSummary* to = find(gain.to, groups[i].point);
    if (from != nullptr && to != nullptr) shares.push_back(share_of(arms[i], *from, *to));
  }
  return shares;
}

void require_step(std::span<const Group> groups, const Measure& measure) {
  std::set<std::int64_t> steps;
  for (const Group& group : groups)
    for (const record::Run* run : group.runs)
      for (const record::EvalRecord& eval : run->evals) steps.insert(eval.step);
  if (steps.contains(measure.at.step)) return;
  constexpr std::size_t kShown = 12;
  std::vector<std::string> shown;
  for (const std::int64_t step : steps) {
    if (shown.size() == kShown) {
      shown.push_back("... " + std::to_string(*steps.rbegin()));
      break;
    }
    shown.push_back(std::to_string(step));
  }
  throw base::Error({"compare", "at", "a step with an evaluation",
                     base::quote("step:" + std::to_string(measure.at.step)),
                     shown.empty() ? "no run has an evaluation" : "evaluations stand at " + base::join(shown, ", ")});
}

}  // namespace

std::int64_t tested_pairs(const Comparison& comparison) {
  return std::ranges::count_if(comparison.pairs, [](const Pair& pair) { return pair.n >= 2; });
}

At parse_at(const std::string& text) {
  if (text == "last") return {At::Kind::last, 0};
  if (text == "best") return {At::Kind::best, 0};
  if (text.starts_with("step:")) {
    const std::optional<std::int64_t> step = base::to_integer(std::string_view(text).substr(5));
    if (step && *step >= 0) return {At::Kind::step, *step};
  }
  throw base::Error({"", "at", "last, best, or step:N with N = 0 or more", base::quote(text), ""});
}

Comparison compare(std::span<const record::Run> runs, const Options& options) {
  require_comparable(runs, options.together);
  const record::RunHeader& lead = newest(runs).header;
  Comparison result;
  result.experiment = experiment_names(runs);
  result.metric = choose_metric(lead, options);
  result.baseline = choose_baseline(runs, lead, options);
  result.better = choose_better(lead, options, result.metric);
  result.at = options.at ? *options.at : lead.at.empty() ? "last" : lead.at;
  result.alpha = options.alpha;
  const Design design = design_of(newest(runs));
  result.planned_seeds = design.planned_seeds;
  choose_threshold(lead, design, options, result);
  result.gain = choose_gain(runs, lead, options);
  result.constant_class = common_constant_class(runs, result.metric);

  const Measure measure{result.metric, result.better == "higher", parse_at(result.at)};
  const std::vector<Group> groups = group(runs, result.baseline);
  if (measure.at.kind == At::Kind::step) require_step(groups, measure);
  result.arms = summarize_all(groups, measure, result);
  result.pairs = pair_all(groups, result.arms, result);
  if (result.gain) result.shares = all_shares(groups, result.arms, *result.gain);
  for (const Anchor& anchor : design.anchors)
    if (anchor.metric == result.metric) result.anchors.push_back(anchor);
  // Claims were stated for one number; another one is another claim.
  if (result.metric == lead.metric && result.at == (lead.at.empty() ? "last" : lead.at) && result.better == lead.better)
    result.claims = judge(design.claims, points_of(groups, result.arms), result.constant_class,
                          measure.higher_is_better, result.alpha);
  result.notes = notes(groups, result, measure, !design.claims.empty());
  return result;
}

}  // namespace initlab::compare
