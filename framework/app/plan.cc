// `initlab plan`: what a spec would do: the runs, which rule decides each tensor, what it would cost. Trains nothing.
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <iostream>
#include <map>
#include <set>
#include <sstream>

#include "app/common.hpp"
#include "app/design.hpp"
#include "app/progress.hpp"
#include "base/error.hpp"
#include "base/text.hpp"
#include "compute/threads.hpp"
#include "model/bert.hpp"
#include "report/report.hpp"
#include "sweep/execute.hpp"
#include "sweep/folder.hpp"
#include "train/trainer.hpp"

namespace initlab::app {
namespace {

struct Cost {
  std::int64_t steps = 0;  // 0: none, or a time budget decides
  double tokens = 0;       // of all steps
  double flops = 0;        // that the losses need
  double eval_tokens = 0;  // of all evaluations
  double seconds = 0;      // from timing a few steps on this machine; a budget is taken as it is
  double mebibytes = 0;    // values, gradients, both moments
};

// Every so many steps, and at the end.
std::int64_t evaluations_of(const config::TrainingConfig& training, std::int64_t steps) {
  const std::int64_t every = training.evaluate.every.value_or(0);
  if (every == 0 || steps == 0) return 1;
  return steps / every + (steps % every == 0 ? 0 : 1);
}

// What a run has to compute, from a look at its first batches; no seconds yet.
Cost work_of(const sweep::Prepared& run) {
  const data::BatchStream batches = run.batches();
  Cost cost;
  cost.steps = train::total_steps(run.plan.training, batches.steps_per_epoch());
  cost.mebibytes = 4.0 * 4.0 * static_cast<double>(run.table->size()) / (1 << 20);
  const std::int64_t sample = std::min<std::int64_t>(cost.steps, 3);
  for (std::int64_t i = 0; i < sample; ++i) {
    const batch::Batch batch = batches.train(i);
    const double scale = static_cast<double>(cost.steps) / static_cast<double>(sample);
    cost.tokens += scale * static_cast<double>(batch.tokens());
    cost.flops += scale * model::training_flops(run.model, run.data->info.head, run.num_labels, batch);
  }
  double tokens = 0;
  for (std::int64_t i = 0; i < batches.eval_batches(); ++i) tokens += static_cast<double>(batches.eval(i).tokens());
  cost.eval_tokens = tokens * static_cast<double>(evaluations_of(run.plan.training, cost.steps));
  return cost;
}

struct Rates {
  double seconds_per_flop = 0;  // of a training step
  double seconds_per_eval_token = 0;
};

// Times a few real steps and evaluation batches from arbitrary weights, on which the cost does not depend.
Rates measure(const sweep::Prepared& run, int threads) {
  constexpr std::int64_t kSteps = 3;
  const data::BatchStream batches = run.batches(kSteps);
  compute::set_threads(threads);
  const std::unique_ptr<model::Bert> made = sweep::make_model(run, batches);
  model::Bert& bert = *made;
  for (float& value : bert.values()) value = 0.01f;
  train::Trainer trainer(run.plan.training, run.plan.seeds, batches, bert);
  trainer.step(0, 0.0);  // makes the kernels for its shape
  double flops = 0, seconds = 0;
  for (std::int64_t i = 0; i < kSteps; ++i) {
    seconds += trainer.step(i, 0.0).seconds;
    flops += model::training_flops(run.model, run.data->info.head, run.num_labels, trainer.batch());
  }
  constexpr std::int64_t kEvals = 4;
  double eval_seconds = 0, eval_tokens = 0;
  for (std::int64_t i = 0; i < std::min(kEvals, batches.eval_batches()); ++i) {
    const batch::Batch batch = batches.eval(i);
    bert.forward(batch, {});  // makes the kernels for its shape
    const auto start = std::chrono::steady_clock::now();
    bert.forward(batch, {});
    eval_seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    eval_tokens += static_cast<double>(batch.tokens());
  }
  return {seconds / flops, eval_tokens > 0 ? eval_seconds / eval_tokens : 0};
}

// Peak resident memory of this process so far, MiB.
double peak_memory() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

// Runs whose steps take equally long a FLOP.
std::string shape_of(const sweep::Prepared& run) {
  const config::TrainingConfig& training = run.plan.training;
  std::ostringstream shape;
  shape << run.table.get() << " " << run.data.get() << " " << training.batch << " " << training.accumulate << " "
        << training.precision << " " << base::join(training.without, ",");
  return shape.str();
}

using Done = std::set<const sweep::Prepared*>;  // the runs that exist; finding out reads their files

struct Costs {
  std::shared_ptr<const sweep::Prepared> dearest;  // the run whose cost is shown
  Cost one;
  double peak_mebibytes = 0;  // of a process that made the dearest's steps
  double all_seconds = 0;     // of everything that is to run, checkpoints and tuning included, one after another
};

// Every kind of run is looked at; one of each shape is timed, and the others of that shape are scaled by their FLOPs.
Costs costs_of(const Sweep& sweep, const Done& done, int threads) {
  std::vector<std::shared_ptr<const sweep::Prepared>> runs = sweep.runs;
  runs.insert(runs.end(), sweep.tuning.begin(), sweep.tuning.end());
  std::set<std::string> makers;
  for (const auto& run : sweep.runs)
    for (const sweep::Prepared* p = run.get(); p->promise; p = p->promise->run.get())
      if (makers.insert(p->promise->run->run_id).second) runs.push_back(p->promise->run);
  std::map<std::string, Cost> kinds;
  const auto kind_of = [](const sweep::Prepared& run) {
    std::ostringstream kind;
    kind << run.data.get() << run.table.get() << base::json_text(config::to_json(run.plan.training));
    return kind.str();
  };
  Costs costs;
  costs.dearest = sweep.runs.front();
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const std::string kind = kind_of(*runs[i]);
    if (kinds.count(kind) == 0) kinds[kind] = work_of(*runs[i]);
    if (i < sweep.runs.size() && kinds[kind].flops > kinds[kind_of(*costs.dearest)].flops) costs.dearest = runs[i];
  }
  costs.one = kinds[kind_of(*costs.dearest)];
  std::map<std::string, Rates> rates;
  const auto seconds = [&](const sweep::Prepared& run) {
    const Cost& cost = kinds[kind_of(run)];
    if (run.plan.training.seconds) return *run.plan.training.seconds;
    if (cost.flops == 0) return 0.0;
    const auto [found, is_new] = rates.try_emplace(shape_of(run));
    if (is_new) found->second = measure(run, threads);
    return found->second.seconds_per_flop * cost.flops + found->second.seconds_per_eval_token * cost.eval_tokens;
  };
  costs.one.seconds = seconds(*costs.dearest);
  costs.peak_mebibytes = peak_memory();
  for (const auto& run : runs)
    if (done.count(run.get()) == 0) costs.all_seconds += seconds(*run);
  return costs;
}

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

base::Json as_json(const Sweep& sweep, const Done& done, const Costs& costs, int threads) {
  const Cost& cost = costs.one;
  base::Json out = base::Json::object();
  out["experiment"] = sweep.spec.experiment;
  out["threads"] = threads;
  const auto settings_of = [](const config::RunPlan& plan) {
    base::Json settings = base::Json::object();
    for (const auto& [path, value] : plan.settings) settings[path] = value;
    return settings;
  };
  const auto list = [&](const std::vector<std::shared_ptr<const sweep::Prepared>>& runs) {
    base::Json array = base::Json::array();
    for (const auto& run : runs) {
      const bool waits = run->plan.awaits_tuning();
      array.push_back({{"run_id", waits ? base::Json(nullptr) : base::Json(run->run_id)},
                       {"arm", run->plan.arm},
                       {"settings", settings_of(run->plan)},
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
        {{"arm", table.run->plan.arm}, {"settings", settings_of(table.run->plan)}, {"tensors", std::move(tensors)}});
  }
  out["arms"] = std::move(arms);
  out["cost_per_run"] = {{"steps", cost.steps},
                         {"tokens", cost.tokens},
                         {"flops", cost.flops},
                         {"seconds", cost.seconds},
                         {"parameter_mib", cost.mebibytes},
                         {"arm", costs.dearest->plan.arm},
                         {"eval_tokens", cost.eval_tokens},
                         {"peak_mib", costs.peak_mebibytes}};
  out["seconds_to_run"] = costs.all_seconds;
  out["design"] = to_json(designs_of(sweep));
  return out;
}

std::string amount_text(const config::TrainingConfig& training, const Cost& cost) {
  if (training.seconds) return "a budget of " + duration_text(*training.seconds) + " decides how many steps";
  return std::to_string(cost.steps) + " steps, " + base::fixed(cost.tokens / 1e3, 0) + " thousand tokens, " +
         base::fixed(cost.flops / 1e12, 2) + " TFLOP, about " + duration_text(cost.seconds) + ", evaluations included";
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

void print(const Sweep& sweep, const Done& done, const Costs& costs, int threads) {
  const Cost& cost = costs.one;
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
    std::cout << "checkpoint: made by " << first.promise->run->plan.spec_path << " (run "
              << first.promise->run->run_id.substr(0, 10) << ", "
              << (done.count(first.promise->run.get()) != 0 ? "exists" : "to run first") << ")\n";
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
            << base::fixed(costs.peak_mebibytes, 0) << " MiB at the peak\n  all that is to run: about "
            << duration_text(costs.all_seconds) << " of one worker\n\n"
            << to_text(designs_of(sweep));
}

void declare(po::options_description& options, po::positional_options_description& positional) {
  declare_spec_options(options, positional);
  options.add_options()("json", po::bool_switch(), "the plan as JSON");
}

int run(const po::variables_map& values, const Context& context) {
  const Sweep sweep = open_sweep(values, context);
  const sweep::Prepared& first = *sweep.runs.front();
  const std::filesystem::path folder = first.file.parent_path();
  const int threads = sweep::planned_threads(folder, count_option(values, "threads"), hardware_threads(first));
  Done done;
  bool all_done = true;
  for (const auto* runs : {&sweep.runs, &sweep.tuning})
    for (const auto& run : *runs) {
      if (is_done(*run)) done.insert(run.get());
      all_done = all_done && done.count(run.get()) != 0;
      for (const sweep::Prepared* p = run.get(); p->promise; p = p->promise->run.get())
        if (done.count(p->promise->run.get()) == 0 && is_done(*p->promise->run)) done.insert(p->promise->run.get());
    }
  if (!all_done) require_writable(folder);
  const Costs costs = costs_of(sweep, done, threads);
  if (values["json"].as<bool>()) {
    std::cout << base::json_pretty(as_json(sweep, done, costs, threads)) << "\n";
  } else {
    print(sweep, done, costs, threads);
  }
  return kDone;
}

}  // namespace

const Verb kPlan = {"plan",
                    "SPEC [--set path=value]... [--results DIR] [--threads N] [--json]",
                    "the runs, their identities, which rule decides each tensor, what they would cost",
                    "Everything that can fail because of input fails here. Nothing is written.",
                    declare,
                    run};

}  // namespace initlab::app
