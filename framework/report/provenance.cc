// Where numbers come from and what went wrong: the initialization audit, failures, and birth certificates.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "base/text.hpp"
#include "report/parts.hpp"
#include "report/report.hpp"

namespace initlab::report {
namespace {

using record::InitRecord;
using record::Run;

// What a page lists at most; more are counted.
constexpr std::size_t kMostTensorTables = 24, kMostTensors = 1000, kMostFailures = 500, kMostRuns = 2000,
                      kMostSpecs = 8;
constexpr std::size_t kMostValues = 4;

std::string label_of(const Cell& cell) { return compare::label(cell.summary->arm, cell.summary->settings); }

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::vector<std::string> parts;
  for (const std::int64_t n : shape) parts.push_back(std::to_string(n));
  return parts.empty() ? "scalar" : base::join(parts, " x ");
}

double elements(const std::vector<std::int64_t>& shape) {
  double n = 1;
  for (const std::int64_t side : shape) n *= static_cast<double>(side);
  return n;
}

std::string count_text(double n) { return n < 1e15 ? base::fixed(n, 0) : short_number(n); }

// The run of a cell whose tensors were kept.
const Run* with_tensors(const Cell& cell) {
  for (const Run* run : cell.runs)
    if (!run->init.empty()) return run;
  return nullptr;
}

// What an initialization is, without its draws: cells of one arm that agree in it are shown once.
std::string signature(const std::string& arm, const std::vector<InitRecord>& init) {
  std::string text = arm;
  for (const InitRecord& tensor : init) {
    for (const std::string* part : {&tensor.name, &tensor.strategy, &tensor.options, &tensor.source_key}) {
      text += '\n';
      text += *part;
    }
    text += shape_text(tensor.shape);
  }
  return text;
}

// The first cell of each initialization that differs.
std::vector<const Cell*> different_initializations(const View& view) {
  std::set<std::string> seen;
  std::vector<const Cell*> cells;
  for (const Cell& cell : view.cells) {
    const Run* run = with_tensors(cell);
    if (run != nullptr && seen.insert(signature(cell.summary->arm, run->init)).second) cells.push_back(&cell);
  }
  return cells;
}

// What filled how much of an arm: one row a strategy with its options and source.
Grid filled_by(const std::vector<const Cell*>& cells) {
  Grid grid;
  grid.title = "What filled the model";
  grid.head = {"arm", "strategy", "options", "source", "tensors", "parameters"};
  grid.right = {false, false, false, false, true, true};
  for (const Cell* cell : cells) {
    std::vector<std::vector<std::string>> keys;
    std::map<std::vector<std::string>, std::pair<std::size_t, double>> sums;
    for (const InitRecord& tensor : with_tensors(*cell)->init) {
      const std::vector<std::string> key = {tensor.strategy, tensor.options == "{}" ? "" : tensor.options,
                                            tensor.source_file};
      if (!sums.contains(key)) keys.push_back(key);
      auto& [tensors, parameters] = sums[key];
      ++tensors;
      parameters += elements(tensor.shape);
    }
    for (const auto& key : keys)
      grid.rows.push_back(
          {label_of(*cell), key[0], key[1], key[2], std::to_string(sums[key].first), count_text(sums[key].second)});
  }
  return grid;
}

Grid tensors_of(const Cell& cell) {
  const Run& run = *with_tensors(cell);
  Grid grid;
  grid.title = "Tensors of " + label_of(cell) + ", replicate " + std::to_string(run.header.replicate);
  grid.head = {"tensor", "shape",    "strategy", "rule",           "source", "mean",      "declared",
               "std",    "declared", "zeros",    "effective rank", "sha256", "first step"};
  grid.right = {false, false, false, false, false, true, true, true, true, true, true, false, false};
  for (std::size_t i = 0; i < std::min(run.init.size(), kMostTensors); ++i) {
    const InitRecord& t = run.init[i];
    const bool known = !t.sha256_first_step.empty();
    grid.rows.push_back({t.name, shape_text(t.shape), t.strategy, t.rule, t.source_key, short_number(t.mean),
                         short_number(t.requested_mean), short_number(t.stddev), short_number(t.requested_stddev),
                         short_number(t.zeros), short_number(t.effective_rank), t.sha256.substr(0, 12),
                         !known                            ? "unknown"
                         : t.sha256 == t.sha256_first_step ? "same bits"
                                                           : "CHANGED"});
  }
  if (run.init.size() > kMostTensors)
    grid.caption = "The first " + std::to_string(kMostTensors) + " of " + std::to_string(run.init.size()) + " tensors.";
  return grid;
}

// Findings of the audit over all runs: one row a finding of an arm.
Grid findings_of(const View& view) {
  Grid grid;
  grid.title = "Findings of the audit";
  grid.head = {"arm", "finding", "runs"};
  grid.right = {false, false, true};
  for (const Cell& cell : view.cells) {
    std::map<std::string, std::size_t> counts;
    for (const Run* run : cell.runs)
      if (const auto seen = view.study.observed.find(run->file); seen != view.study.observed.end())
        for (const std::string& finding : seen->second.findings) ++counts[finding];
    for (const auto& [finding, runs] : counts)
      grid.rows.push_back({label_of(cell), finding, std::to_string(runs) + " of " + std::to_string(cell.runs.size())});
  }
  if (grid.rows.empty()) grid.caption = "None: no run's initialization differs from what was asked for.";
  return grid;
}

// Different values, in order, and how many more there are.
class Values {
 public:
  void add(const std::string& value) {
    if (!value.empty() && seen_.insert(value).second && shown_.size() < kMostValues) shown_.push_back(value);
  }
  std::string text() const {
    std::string all = base::join(shown_, "\n");
    if (seen_.size() > shown_.size()) all += "\nand " + std::to_string(seen_.size() - shown_.size()) + " more";
    return all;
  }
  bool empty() const { return shown_.empty(); }

