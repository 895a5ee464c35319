// `initlab status`: what has become of the runs of a results folder, also while others work on them.
#include <filesystem>
#include <iostream>
#include <map>

#include "app/common.hpp"
#include "app/progress.hpp"
#include "base/error.hpp"
#include "base/text.hpp"
#include "report/report.hpp"
#include "sweep/folder.hpp"

namespace initlab::app {
namespace {

namespace fs = std::filesystem;
using sweep::RunState;

constexpr RunState kStates[] = {RunState::planned,     RunState::running, RunState::finished,  RunState::failed,
                                RunState::interrupted, RunState::killed,  RunState::unreadable};

bool is_experiment(const fs::path& folder) {
  std::error_code error;
  return fs::exists(folder / sweep::kFolderFile, error) || fs::exists(folder / sweep::kPlannedFile, error);
}

// Experiment folders at and below the paths, sorted.
std::vector<fs::path> experiments(const std::vector<std::string>& paths) {
  std::vector<fs::path> found;
  for (const std::string& path : paths) {
    if (!fs::is_directory(path))
      throw base::Error({path, "", "a results folder", "none", "initlab run SPEC makes one"});
    if (is_experiment(path)) found.emplace_back(path);
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(path))
      if (entry.is_directory() && is_experiment(entry.path())) found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  if (found.empty())
    throw base::Error({base::join(paths, " "), "", "a results folder with experiments", "none", "initlab run SPEC"});
  return found;
}

std::string counts_text(const std::vector<sweep::RunOnDisk>& runs) {
  std::map<RunState, std::size_t> counts;
  for (const sweep::RunOnDisk& run : runs) ++counts[run.state];
  std::string text = std::to_string(runs.size()) + " runs";
  for (const RunState state : kStates)
    if (counts[state] > 0) text += ", " + std::to_string(counts[state]) + " " + sweep::to_text(state);
  return text;
}

std::string detail(const sweep::RunOnDisk& run) {
  if (!run.owner) return run.reason;
  const train::Progress& progress = run.owner->progress;
  std::string text =
      run.owner->host + " process " + std::to_string(run.owner->pid) + ", step " + std::to_string(progress.step);
  if (progress.total > 0) text += "/" + std::to_string(progress.total);
  return text + ", loss " + base::fixed(progress.loss, 4) + ", " + duration_text(progress.seconds_left) + " left";
}

// A row for each run that is neither planned nor finished: those are counted.
void print(const fs::path& folder, const std::vector<sweep::RunOnDisk>& runs) {
  std::cout << folder.string() << ": " << counts_text(runs) << "\n";
  std::vector<std::vector<std::string>> rows;
  for (const sweep::RunOnDisk& run : runs)
    if (run.state != RunState::finished && run.state != RunState::planned)
      rows.push_back({"  " + run.name, sweep::to_text(run.state), detail(run)});
  std::cout << report::align(rows, {false, false, false});
}

base::Json to_json(const fs::path& folder, const std::vector<sweep::RunOnDisk>& runs) {
  base::Json out = {{"folder", folder.string()}, {"counts", base::Json::object()}, {"runs", base::Json::array()}};
  for (const RunState state : kStates) out["counts"][sweep::to_text(state)] = 0;
  for (const sweep::RunOnDisk& run : runs) {
    out["counts"][sweep::to_text(run.state)] = out["counts"][sweep::to_text(run.state)].get<int>() + 1;
    base::Json row = {{"run", run.name}, {"state", sweep::to_text(run.state)}, {"reason", run.reason}};
    if (run.owner)
      row["owner"] = {{"host", run.owner->host},
                      {"pid", run.owner->pid},
                      {"since", run.owner->since},
                      {"step", run.owner->progress.step},
                      {"total", run.owner->progress.total},
                      {"loss", run.owner->progress.loss},
                      {"tokens_per_second", run.owner->progress.tokens_per_second},
                      {"seconds_left", run.owner->progress.seconds_left}};
    out["runs"].push_back(std::move(row));
  }
  return out;
}

void declare(po::options_description& options, po::positional_options_description& positional) {
  options.add_options()("results", po::value<std::vector<std::string>>()->required(), "")  //
      ("json", po::bool_switch(), "print JSON instead of the table");
  positional.add("results", -1);
}

int run(const po::variables_map& values, const Context&) {
  base::Json all = base::Json::array();
  for (const fs::path& folder : experiments(values["results"].as<std::vector<std::string>>())) {
    const std::vector<sweep::RunOnDisk> runs = sweep::runs_on_disk(folder);
    if (values["json"].as<bool>())
      all.push_back(to_json(folder, runs));
    else
      print(folder, runs);
  }
  if (values["json"].as<bool>()) std::cout << base::json_pretty({{"experiments", all}}) << "\n";
  return kDone;
}

}  // namespace

const Verb kStatus = {"status",
                      "RESULTS... [--json]",
                      "what has become of the runs of a results folder",
                      "planned: no file yet. running: a live process has it, on this machine or another. finished, "
                      "failed, interrupted: as its\n"
                      "file says. killed: its process died; the next `run` goes on with it. unreadable: damaged; it is "
                      "run again.",
                      declare,
                      run};

}  // namespace initlab::app
