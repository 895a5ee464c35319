// How a run goes on where it was stopped: the trainer's state in files beside the run file, and the records so far in
// the run file itself.
//
// A state is one safetensors file, <run>.state-<step>.safetensors: the flat blocks of values and of both moments, and
// as metadata what they belong to. It gets its name when its bytes are on the disk; the last two are kept, so that one
// is whole whenever the process is killed. Random streams are counters and need no state.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "record/record.hpp"
#include "sweep/prepare.hpp"
#include "train/trainer.hpp"

namespace initlab::sweep {

// On what a run computes: another kind gives other bits.
struct Machine {
  std::string cpu;  // cpu_description()
  int threads = 1;
};
Machine this_machine(int threads);

struct SavedState {
  std::filesystem::path file;
  train::Position position;
  Machine machine;
  std::string sha256;  // of the blocks
};

// The whole state files of this run, the furthest first. Only headers are read; damaged ones and those of another run
// are left out.
std::vector<SavedState> saved_states(const std::filesystem::path& run_file, const std::string& run_id);

// Writes a state and removes all but the last two. Throws Error.
void save_state(const std::filesystem::path& run_file, const std::string& run_id, const train::Position& position,
                const Machine& machine, const train::State& state);

// Reads the blocks. Throws Error where the file has another size; the blocks are undefined then.
void load_state(const SavedState& saved, const train::State& state);

// Removes a run's state files, and what a killed process left half-written of them and of the run file.
void remove_states(const std::filesystem::path& run_file);
void remove_leftovers(const std::filesystem::path& run_file);

// Where a run goes on: its furthest whole state whose records so far are in the run file. Nothing: it begins anew.
struct Continuation {
  SavedState saved;
  record::Run past;  // records up to the position, and the header of the first start
};
std::optional<Continuation> find_continuation(const Prepared& prepared);

// Runs of one folder that are done, and were killed before they could remove their states.
void remove_states_of(const std::vector<std::shared_ptr<const Prepared>>& done);

// Runs of one folder. Throws Error where an interrupted run among these was computed on another kind of CPU or with
// other threads.
void check_same_machine(const std::vector<std::shared_ptr<const Prepared>>& runs, const Machine& machine);

}  // namespace initlab::sweep
