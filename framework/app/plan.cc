// `initlab plan`: what a spec would do: the runs, which rule decides each tensor, what it would cost. Trains nothing.
#include <chrono>
#include <iostream>
#include <set>

#include "app/common.hpp"
#include "app/progress.hpp"
#include "base/text.hpp"
#include "compute/threads.hpp"
#include "model/bert.hpp"
#include "report/report.hpp"
#include "sweep/folder.hpp"
#include "train/optimizer.hpp"
#include "train/trainer.hpp"

namespace initlab::app {
namespace {

struct Cost {
  std::int64_t steps = 0;  // 0: a time budget decides
  double tokens = 0;       // of all steps
  double flops = 0;        // that the losses need
  double seconds = 0;      // from timing a few steps on this machine; a budget is taken as it is
  double mebibytes = 0;    // values, gradients, both moments
};

// Times a few real steps from arbitrary weights: the cost does not depend on them.
Cost cost_of(const sweep::Prepared& run, int threads) {
  const data::BatchStream batches = run.batches();
  Cost cost;
  cost.steps = train::total_steps(run.plan.training, batches.steps_per_epoch());
  cost.mebibytes = 4.0 * 4.0 * static_cast<double>(run.table->size()) / (1 << 20);
  const std::int64_t sample = std::min<std::int64_t>(cost.steps, 3);
  double tokens = 0;
  for (std::int64_t i = 0; i < sample; ++i) {
    const batch::Batch batch = batches.train(i);
    tokens += static_cast<double>(batch.tokens());
    cost.flops += model::training_flops(run.model, run.data->info.head, run.num_labels, batch);
  }
  if (run.plan.training.seconds) cost.seconds = *run.plan.training.seconds;
  if (sample == 0) return cost;
  const double scale = static_cast<double>(cost.steps) / static_cast<double>(sample);
  cost.tokens = tokens * scale;
  cost.flops *= scale;
  compute::set_threads(threads);
  model::Bert bert(run.model, run.data->info.head, run.num_labels,
                   {batches.most_tokens(), batches.most_sequences(), batches.most_predictions(), batches.longest()});
  for (float& value : bert.values()) value = 0.01f;
  train::Adam optimizer(run.plan.training.optimizer, bert.parameters());
  const auto one_step = [&](std::int64_t step) {
    const batch::Batch batch = batches.train(step);
    bert.forward(batch, {});
    bert.backward(1.0f);
    optimizer.step(bert.values(), bert.gradients(), 0.0, 1.0);
  };
  one_step(0);  // makes the kernels for its shape
  const auto begin = std::chrono::steady_clock::now();
  for (std::int64_t i = 0; i < sample; ++i) one_step(i);
  cost.seconds = scale * std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return cost;
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

bool exists(const sweep::Prepared& run) { return sweep::is_finished(run.file, run.run_id); }

// The arms' rules: one table per distinct (arm, settings), replicates do not differ.
std::vector<std::shared_ptr<const sweep::Prepared>> one_per_arm(const Sweep& sweep) {
  std::set<std::string> seen;
  std::vector<std::shared_ptr<const sweep::Prepared>> firsts;
  for (const auto& run : sweep.runs)
    if (seen.insert(run->plan.arm).second) firsts.push_back(run);
  return firsts;
}

base::Json as_json(const Sweep& sweep, const Cost& cost, int threads) {
  base::Json out = base::Json::object();
  out["experiment"] = sweep.spec.experiment;
  out["threads"] = threads;
  base::Json runs = base::Json::array();
  for (const auto& run : sweep.runs) {
    base::Json settings = base::Json::object();
    for (const auto& [path, value] : run->plan.settings) settings[path] = value;
    runs.push_back({{"run_id", run->run_id},
                    {"arm", run->plan.arm},
                    {"settings", settings},
                    {"replicate", run->plan.replicate},
                    {"state", exists(*run) ? "finished" : "planned"},
                    {"file", run->file.string()}});
  }
  out["runs"] = std::move(runs);
  base::Json arms = base::Json::array();
  for (const auto& run : one_per_arm(sweep)) {
    base::Json tensors = base::Json::array();
    for (const init::Assignment& a : run->assignments(*sweep.catalog))
      tensors.push_back({{"name", a.parameter->name},
                         {"role", params::to_text(a.parameter->role)},
                         {"shape", a.parameter->shape},
                         {"strategy", a.entry->strategy->id},
                         {"rule", a.rule == nullptr ? "default" : a.rule->text},
                         {"place", a.rule == nullptr ? "" : a.rule->place},
                         {"missing", a.missing}});
    arms.push_back({{"arm", run->plan.arm}, {"tensors", std::move(tensors)}});
  }
  out["arms"] = std::move(arms);
  out["cost_per_run"] = {{"steps", cost.steps},
                         {"tokens", cost.tokens},
                         {"flops", cost.flops},
                         {"seconds", cost.seconds},
                         {"parameter_mib", cost.mebibytes}};
  return out;
}

void print(const Sweep& sweep, const Cost& cost, int threads) {
  std::vector<std::vector<std::string>> rows = {{"run", "arm", "settings", "replicate", "state"}};
  std::size_t done = 0;
  for (const auto& run : sweep.runs) {
    const bool finished = exists(*run);
    done += finished ? 1 : 0;
    rows.push_back({run->run_id.substr(0, 10), run->plan.arm, settings_text(run->plan),
                    std::to_string(run->plan.replicate), finished ? "exists" : "to run"});
  }
  std::cout << "experiment " << sweep.spec.experiment << ": " << sweep.runs.size() << " runs, " << done << " exist, "
            << sweep.runs.size() - done << " to run\n\n"
            << report::align(rows, {false, false, false, true, false}) << "\n";
  for (const auto& run : one_per_arm(sweep)) {
    std::vector<std::vector<std::string>> tensors = {{"tensor", "shape", "strategy", "decided by"}};
    for (const init::Assignment& a : run->assignments(*sweep.catalog))
      tensors.push_back({a.parameter->name, shape_text(a.parameter->shape), a.entry->strategy->id, rule_text(a)});
    std::cout << "arm " << run->plan.arm << "\n" << report::align(tensors, {false, false, false, false}) << "\n";
  }
  const sweep::Prepared& first = *sweep.runs.front();
  if (first.promise) {
    std::cout << "checkpoint: made by " << first.promise->run->plan.spec_path << " (run "
              << first.promise->run->run_id.substr(0, 10) << ", "
              << (exists(*first.promise->run) ? "exists" : "to run first") << ")\n";
  } else if (first.checkpoint) {
    std::vector<std::string> names;
    for (const params::Parameter& p : first.table->all()) names.push_back(p.name);
    const std::vector<std::string> unused = first.checkpoint->unused(names);
    std::cout << "checkpoint: " << first.checkpoint->folder().string() << "\n";
    if (!unused.empty())
      std::cout << "tensors of the checkpoint that the model has no place for: " << base::join(unused, ", ") << "\n";
  }
  std::cout << "cost of one run (" << first.plan.arm << "), from a few timed steps with " << threads << " thread"
            << (threads == 1 ? "" : "s") << ":\n  " << cost.steps << " steps, " << base::fixed(cost.tokens / 1e3, 0)
            << " thousand tokens, " << base::fixed(cost.flops / 1e12, 2) << " TFLOP, about "
            << duration_text(cost.seconds) << " without evaluations; " << base::fixed(cost.mebibytes, 0)
            << " MiB for weights, gradients and moments\n  all that is to run: about "
            << duration_text(cost.seconds * static_cast<double>(sweep.runs.size() - done)) << " of one worker\n";
}

void declare(po::options_description& options, po::positional_options_description& positional) {
  declare_spec_options(options, positional);
  options.add_options()("json", po::bool_switch(), "the plan as JSON");
}

int run(const po::variables_map& values, const Context& context) {
  const Sweep sweep = open_sweep(values, context);
  std::optional<int> wanted;
  if (values.count("threads") != 0) wanted = values["threads"].as<int>();
  const sweep::Prepared& first = *sweep.runs.front();
  const int threads = sweep::planned_threads(first.file.parent_path(), wanted, hardware_threads(first));
  const Cost cost = cost_of(first, threads);
  if (values["json"].as<bool>()) {
    std::cout << base::json_pretty(as_json(sweep, cost, threads)) << "\n";
  } else {
    print(sweep, cost, threads);
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
