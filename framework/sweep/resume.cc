#include "sweep/resume.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "base/error.hpp"
#include "base/hash.hpp"
#include "base/text.hpp"
#include "checkpoint/checkpoint.hpp"
#include "log/run_file.hpp"
#include "sweep/machine.hpp"

namespace initlab::sweep {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kKept = 2;
constexpr const char* kFormat = "initlab-state-1";
constexpr const char* kBlocks[] = {"values", "first_moments", "second_moments"};
constexpr std::string_view kMark = ".state-";
constexpr std::string_view kSuffix = ".safetensors";
constexpr std::string_view kTemporary = ".tmp-";

std::span<float> block(const train::State& state, std::size_t i) {
  return i == 0 ? state.values : i == 1 ? state.first_moments : state.second_moments;
}

// Names of the run's own files begin with this.
std::string stem(const fs::path& run_file) { return run_file.stem().string(); }
std::string state_prefix(const fs::path& run_file) { return stem(run_file) + std::string(kMark); }

fs::path state_file(const fs::path& run_file, std::int64_t step) {
  return run_file.parent_path() / (state_prefix(run_file) + std::to_string(step) + std::string(kSuffix));
}

// Files of the run's folder whose names begin so.
std::vector<fs::path> files_beginning(const fs::path& run_file, const std::string& prefix) {
  std::vector<fs::path> files;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(run_file.parent_path(), error))
    if (entry.path().filename().string().rfind(prefix, 0) == 0) files.push_back(entry.path());
  return files;
}

bool is_state(const fs::path& file) { return file.extension() == kSuffix; }

std::string hash(const train::State& state) {
  base::Sha256 hash;
  for (std::size_t i = 0; i < std::size(kBlocks); ++i) hash.add(block(state, i).data(), block(state, i).size_bytes());
  return hash.finish_hex();
}

// A renamed file is certain to be found after a power failure only when its folder is on the disk.
void sync_folder(const fs::path& folder) {
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  ::fsync(fd);
  ::close(fd);
}

std::optional<SavedState> read_header(const fs::path& file, const std::string& run_id) {
  try {
    const checkpoint::Metadata metadata = checkpoint::SafetensorsFile(file).metadata();
    const auto text = [&](const char* key) {
      const auto found = metadata.find(key);
      return found == metadata.end() ? std::string() : found->second;
    };
    const auto step = base::to_integer(text("step"));
    const auto evaluated = base::to_integer(text("evaluated"));
    const auto seconds = base::to_number(text("seconds"));
    const auto threads = base::to_integer(text("threads"));
    if (text("format") != kFormat || text("run_id") != run_id || !step || *step < 0 || !evaluated || !seconds ||
        !threads)
      return std::nullopt;
    return SavedState{file, {*step, *evaluated, *seconds}, {text("cpu"), static_cast<int>(*threads)}, text("sha256")};
  } catch (const base::Error&) {
    return std::nullopt;
  }
}

// Whether the blocks are those that were written.
bool is_whole(const SavedState& saved) {
  try {
    const checkpoint::SafetensorsFile file(saved.file);
    base::Sha256 hash;
    std::vector<char> chunk(std::size_t{1} << 20);
    for (const char* name : kBlocks) {
      const checkpoint::TensorInfo* const tensor = file.find(name);
      if (tensor == nullptr) return false;
      const std::uint64_t bytes = tensor->end - tensor->begin;
      for (std::uint64_t at = 0; at < bytes; at += chunk.size()) {
        const std::size_t n = std::min<std::uint64_t>(chunk.size(), bytes - at);
        file.read_bytes(*tensor, at, chunk.data(), n);
        hash.add(chunk.data(), n);
      }
    }
    return hash.finish_hex() == saved.sha256;
  } catch (const base::Error&) {
    return false;
  }
}

// Names, without the suffix, of the run files in a folder that have a state beside them.
std::set<std::string> stems_with_states(const fs::path& folder) {
  std::set<std::string> stems;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (const std::size_t at = name.rfind(kMark); at != std::string::npos) stems.insert(name.substr(0, at));
  }
  return stems;
}

// The records up to the position; nothing where the file lacks some.
bool cut(record::Run& run, const train::Position& position) {
  const auto steps = static_cast<std::size_t>(position.step);
  if (run.steps.size() < steps) return false;
  run.steps.resize(steps);
  const auto is_later = [&](const auto& diagnosis) { return diagnosis.step > position.step; };
  std::erase_if(run.diagnostics.parts, is_later);
  std::erase_if(run.diagnostics.layers, is_later);
  std::erase_if(run.evals, [&](const record::EvalRecord& eval) { return eval.step > position.evaluated; });
  return position.evaluated < 0 || (!run.evals.empty() && run.evals.back().step == position.evaluated);
}

}  // namespace

Machine this_machine(int threads) { return {cpu_description(), threads}; }