 private:
  std::set<std::string> seen_;
  std::vector<std::string> shown_;
};

Grid certificate(const View& view) {
  static const std::pair<const char*, std::string (*)(const Run&)> kFields[] = {
      {"task", [](const Run& r) { return r.header.task; }},
      {"build", [](const Run& r) { return r.header.build; }},
      {"CPU", [](const Run& r) { return r.header.cpu; }},
      {"threads a run", [](const Run& r) { return std::to_string(r.header.threads); }},
      {"libraries", [](const Run& r) { return r.header.libraries; }},
      {"data, sha256", [](const Run& r) { return r.header.data_sha256; }},
      {"checkpoint", [](const Run& r) { return r.header.checkpoint; }},
      {"checkpoint, sha256", [](const Run& r) { return r.header.checkpoint_sha256; }},
      {"checkpoint made by run", [](const Run& r) { return r.header.checkpoint_run; }},
      {"resumed", [](const Run& r) { return base::join(r.header.resumed, "\n"); }},
  };
  Grid grid;
  grid.title = "Made with";
  grid.head = {"what", "value"};
  for (const auto& [name, of] : kFields) {
    Values values;
    for (const Run& run : view.study.runs) values.add(of(run));
    if (!values.empty()) grid.rows.push_back({name, values.text()});
  }
  std::string first, last;
  Values plugins;
  for (const Run& run : view.study.runs) {
    if (first.empty() || run.header.started < first) first = run.header.started;
    last = std::max(last, run.header.started);
    for (const record::PluginRecord& plugin : run.header.plugins)
      plugins.add(plugin.name + " " + plugin.version + ", sha256 " + plugin.sha256);
  }
  grid.rows.push_back({"started", first == last ? first : first + " to " + last});
  if (!plugins.empty()) grid.rows.push_back({"plugins", plugins.text()});
  return grid;
}

std::map<std::string, std::size_t> number_commands(const View& view, Grid& grid) {
  grid.title = "Commands that repeat these runs";
  grid.head = {"number", "command", "runs"};
  grid.right = {true, false, true};
  std::map<std::string, std::size_t> numbers, counts;
  std::vector<std::string> order;
  for (const Run& run : view.study.runs) {
    if (numbers.emplace(run.header.command, numbers.size() + 1).second) order.push_back(run.header.command);
    ++counts[run.header.command];
  }
  for (const std::string& command : order)
    grid.rows.push_back({std::to_string(numbers[command]), command, std::to_string(counts[command])});
  return numbers;
}

Grid all_runs(const View& view, const std::map<std::string, std::size_t>& commands) {
  Grid grid;
  grid.title = "Runs";
  grid.caption =
      "Value: the number that the comparison takes. The command of that number makes the run again, to the same bits "
      "on "
      "the same kind of CPU with the same number of threads.";
  grid.head = {"run", "arm", "replicate", "state", view.study.comparison.metric, "steps", "command", "file"};
  grid.right = {false, false, true, false, true, true, true, false};
  std::size_t left = kMostRuns;
  for (const Cell& cell : view.cells) {
    const compare::ArmSummary& arm = *cell.summary;
    std::map<std::int64_t, double> values;
    for (std::size_t i = 0; i < arm.values.size(); ++i) values[arm.replicates[i]] = arm.values[i];
    for (const Run* run : cell.runs) {
      if (left == 0) break;
      --left;
      const auto value = values.find(run->header.replicate);
      const auto seen = view.study.observed.find(run->file);
      grid.rows.push_back({run->header.run_id.substr(0, 12), label_of(cell), std::to_string(run->header.replicate),
                           record::to_text(run->state), value == values.end() ? "-" : number(value->second),
                           seen == view.study.observed.end() ? "-" : std::to_string(seen->second.steps),
                           std::to_string(commands.at(run->header.command)), run->file});
    }
  }
  if (left == 0 && view.study.runs.size() > kMostRuns)
    grid.caption += " The first " + std::to_string(kMostRuns) + " of " + std::to_string(view.study.runs.size()) + ".";
  return grid;
}

// Runs without a value, and why.
Grid lost_runs(const View& view) {
  Grid grid;
  grid.title = "Runs without a value";
  grid.head = {"arm", "replicate", "state", "reason", "steps", "last loss", "file"};
  grid.right = {false, true, false, false, true, true, false};
  std::size_t lost = 0;
  for (const Cell& cell : view.cells) {
    const std::vector<std::int64_t>& with_value = cell.summary->replicates;
    for (const Run* run : cell.runs) {
      if (std::find(with_value.begin(), with_value.end(), run->header.replicate) != with_value.end()) continue;
      if (++lost > kMostFailures) continue;
      const bool ended = run->state == record::State::finished;
      const auto seen = view.study.observed.find(run->file);
      grid.rows.push_back({label_of(cell), std::to_string(run->header.replicate), record::to_text(run->state),
                           !run->reason.empty() ? run->reason
                           : ended              ? "no finite number where the comparison looks"
                                                : "",
                           seen == view.study.observed.end() ? "-" : std::to_string(seen->second.steps),
                           run->steps.empty() ? "-" : short_number(run->steps.back().loss), run->file});
    }
  }
  if (lost == 0) grid.caption = "None: every run has its value.";
  if (lost > kMostFailures)
    grid.caption = "The first " + std::to_string(kMostFailures) + " of " + std::to_string(lost) + ".";
  return grid;
}

std::string at_step_text(double value, std::int64_t step) {
  return std::isfinite(value) ? short_number(value) + " at step " + std::to_string(step) : "-";
}

// The highest loss and gradient of all steps, which curves that are thinned may not show.
Grid extremes_of(const View& view) {
  Grid grid;
  grid.title = "Extremes of training";
  grid.caption = "Over all steps of all runs, before any thinning.";
  grid.head = {"arm",
               "runs",
               "failed",
               "unfinished",
               "highest loss",
               "highest gradient norm",
               "steps not finite",
               "constant predictions"};
  grid.right = {false, true, true, true, true, true, true, true};
  for (const Cell& cell : view.cells) {
    Observed most;
    for (const Run* run : cell.runs) {
      const auto found = view.study.observed.find(run->file);
      if (found == view.study.observed.end()) continue;
      const Observed& seen = found->second;
      most.not_finite += seen.not_finite;
      if (std::isfinite(seen.most_loss) && !(seen.most_loss <= most.most_loss)) {
        most.most_loss = seen.most_loss;
        most.most_loss_step = seen.most_loss_step;
      }
      if (std::isfinite(seen.most_grad_norm) && !(seen.most_grad_norm <= most.most_grad_norm)) {
        most.most_grad_norm = seen.most_grad_norm;
        most.most_grad_norm_step = seen.most_grad_norm_step;
      }
    }
    const compare::ArmSummary& arm = *cell.summary;
    grid.rows.push_back({label_of(cell), std::to_string(cell.runs.size()), std::to_string(arm.failed),
                         std::to_string(arm.unfinished), at_step_text(most.most_loss, most.most_loss_step),
                         at_step_text(most.most_grad_norm, most.most_grad_norm_step), std::to_string(most.not_finite),
                         std::to_string(arm.degenerate)});
  }
  return grid;
}

}  // namespace

