// One run, in this process: build the model, initialize it, train it, write its file.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "init/init.hpp"
#include "model/bert.hpp"
#include "sweep/prepare.hpp"
#include "train/trainer.hpp"

namespace initlab::sweep {

// The run's model, for batches of this stream, on the kernels that its spec asks for; values are zero. Threads must be
// set before (compute::set_threads). Throws Error as model::Bert does.
std::unique_ptr<model::Bert> make_model(const Prepared& prepared, const data::BatchStream& batches);

// What the run's diagnostics look at beside its training. Refers to `prepared`.
train::DiagnosticsSource diagnostics_source(const Prepared& prepared);

// How a run is made; goes into its birth certificate.
struct Setting {
  int threads = 1;
  std::string command;     // repeats the run
  std::vector<int> cores;  // that this process is bound to; empty: to none
};

// Threads must be set before (compute::set_threads).
// The run file appears when the run begins and is whole whatever ends it; kept weights are saved before it says
// "finished". A run that was stopped or killed goes on from its last state (resume.hpp), to the bits of one that never
// was. Throws Error where initialization fails or a file cannot be written.
train::Outcome execute(const Prepared& prepared, const init::Catalog& catalog, const Setting& setting,
                       const train::Hooks& hooks);

// How the spec wants its runs read: metric, better, threshold, at, baseline, gain; and how the learning rate
// was chosen. A file says what was so when it was run; it may be otherwise now, and the run is the same.
void describe_comparison(const Prepared& prepared, record::RunHeader& header);

// The birth certificate of a run.
record::RunHeader describe(const Prepared& prepared, const Setting& setting);

}  // namespace initlab::sweep
