#include "app/cost.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <sstream>

#include "app/child.hpp"
#include "base/text.hpp"
#include "compute/threads.hpp"
#include "init/audit.hpp"
#include "model/bert.hpp"
#include "sweep/claim.hpp"
#include "sweep/execute.hpp"
#include "sweep/initialize.hpp"
#include "train/trainer.hpp"

namespace initlab::app {
namespace {

using Clock = std::chrono::steady_clock;
using Runs = std::vector<std::shared_ptr<const sweep::Prepared>>;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// --- what a run has to do
// -----------------------------------------------------------------------------------------------------------

// Every so many steps, and at the end.
std::int64_t evaluations_of(const config::TrainingConfig& training, std::int64_t steps) {
  const std::int64_t every = training.evaluate.every.value_or(0);
  if (every == 0 || steps == 0) return 1;
  return steps / every + (steps % every == 0 ? 0 : 1);
}

// Before the first step, and after those that train::is_diagnosed names.
std::int64_t diagnoses_of(const sweep::Prepared& run, std::int64_t steps) {
  if (run.plan.log.diagnostics == "off") return 0;
  std::int64_t count = 1;
  for (std::int64_t step = 1; step <= steps; step *= 2) ++count;
  return count + (steps > 0 && !train::is_diagnosed(steps, 0) ? 1 : 0);
}

// From a look at batches all over the run; no seconds yet.
Cost work_of(const sweep::Prepared& run) {
  constexpr std::int64_t kSample = 64;
  const data::BatchStream batches = run.batches();
  Cost cost;
  cost.steps = train::total_steps(run.plan.training, batches.steps_per_epoch());
  cost.mebibytes = 4.0 * 4.0 * static_cast<double>(run.table->size()) / (1 << 20);
  const std::int64_t sample = std::min(cost.steps, kSample);
  for (std::int64_t i = 0; i < sample; ++i) {
    const batch::Batch batch = batches.train(i * cost.steps / sample);
    const double scale = static_cast<double>(cost.steps) / static_cast<double>(sample);
    cost.tokens += scale * static_cast<double>(batch.tokens());
    cost.flops += scale * model::training_flops(run.model, run.data->info.head, run.num_labels, batch);
  }
  double tokens = 0;
  for (std::int64_t i = 0; i < batches.eval_batches(); ++i) tokens += static_cast<double>(batches.eval(i).tokens());
  cost.eval_tokens = tokens * static_cast<double>(evaluations_of(run.plan.training, cost.steps));
  return cost;
}

// --- what that takes here
// -----------------------------------------------------------------------------------------------------------

struct Rates {
  double start = 0;  // s, of memory and kernels
  double per_flop = 0, per_eval_token = 0, per_diagnosis = 0;
  double peak_mebibytes = 0;
};

// MiB, of this process so far.
double peak_memory() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

// Until enough time has passed to tell, but of few steps where they are long.
constexpr double kSeconds = 0.5;
constexpr std::int64_t kFewest = 3, kMost = 64;

void time_steps(const sweep::Prepared& run, train::Trainer& trainer, Rates& rates) {
  const std::int64_t steps = std::max<std::int64_t>(
      1, train::total_steps(run.plan.training, data::steps_per_epoch(*run.data, run.plan.training.batch)));
  trainer.step(0, 0.0);  // whatever is still made once
  double flops = 0, seconds = 0;
  for (std::int64_t i = 0; i < kFewest || (seconds < kSeconds && i < kMost); ++i) {
    seconds += trainer.step(i % steps, 0.0).seconds;
    flops += model::training_flops(run.model, run.data->info.head, run.num_labels, trainer.batch());
  }
  rates.per_flop = seconds / flops;
}

void time_evaluation(const data::BatchStream& batches, model::Bert& bert, Rates& rates) {
  double tokens = 0, seconds = 0;
  for (std::int64_t i = 0; i < batches.eval_batches() && (i < kFewest || seconds < kSeconds / 2); ++i) {
    const batch::Batch batch = batches.eval(i);
    bert.forward(batch, {});  // makes the kernels for its shape
    const Clock::time_point start = Clock::now();
    bert.forward(batch, {});
    seconds += seconds_since(start);
    tokens += static_cast<double>(batch.tokens());
  }
  rates.per_eval_token = tokens > 0 ? seconds / tokens : 0;
}

void time_diagnosis(const sweep::Prepared& run, const data::BatchStream& batches, model::Bert& bert, Rates& rates) {
  const train::DiagnosticsSource source = sweep::diagnostics_source(run);
  train::Diagnostics diagnostics(source, bert.parameters(), batches, bert.values());
  diagnostics.begin();  // whatever is made once
  const Clock::time_point start = Clock::now();
  diagnostics.before(bert.values());
  diagnostics.gradient(bert.gradients());
  diagnostics.after(1, bert.values());
  rates.per_diagnosis = seconds_since(start);
}

// From arbitrary weights, on which the cost does not depend.
Rates measure(const sweep::Prepared& run, int threads) {
  Rates rates;
  compute::set_threads(threads);
  const Clock::time_point start = Clock::now();
  const data::BatchStream batches = run.batches(1);
  const std::unique_ptr<model::Bert> bert = sweep::make_model(run, batches);
  std::ranges::fill(bert->values(), 0.01f);
  train::Trainer trainer(run.plan.training, run.plan.seeds, batches, *bert);
  rates.start = seconds_since(start);
  time_steps(run, trainer, rates);
  time_evaluation(batches, *bert, rates);
  if (run.plan.log.diagnostics != "off") time_diagnosis(run, batches, *bert, rates);
  rates.peak_mebibytes = peak_memory();
  return rates;
}

// Filling, measuring and hashing the initial weights, as a run does before its first step.
double measure_initialization(const sweep::Prepared& run, const init::Catalog& catalog, int threads) {
  compute::set_threads(threads);
  const Clock::time_point start = Clock::now();
  std::vector<float> values(static_cast<std::size_t>(run.table->size()));
  std::vector<record::InitRecord> records = sweep::initialize(run, catalog, values);
  init::note_first_step(*run.table, values, records);
  return seconds_since(start);
}

base::Json to_json(const Rates& rates) {
  return {{"start", rates.start},
          {"per_flop", rates.per_flop},
          {"per_eval_token", rates.per_eval_token},
          {"per_diagnosis", rates.per_diagnosis},
          {"peak_mebibytes", rates.peak_mebibytes}};
}

Rates rates_of(const base::Json& json) {
  return {json["start"], json["per_flop"], json["per_eval_token"], json["per_diagnosis"], json["peak_mebibytes"]};
}

// The mean of processes that measure the same at the same time, as runs side by side hinder each other.
Rates measured_together(const sweep::Prepared& run, const Sharing& sharing, std::size_t runs) {
  const std::size_t processes = std::clamp<std::size_t>(runs, 1, static_cast<std::size_t>(sharing.jobs));
  const std::vector<std::function<base::Json()>> works(processes,
                                                       [&] { return to_json(measure(run, sharing.threads)); });
  Rates mean;
  const auto part = static_cast<double>(processes);
  for (const base::Json& json : in_children(works)) {
    const Rates one = rates_of(json);
    mean.start += one.start / part;
    mean.per_flop += one.per_flop / part;
    mean.per_eval_token += one.per_eval_token / part;
    mean.per_diagnosis += one.per_diagnosis / part;
    mean.peak_mebibytes = std::max(mean.peak_mebibytes, one.peak_mebibytes);
  }
  return mean;
}

// --- all of it
// -----------------------------------------------------------------------------------------------------------

// Runs that `run` makes side by side, before it goes on to the next ones.
struct Phase {
  Runs runs;
  Sharing sharing;
};

std::vector<Phase> phases_of(const Sweep& sweep, const po::variables_map& values) {
  std::vector<Phase> phases;
  for (const Runs& makers : makers_of(sweep.runs)) phases.push_back({makers, share_cores(values, *makers.front())});
  const Sharing own = share_cores(values, *sweep.runs.front());
  if (!sweep.tuning.empty()) phases.push_back({sweep.tuning, own});
  phases.push_back({sweep.runs, own});
  return phases;
}

// Seconds of any run of the sweep; what is alike is measured once.
class Estimator {
 public:
  explicit Estimator(const init::Catalog& catalog) : catalog_(catalog) {}

