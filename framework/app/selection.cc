#include "app/selection.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <set>

#include "compare/tuning.hpp"

namespace initlab::app {

std::vector<record::Run> without_makers(std::vector<record::Run> runs) {
  std::set<std::string> makers;
  for (const record::Run& run : runs)
    if (!run.header.checkpoint_run.empty()) makers.insert(run.header.checkpoint_run);
  std::erase_if(runs, [&](const record::Run& run) { return makers.count(run.header.run_id) != 0; });
  return runs;
}

std::vector<record::Run> without_tuning(std::vector<record::Run> runs) {
  std::erase_if(runs, [](const record::Run& run) { return run.header.role == record::kTuningRole; });
  const auto tried = [](const record::Run& run) {
    const auto tuning = compare::tuning_of(run);
    return tuning ? tuning->trials.size() : 0;
  };
  const auto cell = [](const record::Run& run) {
    const record::RunHeader& header = run.header;
    return header.experiment + "\n" + header.arm + "\n" + header.settings + "\n" + std::to_string(header.replicate);
  };
  std::map<std::string, std::size_t> most;
  for (const record::Run& run : runs) most[cell(run)] = std::max(most[cell(run)], tried(run));
  const auto old = [&](const record::Run& run) { return tried(run) > 0 && tried(run) < most[cell(run)]; };
  if (const std::size_t left_out = std::erase_if(runs, old); left_out > 0)
    spdlog::info("left out: {} runs whose learning rate was chosen from fewer rates than later", left_out);
  return runs;
}

std::map<std::string, std::vector<record::Run>> by_experiment(std::vector<record::Run> runs) {
  std::map<std::string, std::vector<record::Run>> groups;
  for (record::Run& run : runs) groups[run.header.experiment].push_back(std::move(run));
  return groups;
}

}  // namespace initlab::app
