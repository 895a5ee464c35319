// `initlab run`: expand a spec, run what is missing, print the comparison.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <set>

#include "app/common.hpp"
#include "app/jobs.hpp"
#include "app/progress.hpp"
#include "app/tuning.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "log/run_file.hpp"
#include "report/report.hpp"
#include "sweep/binding.hpp"
#include "sweep/execute.hpp"
#include "sweep/folder.hpp"
#include "sweep/machine.hpp"
#include "sweep/resume.hpp"
#include "sweep/workers.hpp"

namespace initlab::app {
namespace {

using Runs = std::vector<std::shared_ptr<const sweep::Prepared>>;

std::vector<std::string> names_of(const Runs& runs) {
  std::vector<std::string> names;
  for (const auto& run : runs) names.push_back(run->file.filename().string());
  return names;
}

std::optional<double> positive_option(const po::variables_map& values, const char* name) {
  if (values.count(name) == 0) return std::nullopt;
  const double value = values[name].as<double>();
  if (!(value > 0) || !std::isfinite(value))
    throw base::Error({"command line", std::string("--") + name, "a number above 0", base::number_text(value), ""});
  return value;
}

// Runs the missing ones of a list that belongs to one experiment folder. `what` they are, for messages; others wait for
// those that are needed first, so these are all made.
sweep::Tally run_missing(const Runs& all, const char* what, const Sweep& sweep, const po::variables_map& values,
                         bool needed_first) {
  Runs missing, done;
  for (const auto& run : all) (is_done(*run) ? done : missing).push_back(run);
  sweep::remove_states_of(done);
  const std::filesystem::path folder = all.front()->file.parent_path();
  sweep::planned_threads(folder, count_option(values, "threads"), 1);  // another count is refused, to do or not
  if (missing.empty()) {
    spdlog::info("{}: all {} {} exist", folder.string(), all.size(), what);
    return {};
  }
  const Sharing sharing = share_cores(values, *missing.front());
  if (!values["allow-other-cpu"].as<bool>()) sweep::check_same_machine(missing, sweep::this_machine(sharing.threads));
  sweep::WorkerOptions options;
  if (values["bind"].as<bool>())
    options.cores = sweep::share_out(sweep::available_cores(), sharing.jobs, sharing.threads);
  base::make_folder(folder);
  sweep::fix_threads(folder, sharing.threads);
  sweep::note_planned(folder, names_of(all));
  if (!sharing.reason.empty()) spdlog::info("{}", sharing.reason);
  options.threads = sweep::planned_threads(folder, std::nullopt, sharing.threads);
  options.jobs = sharing.jobs;
  options.retries = values["retry"].as<int>();
  options.fail_fast = values["fail-fast"].as<bool>();
  options.wait = !values["no-wait"].as<bool>() || needed_first;
  if (!needed_first) options.most_runs = count_option(values, "most-runs");
  options.most_seconds = positive_option(values, "most-seconds");
  options.most_memory = positive_option(values, "most-memory");
  options.command = sweep.command + " --threads " + std::to_string(options.threads);
  spdlog::info("{}: {} {}, {} to do; {} at a time, threads each: {}", folder.string(), all.size(), what, missing.size(),
               std::min<std::size_t>(missing.size(), static_cast<std::size_t>(options.jobs)), options.threads);
  ProgressDisplay display(missing, options.jobs);
  return sweep::run_workers(missing, *sweep.catalog, options,
                            [&display](const sweep::Event& event) { display.show(event); });
}

int exit_code(const sweep::Tally& tally) {
  if (tally.interrupted > 0 || tally.not_started > 0) return kStopped;
  return tally.failed > 0 ? kRunFailed : kDone;
}

// The experiments whose checkpoints the runs read come first, those that they need themselves before them.
int make_checkpoints(Sweep& sweep, const po::variables_map& values) {
  const auto groups = makers_of(sweep.runs);
  for (Runs makers : groups) {
    if (std::ranges::all_of(makers, [](const auto& maker) { return is_done(*maker); })) continue;
    for (auto& maker : makers) maker = sweep.workshop->prepare(maker->plan);  // its checkpoint may just have been made
    const int code = exit_code(run_missing(makers, "pre-training runs", sweep, values, true));
    if (code != kDone) return code;
  }
  if (!groups.empty())
    for (auto* runs : {&sweep.runs, &sweep.tuning})
      for (auto& run : *runs) run = sweep.workshop->prepare(run->plan);
  return kDone;
}

// The tuning runs, and by them each arm's learning rate. A run that diverged has an answer all the same.
int tune(Sweep& sweep, const po::variables_map& values) {
  if (sweep.tuning.empty()) return kDone;
  const sweep::Tally tally = run_missing(sweep.tuning, "tuning runs", sweep, values, true);
  if (tally.interrupted > 0 || tally.not_started > 0) return kStopped;
  choose_rates(sweep);
  int code = kDone;
  for (const auto& run : sweep.runs) {
    const config::RunPlan& plan = run->plan;
    if (plan.replicate != 0) continue;
    std::string name = plan.arm;
    for (const auto& [path, value] : plan.settings) name += " " + path + "=" + base::json_text(value);
    if (plan.awaits_tuning()) {
      code = kRunFailed;
      spdlog::error("{}: no learning rate, since a tuning run broke off; its runs wait", name);
    } else if (!plan.tuned.is_null()) {  // an arm that is not trained has none
      spdlog::info("{}: learning rate {}, of {} tried", name, base::number_text(plan.training.optimizer.learning_rate),
                   plan.tuned.at("trials").size());
    }
  }
  return code;
}

// The runs that can be made: those of arms that have their learning rate.
Runs ready(const Sweep& sweep) {
  Runs runs;
  for (const auto& run : sweep.runs)
    if (!run->plan.awaits_tuning()) runs.push_back(run);
  return runs;
}

// What a checkpoint holds and the model has no place for is said, once a checkpoint.
void report_unused(const Runs& runs) {
  std::set<std::string> seen;
  for (const auto& run : runs) {
    if (!run->checkpoint || !seen.insert(run->checkpoint->folder().string()).second) continue;
    std::vector<std::string> names;
    for (const params::Parameter& parameter : run->table->all()) names.push_back(parameter.name);
    const std::vector<std::string> unused = run->checkpoint->unused(names);
    if (!unused.empty())
      spdlog::info("{}: tensors that the model has no place for: {}", run->checkpoint->folder().string(),
                   base::join(unused, ", "));
  }
}

void print_comparison(const Sweep& sweep, const po::variables_map& values) {
  std::vector<record::Run> runs;
  for (const auto& run : sweep.runs) {
    if (!std::filesystem::exists(run->file)) continue;
    try {
      runs.push_back(log::read_run(run->file));
    } catch (const base::Error& error) {  // e.g. damaged, and stopped before it was run again
      spdlog::warn("left out: {}", error.what());
      continue;
    }
    sweep::describe_comparison(*run, runs.back().header);
  }
  if (runs.empty()) return;
  try {
    const compare::Comparison comparison = compare::compare(runs, {});
    if (values["json"].as<bool>()) {
      std::cout << base::json_pretty(report::to_json(comparison)) << "\n";
    } else {
      std::cout << report::table(comparison);
    }
  } catch (const base::Error& error) {  // e.g. nothing finished: the runs' own messages have said why
    spdlog::warn("no comparison: {}", error.what());
  }
}

void declare(po::options_description& options, po::positional_options_description& positional) {
  declare_spec_options(options, positional);
  options.add_options()("jobs", po::value<std::string>(),
                        "runs at a time, or auto: as measured on a few steps; default: cores / threads")  //
      ("bind", po::bool_switch(),
       "each run to cores of its own, which its file names; default: the system places them")                      //
      ("no-wait", po::bool_switch(), "leave runs to other processes that have them; default: wait for their end")  //
      ("most-runs", po::value<int>(), "end after so many runs")                                                    //
      ("retry", po::value<int>()->default_value(0), "times that a failed run is tried again")                      //
      ("fail-fast", po::bool_switch(), "the first failure stops the others; default: they go on")                  //
      ("most-seconds", po::value<double>(), "a run that takes longer is killed and has failed")                    //
      ("most-memory", po::value<double>(), "MiB; a run that takes more is killed and has failed")                  //
      ("allow-other-cpu", po::bool_switch(),
       "let runs that were stopped on another kind of CPU go on; their bits differ, and their files say so")  //
      ("json", po::bool_switch(), "print the comparison as JSON");
}

int run(const po::variables_map& values, const Context& context) {
  if (const int retries = values["retry"].as<int>(); retries < 0 || retries > 1000)
    throw base::Error({"command line", "--retry", "an integer from 0 to 1000", std::to_string(retries), ""});
  for (const char* limit : {"most-seconds", "most-memory"}) positive_option(values, limit);
  Sweep sweep = open_sweep(values, context);
  if (const int code = make_checkpoints(sweep, values); code != kDone) return code;
  report_unused(sweep.runs);
  int code = tune(sweep, values);
  const Runs runs = ready(sweep);
  if (code != kStopped && !runs.empty())
    code = std::max(code, exit_code(run_missing(runs, "runs", sweep, values, false)));
  print_comparison(sweep, values);
  return code;
}

}  // namespace

const Verb kRun = {"run",
                   "SPEC [--set path=value]... [--results DIR] [--jobs N|auto] [--threads N] [--bind] [--retry N] "
                   "[--fail-fast] [--json]",
                   "expand a spec, run what is missing, print the comparison",
                   "A run that exists (same identity) is not run again. Runs are written to DIR/<experiment>/, one "
                   "HDF5 file each. An\n"
                   "experiment that the spec takes its checkpoint from is run first, once; so are the runs that "
                   "choose learning rates\n"
                   "(training.tune). Ctrl-C stops after the current step and leaves whole files; the same command "
                   "again goes on from there, also after a crash, to the same bits. Any\n"
                   "number of `initlab run` on one results folder, also from several machines, share the work.",
                   declare,
                   run};

}  // namespace initlab::app
