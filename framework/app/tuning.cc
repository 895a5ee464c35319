#include "app/tuning.hpp"

#include "base/error.hpp"
#include "compare/tuning.hpp"
#include "log/run_file.hpp"
#include "sweep/execute.hpp"

namespace initlab::app {
namespace {

using Runs = std::vector<std::shared_ptr<const sweep::Prepared>>;

// The arm and the grid point that a run belongs to; of a tuning run's settings, the last is the rate it tries.
std::string cell_of(const config::RunPlan& plan) {
  base::Json settings = base::Json::array();
  for (const auto& [path, value] : plan.settings) settings.push_back({path, value});
  if (plan.role == config::Role::tuning) settings.erase(settings.size() - 1);
  return plan.arm + " " + base::json_text(settings);
}

// Nothing where one of the runs has not ended.
std::optional<compare::Tuning> choice_of(const Runs& runs) {
  std::vector<record::Run> records;
  for (const auto& run : runs) {
    if (!is_done(*run)) return std::nullopt;
    records.push_back(log::read_run(run->file));
  }
  record::RunHeader wanted;
  sweep::describe_comparison(*runs.front(), wanted);
  return compare::choose(records, wanted.metric, wanted.better, runs.front()->plan.tune->share);
}

}  // namespace

void choose_rates(Sweep& sweep) {
  std::map<std::string, Runs> cells;
  for (const auto& run : sweep.tuning) cells[cell_of(run->plan)].push_back(run);
  std::map<std::string, std::optional<compare::Tuning>> choices;
  for (const auto& [cell, runs] : cells) choices[cell] = choice_of(runs);
  for (auto& run : sweep.runs) {
    if (!run->plan.awaits_tuning()) continue;
    const std::optional<compare::Tuning>& choice = choices[cell_of(run->plan)];
    if (!choice) continue;
    config::RunPlan plan = run->plan;
    plan.training.optimizer.learning_rate = choice->learning_rate;
    plan.tuned = compare::to_json(*choice);
    run = sweep.workshop->prepare(plan);
  }
}

}  // namespace initlab::app
