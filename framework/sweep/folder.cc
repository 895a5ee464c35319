#include "sweep/folder.hpp"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/json.hpp"
#include "log/run_file.hpp"

namespace initlab::sweep {
namespace {

// Letters, digits and a few signs; the rest becomes '_'. Identity is in the id, so a clash of names is harmless.
std::string file_safe(const std::string& text) {
  std::string safe;
  for (const char c : text.substr(0, 60)) {
    const bool keep = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                      c == '_' || c == '.' || c == '=' || c == ',';
    safe += keep ? c : '_';
  }
  return safe;
}

std::optional<int> recorded_threads(const std::filesystem::path& folder) {
  const std::filesystem::path file = folder / kFolderFile;
  if (!std::filesystem::exists(file)) return std::nullopt;
  const base::Json content = base::parse_json(base::read_file(file, 1 << 16), file.string());
  if (!content.is_object() || !content.contains("threads") || !content["threads"].is_number_integer() ||
      content["threads"] < 1)
    throw base::Error({file.string(), "threads", "an integer of at least 1", base::json_text(content),
                       "delete the file to fix the folder's threads anew"});
  return content["threads"].get<int>();
}

std::set<std::string> planned(const std::filesystem::path& folder) {
  std::set<std::string> names;
  const std::filesystem::path file = folder / kPlannedFile;
  if (!std::filesystem::exists(file)) return names;
  std::istringstream lines(base::read_file(file, std::uint64_t{1} << 28));
  for (std::string line; std::getline(lines, line);)
    if (line.size() > 3 && line.ends_with(".h5") && line.find('/') == std::string::npos) names.insert(line);
  return names;
}

// The owner is asked first: a run that ends in between is then seen as ended.
RunOnDisk look_at(const std::filesystem::path& file) {
  RunOnDisk run{file.filename().string(), RunState::planned, "", owner_of(file)};
  if (run.owner) {
    run.state = RunState::running;
    return run;
  }
  if (!std::filesystem::exists(file)) return run;
  try {
    const log::RunStatus status = log::read_status(file);
    run.reason = status.reason;
    switch (status.left_open ? record::State::running : status.state) {
      case record::State::finished:
        run.state = RunState::finished;
        break;
      case record::State::failed:
        run.state = RunState::failed;
        break;
      case record::State::interrupted:
        run.state = RunState::interrupted;
        break;
      case record::State::running:
        run.state = RunState::killed;
        break;
    }
  } catch (const base::Error& error) {
    run.state = RunState::unreadable;
    run.reason = error.what();
  }
  return run;
}

// How the run with this identity ended; nothing where the file holds none. The whole file is read: a damaged one is run
// again, and the new file replaces it only when it is whole.
std::optional<record::State> state_of(const std::filesystem::path& run_file, const std::string& run_id) {
  if (!std::filesystem::exists(run_file)) return std::nullopt;
  try {
    const record::Run run = log::read_run(run_file);
    if (run.header.run_id != run_id) return std::nullopt;
    // Killed between its last words and the end of the file: it goes on from its last state, and is closed.
    return log::read_status(run_file).left_open ? record::State::running : run.state;
  } catch (const log::NewerSchema&) {
    throw;
  } catch (const base::Error&) {  // damaged: as if it were not there
  }
  return std::nullopt;
}

}  // namespace

std::string run_file_name(const config::RunPlan& plan, const std::string& run_id) {
  std::string name = (plan.role == config::Role::tuning ? "tuning," : "") + plan.arm;
  for (const auto& [path, value] : plan.settings) {
    const std::size_t dot = path.rfind('.');
    const std::string text = value.is_string() ? value.get<std::string>() : base::json_text(value);
    name.append(",").append(path, dot == std::string::npos ? 0 : dot + 1).append("=").append(text);
  }
  return file_safe(name) + ",r" + std::to_string(plan.replicate) + "-" + run_id.substr(0, 10) + ".h5";
}

std::filesystem::path weights_folder(const std::filesystem::path& run_file, const std::string& which) {
  std::filesystem::path folder = run_file;
  folder.replace_extension();  // ".h5"
  folder += "." + which;
  return folder;
}

bool is_done(const std::filesystem::path& run_file, const std::string& run_id, const config::RunPlan& plan) {
  const std::optional<record::State> state = state_of(run_file, run_id);
  if (plan.role == config::Role::tuning && state == record::State::failed) return true;
  if (state != record::State::finished) return false;
  const std::vector<std::string>& kept = plan.keep.weights;
  return std::all_of(kept.begin(), kept.end(), [&run_file](const std::string& which) {
    return std::filesystem::exists(weights_folder(run_file, which));
  });
}

int planned_threads(const std::filesystem::path& folder, std::optional<int> wanted, int otherwise) {
  const std::optional<int> fixed = recorded_threads(folder);
  if (fixed && wanted && *fixed != *wanted)
    throw base::Error({(folder / kFolderFile).string(), "threads",
                       std::to_string(*fixed) + ", fixed when this folder was made", std::to_string(*wanted),
                       "leave --threads out, or choose another --results folder"});
  return fixed ? *fixed : wanted.value_or(otherwise);
}

bool has_fixed_threads(const std::filesystem::path& folder) { return recorded_threads(folder).has_value(); }

// A hard link is made or refused as one: the first process decides for all.
void fix_threads(const std::filesystem::path& folder, int threads) {
  if (std::filesystem::exists(folder / kFolderFile)) return;
  base::Json content = base::Json::object();
  content["threads"] = threads;
  const std::filesystem::path beside = folder / (kFolderFile + std::string(".") + std::to_string(::getpid()));
  base::write_file(beside, base::json_pretty(content) + "\n");
  std::error_code error, ignored;
  std::filesystem::create_hard_link(beside, folder / kFolderFile, error);
  if (error && !std::filesystem::exists(folder / kFolderFile))
    std::filesystem::rename(beside, folder / kFolderFile, error);  // a file system without links
  std::filesystem::remove(beside, ignored);
}

void note_planned(const std::filesystem::path& folder, const std::vector<std::string>& names) {
  const std::set<std::string> listed = planned(folder);
  std::string lines;
  for (const std::string& name : names)
    if (!listed.contains(name)) lines += name + "\n";
  if (lines.empty()) return;
  std::ofstream file(folder / kPlannedFile, std::ios::app | std::ios::binary);
  file << lines << std::flush;  // two processes may list a run twice, which does no harm
  if (!file) throw base::Error({(folder / kPlannedFile).string(), "cannot be written", "", "", "check free space"});
}

const char* to_text(RunState state) {
  switch (state) {
    case RunState::planned:
      return "planned";
    case RunState::running:
      return "running";
    case RunState::finished:
      return "finished";
    case RunState::failed:
      return "failed";
    case RunState::interrupted:
      return "interrupted";
    case RunState::killed:
      return "killed";
    case RunState::unreadable:
      return "unreadable";
  }
  return "";
}

std::vector<RunOnDisk> runs_on_disk(const std::filesystem::path& folder) {
  std::set<std::string> names = planned(folder);
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().extension() == ".h5") names.insert(entry.path().filename().string());
  std::vector<RunOnDisk> runs;
  for (const std::string& name : names) runs.push_back(look_at(folder / name));
  return runs;
}

}  // namespace initlab::sweep
