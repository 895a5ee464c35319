#include "app/jobs.hpp"

#include <algorithm>
#include <functional>
#include <numeric>
#include <vector>

#include "app/child.hpp"
#include "base/error.hpp"
#include "base/text.hpp"
#include "compute/threads.hpp"
#include "model/bert.hpp"
#include "sweep/execute.hpp"
#include "sweep/folder.hpp"
#include "sweep/machine.hpp"
#include "train/trainer.hpp"

namespace initlab::app {
namespace {

constexpr double kSeconds = 1.0;   // that steps are timed for
constexpr std::int64_t kWarm = 2;  // steps before
constexpr std::int64_t kLeast = 3;
constexpr std::int64_t kBatches = 16;  // that are trained on, over and over: memory is booked for these

// Valid tokens a second of one process with so many threads, from arbitrary weights, on which the cost does not depend.
double tokens_per_second(const sweep::Prepared& run, int threads) {
  const data::BatchStream batches = run.batches(kBatches);
  compute::set_threads(threads);
  const std::unique_ptr<model::Bert> made = sweep::make_model(run, batches);
  model::Bert& bert = *made;
  std::ranges::fill(bert.values(), 0.01f);
  train::Trainer trainer(run.plan.training, run.plan.seeds, batches, bert);
  double tokens = 0, seconds = 0;
  for (std::int64_t i = 0; seconds < kSeconds || i < kWarm + kLeast; ++i) {
    const record::StepRecord& record = trainer.step(i % kBatches, 0.0);
    if (i < kWarm) continue;
    tokens += static_cast<double>(record.tokens);
    seconds += record.seconds;
  }
  return tokens / seconds;
}

// Of `jobs` processes together, at the same time.
double throughput(const sweep::Prepared& run, int jobs, int threads) {
  const std::vector<std::function<base::Json()>> works(static_cast<std::size_t>(jobs),
                                                       [&] { return base::Json(tokens_per_second(run, threads)); });
  const std::vector<base::Json> rates = in_children(works);
  return std::accumulate(rates.begin(), rates.end(), 0.0,
                         [](double sum, const base::Json& rate) { return sum + rate.get<double>(); });
}

std::string rate_text(int jobs, int threads, double rate) {
  return std::to_string(jobs) + " x " + std::to_string(threads) + " thread" + (threads == 1 ? "" : "s") + ": " +
         base::fixed(rate, 0) + " tokens/s";
}

Sharing measured(const sweep::Prepared& run) {
  const int cores = sweep::cores();
  if (cores == 1) return {.threads = 1, .jobs = 1, .reason = "one core: one run at a time"};
  const double apart = throughput(run, cores, 1), together = throughput(run, 1, cores);
  Sharing sharing = apart >= together ? Sharing{1, cores, {}} : Sharing{cores, 1, {}};
  sharing.reason = "--jobs auto: " + rate_text(cores, 1, apart) + "; " + rate_text(1, cores, together);
  return sharing;
}

// Nothing for "auto".
std::optional<int> jobs_wanted(const po::variables_map& values) {
  const std::string text = values["jobs"].as<std::string>();
  if (text == "auto") return std::nullopt;
  const auto n = base::to_integer(text);
  if (!n || *n < 1 || *n > 4096)
    throw base::Error({"command line", "--jobs", "an integer from 1 to 4096, or auto", base::quote(text), ""});
  return static_cast<int>(*n);
}

}  // namespace

Sharing share_cores(const po::variables_map& values, const sweep::Prepared& run) {
  const std::filesystem::path folder = run.file.parent_path();
  const std::optional<int> wanted = count_option(values, "threads");
  const bool has_jobs = values.count("jobs") != 0;
  const std::optional<int> jobs = has_jobs ? jobs_wanted(values) : std::nullopt;
  if (has_jobs && !jobs && !wanted && !sweep::has_fixed_threads(folder)) return measured(run);
  Sharing sharing;
  sharing.threads = sweep::planned_threads(folder, wanted, hardware_threads(run));
  sharing.jobs = jobs.value_or(std::max(1, sweep::cores() / sharing.threads));
  if (has_jobs && !jobs)
    sharing.reason = "--jobs auto: threads are fixed at " + std::to_string(sharing.threads) + ", by " +
                     (wanted ? "--threads" : folder.string());
  return sharing;
}

}  // namespace initlab::app