std::vector<std::string> audit_sentences(const View& view) {
  std::vector<std::string> sentences;
  for (const Cell* cell : different_initializations(view)) {
    const auto seen = view.study.observed.find(with_tensors(*cell)->file);
    if (seen == view.study.observed.end()) continue;
    for (const std::string& sentence : seen->second.explanation) sentences.push_back(label_of(*cell) + ": " + sentence);
  }
  return sentences;
}

std::vector<Grid> audit_grids(const View& view) {
  const std::vector<const Cell*> cells = different_initializations(view);
  std::vector<Grid> grids{findings_of(view)};
  if (cells.empty()) return grids;
  grids.push_back(filled_by(cells));
  for (std::size_t i = 0; i < std::min(cells.size(), kMostTensorTables); ++i) grids.push_back(tensors_of(*cells[i]));
  if (cells.size() > kMostTensorTables)
    grids[1].caption = "Tensor by tensor, the first " + std::to_string(kMostTensorTables) + " of " +
                       std::to_string(cells.size()) +
                       " initializations are shown; `initlab audit RUN.h5` has every run's.";
  return grids;
}

std::vector<Grid> failure_grids(const View& view) { return {lost_runs(view), extremes_of(view)}; }

std::vector<Grid> provenance_grids(const View& view) {
  Grid commands;
  const auto numbers = number_commands(view, commands);
  return {certificate(view), std::move(commands), all_runs(view, numbers)};
}

std::vector<std::pair<std::string, std::string>> specs_of(const View& view) {
  std::vector<std::pair<std::string, std::string>> specs;
  std::set<std::string> seen;
  for (const Run& run : view.study.runs) {
    if (run.header.spec.empty() || !seen.insert(run.header.spec).second || specs.size() == kMostSpecs) continue;
    specs.emplace_back("Spec of " + std::string(run.header.experiment), run.header.spec);
  }
  return specs;
}

}  // namespace initlab::report