std::vector<SavedState> saved_states(const fs::path& run_file, const std::string& run_id) {
  std::vector<SavedState> states;
  for (const fs::path& file : files_beginning(run_file, state_prefix(run_file)))
    if (is_state(file))
      if (auto saved = read_header(file, run_id)) states.push_back(std::move(*saved));
  std::ranges::sort(states, std::ranges::greater(), [](const SavedState& saved) { return saved.position.step; });
  return states;
}

void save_state(const fs::path& run_file, const std::string& run_id, const train::Position& position,
                const Machine& machine, const train::State& state) {
  const checkpoint::Metadata metadata = {{"format", kFormat},
                                         {"run_id", run_id},
                                         {"step", std::to_string(position.step)},
                                         {"evaluated", std::to_string(position.evaluated)},
                                         {"seconds", base::number_text(position.seconds)},
                                         {"cpu", machine.cpu},
                                         {"threads", std::to_string(machine.threads)},
                                         {"sha256", hash(state)}};
  std::vector<checkpoint::NamedTensor> tensors;
  for (std::size_t i = 0; i < std::size(kBlocks); ++i)
    tensors.push_back({kBlocks[i], {std::ssize(block(state, i))}, block(state, i)});
  const fs::path file = state_file(run_file, position.step);
  const fs::path beside = file.string() + std::string(kTemporary) + std::to_string(::getpid());
  std::error_code error;
  fs::remove(beside, error);
  try {
    checkpoint::write_safetensors(beside, tensors, metadata);
  } catch (const base::Error&) {
    fs::remove(beside, error);
    throw;
  }
  fs::rename(beside, file, error);
  if (error) throw base::Error({file.string(), "cannot be written", "", error.message(), ""});
  sync_folder(file.parent_path());
  const std::vector<SavedState> states = saved_states(run_file, run_id);
  for (std::size_t i = kKept; i < states.size(); ++i) fs::remove(states[i].file, error);
}

void load_state(const SavedState& saved, const train::State& state) {
  const checkpoint::SafetensorsFile file(saved.file);
  for (std::size_t i = 0; i < std::size(kBlocks); ++i) {
    const checkpoint::TensorInfo* const tensor = file.find(kBlocks[i]);
    const std::span<float> values = block(state, i);
    if (tensor == nullptr || tensor->dtype != "F32" || checkpoint::element_count(*tensor) != values.size())
      throw base::Error({saved.file.string(), kBlocks[i], std::to_string(values.size()) + " F32 values",
                         "something else",
                         "remove the file; the run then goes on from an earlier state, or begins anew"});
    file.read_bytes(*tensor, 0, values.data(), values.size_bytes());
  }
}

void remove_states(const fs::path& run_file) {
  std::error_code ignored;
  for (const fs::path& file : files_beginning(run_file, state_prefix(run_file))) fs::remove(file, ignored);
}

void remove_leftovers(const fs::path& run_file) {
  std::error_code ignored;
  for (const fs::path& file : files_beginning(run_file, run_file.filename().string() + std::string(kTemporary)))
    fs::remove(file, ignored);
  for (const fs::path& file : files_beginning(run_file, state_prefix(run_file)))
    if (!is_state(file)) fs::remove(file, ignored);
}

std::optional<Continuation> find_continuation(const Prepared& prepared) {
  const std::vector<SavedState> states = saved_states(prepared.file, prepared.run_id);
  if (states.empty() || !fs::exists(prepared.file)) return std::nullopt;
  try {
    const record::Run run = log::read_run(prepared.file, log::Detail::all);
    if (run.header.run_id != prepared.run_id) return std::nullopt;
    for (const SavedState& saved : states) {
      Continuation next{saved, run};
      if (cut(next.past, saved.position) && is_whole(saved)) return next;
    }
  } catch (const base::Error&) {  // a damaged file: the run begins anew
  }
  return std::nullopt;
}

void check_same_machine(const std::vector<std::shared_ptr<const Prepared>>& runs, const Machine& machine) {
  if (runs.empty()) return;
  const std::set<std::string> stems = stems_with_states(runs.front()->file.parent_path());
  for (const auto& run : runs) {
    if (!stems.contains(stem(run->file))) continue;
    for (const SavedState& saved : saved_states(run->file, run->run_id))
      if (saved.machine.cpu != machine.cpu || saved.machine.threads != machine.threads)
        throw base::Error({saved.file.string(), "where the run was stopped",
                           saved.machine.cpu + ", threads: " + std::to_string(saved.machine.threads),
                           machine.cpu + ", threads: " + std::to_string(machine.threads),
                           "other bits would follow. Go on there, or with --allow-other-cpu, which the run file "
                           "records; or remove the state file, and the run begins anew"});
  }
}

void remove_states_of(const std::vector<std::shared_ptr<const Prepared>>& done) {
  if (done.empty()) return;
  const std::set<std::string> stems = stems_with_states(done.front()->file.parent_path());
  for (const auto& run : done)
    if (!run->plan.resume.keep && stems.contains(stem(run->file))) remove_states(run->file);
}

}  // namespace initlab::sweep