  const Cost& cost(const sweep::Prepared& run, const Phase& phase) {
    const auto [found, is_new] = costs_.try_emplace(kind_of(run));
    Cost& cost = found->second;
    if (!is_new) return cost;
    cost = work_of(run);
    const Rates& rates = rates_for(run, phase);
    cost.start = rates.start + initialization(run, phase.sharing.threads);
    cost.training = run.plan.training.seconds.value_or(rates.per_flop * cost.flops);
    cost.evaluations = rates.per_eval_token * cost.eval_tokens;
    cost.diagnostics = rates.per_diagnosis * static_cast<double>(diagnoses_of(run, cost.steps));
    return cost;
  }
  double peak_mebibytes(const sweep::Prepared& run) { return rates_.at(shape_of(run)).peak_mebibytes; }

 private:
  // Runs that take equally long: replicates, and grid points that differ in no number of steps or shape.
  static std::string kind_of(const sweep::Prepared& run) {
    std::ostringstream kind;
    kind << run.data.get() << run.table.get() << run.plan.arm << run.plan.experiment
         << base::json_text(config::to_json(run.plan.training)) << run.plan.log.diagnostics;
    return kind.str();
  }
  // Runs whose steps take equally long a FLOP.
  static std::string shape_of(const sweep::Prepared& run) {
    const config::TrainingConfig& training = run.plan.training;
    std::ostringstream shape;
    shape << run.table.get() << " " << run.data.get() << " " << training.batch << " " << training.accumulate << " "
          << training.precision << " " << base::join(training.without, ",") << " " << run.plan.log.diagnostics;
    return shape.str();
  }

