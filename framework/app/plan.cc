// `initlab plan`: what a spec would do: the runs, which rule decides each tensor, what it would cost. Trains nothing.
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iostream>
#include <set>

#include "app/common.hpp"
#include "app/cost.hpp"
#include "app/design.hpp"
#include "app/progress.hpp"
#include "base/error.hpp"
#include "base/text.hpp"
#include "report/report.hpp"

namespace initlab::app {
namespace {

// Fails as `run` would, without writing.
void require_writable(const std::filesystem::path& folder) {
  std::filesystem::path existing = std::filesystem::absolute(folder);
  while (!std::filesystem::exists(existing) && existing.has_relative_path()) existing = existing.parent_path();
  const bool is_folder = std::filesystem::is_directory(existing);
  if (!is_folder || ::access(existing.c_str(), W_OK | X_OK) != 0)
    throw base::Error({folder.string(), "", "a folder that can be created and written",
                       is_folder ? existing.string() + ": " + std::strerror(errno) : existing.string() + ", a file",
                       "choose another folder"});
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::vector<std::string> parts;
  for (const std::int64_t n : shape) parts.push_back(std::to_string(n));
  return base::join(parts, " x ");
}

std::string rule_text(const init::Assignment& a) {
  if (a.rule == nullptr) return "default (no rule covers it)";
  return a.rule->text + (a.missing ? " [missing in the checkpoint]" : "") + "  " + a.rule->place;
}

std::string settings_text(const config::RunPlan& plan) {
  std::vector<std::string> parts;
  for (const auto& [path, value] : plan.settings) parts.push_back(path + "=" + base::json_text(value));
  return base::join(parts, " ");
}

// The arms' rules: one table for each arm, and more where a grid point gives it other tensors or other rules.
struct ArmTable {
  std::shared_ptr<const sweep::Prepared> run;  // the first with it
  std::vector<init::Assignment> tensors;
};
std::vector<ArmTable> arm_tables(const Sweep& sweep) {
  std::set<std::string> seen;
  std::vector<ArmTable> tables;
  for (const auto& run : sweep.runs) {
    if (run->plan.replicate != sweep.runs.front()->plan.replicate) continue;  // replicates do not differ
    ArmTable table{run, run->assignments(*sweep.catalog)};
    std::string content = run->plan.arm;
    for (const init::Assignment& a : table.tensors)
      content += "\n" + a.parameter->name + " " + shape_text(a.parameter->shape) + " " + a.entry->strategy->id + " " +
                 rule_text(a);
    if (seen.insert(content).second) tables.push_back(std::move(table));
  }
  return tables;
}

base::Json as_json(const Sweep& sweep, const Done& done, const Costs& costs) {
  const Cost& cost = costs.one;
  base::Json out = base::Json::object();
  out["experiment"] = sweep.spec.experiment;
  out["threads"] = costs.sharing.threads;
  out["jobs"] = costs.sharing.jobs;
  const auto list = [&](const std::vector<std::shared_ptr<const sweep::Prepared>>& runs) {
    base::Json array = base::Json::array();
    for (const auto& run : runs) {
      const bool waits = run->plan.awaits_tuning();
      array.push_back({{"run_id", waits ? base::Json(nullptr) : base::Json(run->run_id)},
                       {"arm", run->plan.arm},
                       {"settings", settings_of(*run)},
                       {"replicate", run->plan.replicate},
                       {"state", done.count(run.get()) != 0 ? "finished"
                                 : waits                    ? "awaits tuning"
                                                            : "planned"},
                       {"file", waits ? base::Json(nullptr) : base::Json(run->file.string())},
                       {"tuned", run->plan.tuned}});
    }
    return array;
  };
  out["runs"] = list(sweep.runs);
  out["tuning"] = list(sweep.tuning);
  out["pretraining"] = base::Json::array();
  for (const auto& makers : makers_of(sweep.runs)) {
    base::Json array = list(makers);
    for (base::Json& maker : array) {
      maker["experiment"] = makers.front()->plan.experiment;
      out["pretraining"].push_back(std::move(maker));
    }
  }
  base::Json arms = base::Json::array();
  for (const ArmTable& table : arm_tables(sweep)) {
    base::Json tensors = base::Json::array();
    for (const init::Assignment& a : table.tensors)
      tensors.push_back({{"name", a.parameter->name},
                         {"role", params::to_text(a.parameter->role)},
                         {"shape", a.parameter->shape},
                         {"strategy", a.entry->strategy->id},
                         {"rule", a.rule == nullptr ? "default" : a.rule->text},
                         {"place", a.rule == nullptr ? "" : a.rule->place},
                         {"missing", a.missing}});
    arms.push_back(
        {{"arm", table.run->plan.arm}, {"settings", settings_of(*table.run)}, {"tensors", std::move(tensors)}});
  }
  out["arms"] = std::move(arms);
  out["cost_per_run"] = {{"steps", cost.steps},
                         {"tokens", cost.tokens},
                         {"flops", cost.flops},
                         {"seconds", cost.seconds()},
                         {"seconds_parts",
                          {{"start", cost.start},
                           {"training", cost.training},
                           {"evaluations", cost.evaluations},
                           {"diagnostics", cost.diagnostics}}},
                         {"parameter_mib", cost.mebibytes},
                         {"arm", costs.dearest->plan.arm},
                         {"eval_tokens", cost.eval_tokens},
                         {"peak_mib", costs.peak_mebibytes}};
  out["seconds_to_run"] = costs.all_seconds;
  out["wall_seconds_to_run"] = costs.wall_seconds;
  out["measured"] = costs.measured.runs == 0 ? base::Json()
                                             : base::Json{{"runs", costs.measured.runs},
                                                          {"seconds", costs.measured.seconds},
                                                          {"estimated_seconds", costs.measured.estimated}};
  out["design"] = to_json(designs_of(sweep));
  return out;
}

std::string amount_text(const config::TrainingConfig& training, const Cost& cost) {
  if (training.seconds) return "a budget of " + duration_text(*training.seconds) + " decides how many steps";
  return std::to_string(cost.steps) + " steps, " + base::fixed(cost.tokens / 1e3, 0) + " thousand tokens, " +
         base::fixed(cost.flops / 1e12, 2) + " TFLOP, about " + duration_text(cost.seconds()) + " (start " +
         duration_text(cost.start) + ", training " + duration_text(cost.training) + ", evaluations " +
         duration_text(cost.evaluations) + ", diagnostics " + duration_text(cost.diagnostics) + ")";
}

// What is to come, and what has come of it so far.
std::string time_text(const Costs& costs) {
  const int jobs = costs.sharing.jobs;
  std::string text = "  all that is to run: about " + duration_text(costs.all_seconds) + " of one worker";
  if (jobs > 1) text += ", " + duration_text(costs.wall_seconds) + " with " + std::to_string(jobs) + " at a time";
  if (costs.measured.runs > 0)
    text += "\n  " + std::to_string(costs.measured.runs) + " runs that exist took " +
            duration_text(costs.measured.seconds) +
            " of one worker; estimated in this way: " + duration_text(costs.measured.estimated);
  return text + "\n";
}

void print_runs(const std::string& title, const std::vector<std::shared_ptr<const sweep::Prepared>>& runs,
                const Done& done) {
  std::vector<std::vector<std::string>> rows = {{"run", "arm", "settings", "replicate", "state"}};
  std::size_t to_run = 0;
  for (const auto& run : runs) {
    const bool finished = done.count(run.get()) != 0, waits = run->plan.awaits_tuning();
    to_run += finished ? 0 : 1;
    const std::string rate = run->plan.tuned.is_null()
                                 ? ""
                                 : ", learning rate " + base::number_text(run->plan.training.optimizer.learning_rate);
    rows.push_back({waits ? "-" : run->run_id.substr(0, 10), run->plan.arm, settings_text(run->plan),
                    std::to_string(run->plan.replicate),
                    (finished ? "exists"
                     : waits  ? "to run, when its learning rate is chosen"
                              : "to run") +
                        rate});
  }
  std::cout << title << ": " << runs.size() << " runs, " << runs.size() - to_run << " exist, " << to_run
            << " to run\n\n"
            << report::align(rows, {false, false, false, true, false}) << "\n";
}

void print(const Sweep& sweep, const Done& done, const Costs& costs) {
  const int threads = costs.sharing.threads;
  const Cost& cost = costs.one;
  for (const auto& makers : makers_of(sweep.runs))
    print_runs("pre-training " + makers.front()->plan.experiment, makers, done);
  if (!sweep.tuning.empty()) print_runs("tuning of " + sweep.spec.experiment, sweep.tuning, done);
  print_runs("experiment " + sweep.spec.experiment, sweep.runs, done);
  const std::vector<ArmTable> tables = arm_tables(sweep);
  for (const ArmTable& table : tables) {
    std::vector<std::vector<std::string>> tensors = {{"tensor", "shape", "strategy", "decided by"}};
    for (const init::Assignment& a : table.tensors)
      tensors.push_back({a.parameter->name, shape_text(a.parameter->shape), a.entry->strategy->id, rule_text(a)});
    const bool alone = std::count_if(tables.begin(), tables.end(), [&table](const ArmTable& other) {
                         return other.run->plan.arm == table.run->plan.arm;
                       }) == 1;
    std::cout << "arm " << table.run->plan.arm << (alone ? "" : ", from " + settings_text(table.run->plan) + " on")
              << "\n"
              << report::align(tensors, {false, false, false, false}) << "\n";
  }
  const sweep::Prepared& first = *sweep.runs.front();
  if (first.promise) {
    std::cout << "checkpoint: made by " << first.promise->run->plan.spec_path << "\n";
  } else if (first.checkpoint) {
    std::vector<std::string> names;
    for (const params::Parameter& p : first.table->all()) names.push_back(p.name);
    const std::vector<std::string> unused = first.checkpoint->unused(names);
    std::cout << "checkpoint: " << first.checkpoint->folder().string() << "\n";
    if (!unused.empty())
      std::cout << "tensors of the checkpoint that the model has no place for: " << base::join(unused, ", ") << "\n";
  }
  std::cout << "cost of one run (" << costs.dearest->plan.arm << "), from a few timed steps with " << threads
            << " thread" << (threads == 1 ? "" : "s") << ":\n  " << amount_text(costs.dearest->plan.training, cost)
            << "; " << base::fixed(cost.mebibytes, 0) << " MiB for weights, gradients and moments, "
            << base::fixed(costs.peak_mebibytes, 0) << " MiB at the peak\n"
            << time_text(costs) << "\n"
            << to_text(designs_of(sweep));
}

void declare(po::options_description& options, po::positional_options_description& positional) {
  declare_spec_options(options, positional);
  options.add_options()("jobs", po::value<std::string>(), "runs at a time that `run` would have; default: as there")  //
      ("json", po::bool_switch(), "the plan as JSON");
}

int run(const po::variables_map& values, const Context& context) {
  const Sweep sweep = open_sweep(values, context);
  Done done;
  bool all_done = true;
  for (const auto* runs : {&sweep.runs, &sweep.tuning})
    for (const auto& run : *runs) {
      if (is_done(*run)) done.insert(run.get());
      all_done = all_done && done.count(run.get()) != 0;
    }
  for (const auto& makers : makers_of(sweep.runs))
    for (const auto& maker : makers)
      if (is_done(*maker)) done.insert(maker.get());
  if (!all_done) require_writable(sweep.runs.front()->file.parent_path());
  const Costs costs = costs_of(sweep, done, values);
  if (values["json"].as<bool>()) {
    std::cout << base::json_pretty(as_json(sweep, done, costs)) << "\n";
  } else {
    print(sweep, done, costs);
  }
  return kDone;
}

}  // namespace

const Verb kPlan = {"plan",
                    "SPEC [--set path=value]... [--results DIR] [--jobs N|auto] [--threads N] [--json]",
                    "the runs, their identities, which rule decides each tensor, what they would cost",
                    "Everything that can fail because of input fails here. Nothing is written.",
                    declare,
                    run};

}  // namespace initlab::app
