// The results folder: <results>/<experiment>/ holds one HDF5 file a run, folder.json with what is fixed for all of
// them, and planned.txt with their names.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "sweep/claim.hpp"

namespace initlab::sweep {

// "[tuning,]<arm>[,key=value...],r<replicate>-<first 10 digits of the run id>.h5"
std::string run_file_name(const config::RunPlan& plan, const std::string& run_id);

// Weights kept beside a run file: "<name>.initial", "<name>.final", in Hugging Face form.
std::filesystem::path weights_folder(const std::filesystem::path& run_file, const std::string& which);

// True where the file is whole and holds a finished run with this identity, and the weights to keep stand beside it; of
// a tuning run also where it diverged, since that is its answer and would be again. Reads the file, since one whose
// last part is damaged has to be run again. Throws log::NewerSchema for a file that nothing may replace.
bool is_done(const std::filesystem::path& run_file, const std::string& run_id, const config::RunPlan& plan);

// Threads a run of this folder: fixed once, by the first `run`, since another count may give other bits. `wanted` is
// --threads, `otherwise` what a new folder gets without it. Throws Error where the folder was fixed to another count.
int planned_threads(const std::filesystem::path& folder, std::optional<int> wanted, int otherwise);

// Whether a `run` has fixed them.
bool has_fixed_threads(const std::filesystem::path& folder);

// Writes folder.json where there is none; of several processes at once, one is the first.
void fix_threads(const std::filesystem::path& folder, int threads);

inline constexpr const char* kFolderFile = "folder.json";
// Names of the run files that a `run` has planned, a line each.
inline constexpr const char* kPlannedFile = "planned.txt";

// Adds names that are not listed yet.
void note_planned(const std::filesystem::path& folder, const std::vector<std::string>& names);

// killed: the file says "running", or was not closed after its last words, and no live process has the run.
enum class RunState { planned, running, finished, failed, interrupted, killed, unreadable };
const char* to_text(RunState state);

struct RunOnDisk {
  std::string name;  // of its file
  RunState state = RunState::planned;
  std::string reason;          // why it failed or stopped, or cannot be read
  std::optional<Owner> owner;  // of one that is running
};
// All runs that are planned in a folder or have a file there, by name.
std::vector<RunOnDisk> runs_on_disk(const std::filesystem::path& folder);

}  // namespace initlab::sweep