  const Rates& rates_for(const sweep::Prepared& run, const Phase& phase) {
    const auto [found, is_new] = rates_.try_emplace(shape_of(run));
    if (is_new) found->second = measured_together(run, phase.sharing, phase.runs.size());
    return found->second;
  }

  // An arm whose checkpoint is still to be made is taken to start as slowly as the slowest that could be measured.
  double initialization(const sweep::Prepared& run, int threads) {
    std::ostringstream key;
    key << run.table.get() << " " << run.plan.experiment << " " << run.plan.arm;
    const auto [found, is_new] = initializations_.try_emplace(key.str(), slowest_initialization_);
    if (!is_new || (run.promise && !run.checkpoint && reads_checkpoint(run))) return found->second;
    found->second =
        in_a_child([&] { return base::Json(measure_initialization(run, catalog_, threads)); }).get<double>();
    slowest_initialization_ = std::max(slowest_initialization_, found->second);
    return found->second;
  }

  bool reads_checkpoint(const sweep::Prepared& run) const {
    return std::ranges::any_of(run.assignments(catalog_), init::reads_checkpoint);
  }

  const init::Catalog& catalog_;
  std::map<std::string, Cost> costs_;
  std::map<std::string, Rates> rates_;
  std::map<std::string, double> initializations_;
  double slowest_initialization_ = 0;
};

// Of runs one after another on so many workers, each taking the next as soon as it is free.
double wall_of(const std::vector<double>& seconds, int jobs) {
  std::vector<double> busy_until(static_cast<std::size_t>(jobs), 0.0);
  for (const double run : seconds) *std::ranges::min_element(busy_until) += run;
  return *std::ranges::max_element(busy_until);
}

}  // namespace

Costs costs_of(const Sweep& sweep, const Done& done, const po::variables_map& values) {
  Estimator estimator(*sweep.catalog);
  Costs costs;
  std::map<std::filesystem::path, std::map<std::string, double>> worked;  // by folder and run file
  const std::vector<Phase> phases = phases_of(sweep, values);
  for (const Phase& phase : phases) {
    std::vector<double> to_do;
    for (const auto& run : phase.runs) {
      const double seconds = estimator.cost(*run, phase).seconds();
      if (done.count(run.get()) == 0) {
        to_do.push_back(seconds);
        continue;
      }
      const std::filesystem::path folder = run->file.parent_path();
      if (worked.count(folder) == 0) worked[folder] = sweep::worked_seconds(folder);
      const auto known = worked[folder].find(run->file.filename().string());
      if (known == worked[folder].end()) continue;
      ++costs.measured.runs;
      costs.measured.seconds += known->second;
      costs.measured.estimated += seconds;
    }
    for (const double seconds : to_do) costs.all_seconds += seconds;
    costs.wall_seconds += wall_of(to_do, phase.sharing.jobs);
  }
  const Phase& own = phases.back();
  costs.sharing = own.sharing;
  costs.dearest =
      *std::ranges::max_element(own.runs, {}, [&](const auto& run) { return estimator.cost(*run, own).flops; });
  costs.one = estimator.cost(*costs.dearest, own);
  costs.peak_mebibytes = estimator.peak_mebibytes(*costs.dearest);
  return costs;
}

}  // namespace initlab::app
