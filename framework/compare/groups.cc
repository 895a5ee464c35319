#include "compare/groups.hpp"

#include <algorithm>
#include <cmath>
#include <iomanip>
#include <limits>
#include <set>
#include <sstream>

#include "base/error.hpp"
#include "base/text.hpp"

namespace initlab::compare {
namespace {

using Point = std::map<std::string, base::Json>;  // a grid point, whatever order its keys were written in

Settings read_settings(const record::Run& run) {
  Settings settings;
  if (run.header.settings.empty()) return settings;
  const base::Json object = base::parse_json(run.header.settings, run.file);
  if (!object.is_object())
    throw base::Error({run.file, "settings", "an object of grid paths", base::quote(run.header.settings), ""});
  for (const auto& [path, value] : object.items()) settings.emplace_back(path, value);
  return settings;
}

// The first place where two plans differ: "training.batch (16, 32)"; "" where they are equal.
std::string first_difference(const base::Json& a, const base::Json& b, const std::string& path) {
  if (a == b) return {};
  if (a.is_object() && b.is_object()) {
    for (const auto& [key, value] : a.items()) {
      const std::string inner = path.empty() ? key : path + "." + key;
      if (!b.contains(key)) return inner + " (one lacks it)";
      std::string found = first_difference(value, b.at(key), inner);
      if (!found.empty()) return found;
    }
  }
  const std::string values = base::json_text(a) + ", " + base::json_text(b);
  return path.empty() || values.size() > 80 ? path : path + " (" + values + ")";
}

std::string plan_difference(const record::Run& a, const record::Run& b) {
  try {
    return first_difference(base::parse_json(a.header.plan, a.file), base::parse_json(b.header.plan, b.file), "");
  } catch (const base::Error&) {
    return {};  // a plan that cannot be read is not what this message is about
  }
}

[[noreturn]] void refuse_twin(const record::Run& first, const record::Run& second, const Settings& settings) {
  std::string hint = "another design needs another experiment name or another results folder";
  if (first.header.run_id == second.header.run_id) {
    hint = "it is the same run: name each results folder once";
  } else if (const std::string where = plan_difference(first, second); !where.empty()) {
    hint = "they differ in " + where + "; " + hint;
  }
  throw base::Error({second.file,
                     label(second.header.arm, settings) + ", replicate " + std::to_string(second.header.replicate),
                     "one run", "a second one in " + first.file, hint});
}

std::size_t metric_column(const record::Run& run, const std::string& metric) {
  const std::vector<std::string>& names = run.header.metric_names;
  const auto found = std::find(names.begin(), names.end(), metric);
  if (found == names.end()) {
    std::vector<std::string> known = names;
    known.emplace_back("loss");
    throw base::Error({run.file, "metric", "one of " + base::join(known, ", "), base::quote(metric), ""});
  }
  return static_cast<std::size_t>(found - names.begin());
}

bool is_better(double a, double b, bool higher) { return higher ? a > b : a < b; }

// What a run trains with, without what may differ between arms of one design.
base::Json training_of(const record::Run& run) {
  if (run.header.plan.empty()) return nullptr;
  base::Json plan = base::parse_json(run.header.plan, run.file);
  if (!plan.is_object() || !plan.contains("training") || !plan["training"].is_object()) return nullptr;
  base::Json training = plan["training"];
  training.erase("evaluate");
  if (!run.header.tuning.empty() && training.contains("optimizer")) training["optimizer"].erase("learning_rate");
  return training;
}

}  // namespace

std::string training_difference(const record::Run& a, const record::Run& b) {
  try {
    return first_difference(training_of(a), training_of(b), "");
  } catch (const base::Error&) {
    return {};  // as in plan_difference
  }
}

std::string alpha_text(double alpha) {
  std::ostringstream text;
  text << std::setprecision(3) << alpha;
  return text.str();
}

std::string value_text(const base::Json& value) {
  return value.is_string() ? value.get<std::string>() : base::json_text(value);
}

std::string text(const Settings& settings) {
  const auto leaf = [](const std::string& path) { return path.substr(path.rfind('.') + 1); };  // npos + 1 is 0
  std::set<std::string> leaves;
  for (const auto& [path, value] : settings) leaves.insert(leaf(path));
  std::vector<std::string> parts;
  for (const auto& [path, value] : settings)
    parts.push_back((leaves.size() == settings.size() ? leaf(path) : path) + " = " + value_text(value));
  return base::join(parts, ", ");
}

std::string label(const std::string& arm, const Settings& settings) {
  return settings.empty() ? arm : arm + " (" + text(settings) + ")";
}

std::vector<std::pair<std::int64_t, double>> curve(const record::Run& run, const std::string& metric) {
  const bool is_loss = metric == "loss";
  const std::size_t column = is_loss ? 0 : metric_column(run, metric);
  std::vector<std::pair<std::int64_t, double>> points;
  points.reserve(run.evals.size());
  for (const record::EvalRecord& eval : run.evals) {
    const double value = is_loss                        ? eval.loss
                         : column < eval.metrics.size() ? eval.metrics[column]
                                                        : std::numeric_limits<double>::quiet_NaN();
    points.emplace_back(eval.step, value);
  }
  return points;
}

std::vector<Group> group(std::span<const record::Run> runs, const std::string& baseline) {
  std::vector<const record::Run*> by_start;
  for (const record::Run& run : runs) by_start.push_back(&run);
  std::stable_sort(by_start.begin(), by_start.end(),
                   [](const auto* a, const auto* b) { return a->header.started < b->header.started; });
  std::vector<std::string> arms{baseline};
  std::map<Point, std::map<std::string, Group>> grid;
  for (const record::Run* run : by_start) {
    const std::string& arm = run->header.arm;
    if (std::find(arms.begin(), arms.end(), arm) == arms.end()) arms.push_back(arm);
    Settings settings = read_settings(*run);
    Group& group = grid[Point(settings.begin(), settings.end())][arm];
    if (group.runs.empty()) {
      group.arm = arm;
      group.settings = std::move(settings);
    }
    group.runs.push_back(run);
  }
  std::vector<Group> groups;
  std::size_t point = 0;
  for (auto& [key, cells] : grid) {
    for (const std::string& arm : arms) {
      const auto cell = cells.find(arm);
      if (cell == cells.end()) continue;
      cell->second.point = point;
      groups.push_back(std::move(cell->second));
    }
    ++point;
  }
  for (Group& group : groups) {
    std::stable_sort(group.runs.begin(), group.runs.end(),
                     [](const auto* a, const auto* b) { return a->header.replicate < b->header.replicate; });
    for (std::size_t i = 1; i < group.runs.size(); ++i)
      if (group.runs[i]->header.replicate == group.runs[i - 1]->header.replicate)
        refuse_twin(*group.runs[i - 1], *group.runs[i], group.settings);
  }
  return groups;
}

Outcome outcome(const record::Run& run, const Measure& measure) {
  using Kind = Outcome::Kind;
  if (run.state == record::State::failed) return {.kind = Kind::failed};
  if (run.state != record::State::finished) return {.kind = Kind::unfinished};
  const auto points = curve(run, measure.metric);
  std::optional<std::size_t> chosen;
  for (std::size_t i = 0; i < points.size(); ++i) {
    const double value = points[i].second;
    switch (measure.at.kind) {
      case At::Kind::last:
        chosen = i;
        break;
      case At::Kind::step:
        if (points[i].first == measure.at.step) chosen = i;
        break;
      case At::Kind::best:  // the first of the best; one that is not a number only where there is no other
        if (!chosen || (std::isfinite(value) && (!std::isfinite(points[*chosen].second) ||
                                                 is_better(value, points[*chosen].second, measure.higher_is_better))))
          chosen = i;
        break;
    }
  }
  if (!chosen) return {.kind = Kind::missing};
  const auto [step, value] = points[*chosen];
  return {.kind = std::isfinite(value) ? Kind::value : Kind::not_a_number,
          .step = step,
          .value = value,
          .degenerate = run.evals[*chosen].degenerate};
}

std::optional<double> constant_class(const record::RunHeader& header, const std::string& metric) {
  const auto& names = header.metric_names;
  const auto column = static_cast<std::size_t>(std::find(names.begin(), names.end(), metric) - names.begin());
  if (column >= names.size() || column >= header.constant_class.size()) return std::nullopt;
  const double value = header.constant_class[column];
  return std::isfinite(value) ? std::optional(value) : std::nullopt;
}

std::optional<std::int64_t> step_of_reaching(const record::Run& run, const Measure& measure, double threshold) {
  for (const auto& [step, value] : curve(run, measure.metric))
    if (measure.higher_is_better ? value >= threshold : value <= threshold) return step;
  return std::nullopt;
}

}  // namespace initlab::compare
