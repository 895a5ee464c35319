// One HDF5 file a run. The schema is docs/RUN_FILE.md; this is the only room that knows HDF5.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "record/record.hpp"

namespace initlab::log {

inline constexpr int kSchema = 1;

// What a run has recorded before it goes on.
struct Past {
  std::span<const record::StepRecord> steps;
  std::span<const record::EvalRecord> evals;
  record::Diagnosis diagnostics = {};
};

// Writes a run. All data sets, fixed-length strings and `state` are created under a temporary name; the file gets its
// own name once SWMR writing is on. Flushed at each evaluation and every few seconds. Object times are not tracked, so
// that equal runs give equal files but for times. Throws Error (path) where the file cannot be written.
class RunWriter : public record::RunSink {
 public:
  explicit RunWriter(std::filesystem::path file);
  ~RunWriter() override;  // a writer that was not finished leaves state "running"
  void begin(const record::RunHeader& header, const std::vector<record::InitRecord>& init) override;
  // Of a run that goes on: its records so far stand in the new file before that takes the old one's place.
  void begin(const record::RunHeader& header, const std::vector<record::InitRecord>& init, const Past& past);
  void step(const record::StepRecord& step) override;
  void diagnose(const record::Diagnosis& diagnosis) override;
  void eval(const record::EvalRecord& eval) override;
  void flush();  // hands all records so far to the operating system
  void finish(record::State state, const std::string& reason) override;

 private:
  struct Impl;
  void abandon();
  template <class Work>
  void guarded(Work&& work);
  std::unique_ptr<Impl> impl_;
};

// A whole run file of a schema that this program does not know yet: nothing may take its place.
class NewerSchema : public base::Error {
 public:
  using Error::Error;
};

// summary leaves EvalRecord::predictions and StepRecord::examples empty, predictions the latter.
enum class Detail { summary, predictions, all };

// Reads a run file, also one that another process is writing (SWMR). Throws Error: not HDF5, not a run file, another
// schema (NewerSchema), a data set that is missing or has another type. Sizes are checked before memory is taken.
record::Run read_run(const std::filesystem::path& file, Detail detail = Detail::summary);

// State, reason and the header's attributes alone; the rest is empty.
record::Run read_header(const std::filesystem::path& file);

// What a file breaks of docs/RUN_FILE.md, a sentence each; empty: nothing. Beyond what read_run refuses: the identity
// is the hash of the plan, steps count up from 1, evaluations rise and are within the steps, a finished run was
// evaluated at its end.
std::vector<std::string> verify(const std::filesystem::path& file);

// Replaces a file that its writer left open ("running", and nobody writes) by a copy of all whole rows that opens
// plainly, state "interrupted". Throws Error where it cannot be read or written; the file is then as it was.
void recover(const std::filesystem::path& file);

// Only attributes, `state` and `reason`: cheap, for "has this run been done?".
struct RunStatus {
  std::string run_id;
  record::State state = record::State::running;
  std::string reason;
  bool left_open = false;  // somebody writes it, or was killed, be it after its state was written: no plain open
};
RunStatus read_status(const std::filesystem::path& file);

// Version of the library in use, e.g. "1.10.8".
std::string hdf5_version();

}  // namespace initlab::log
