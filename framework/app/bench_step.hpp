// What `initlab bench` times: a training step as `run` makes it, from the weights of a spec's first arm, and oneDNN's
// largest rate beside it.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "app/allocations.hpp"
#include "base/json.hpp"
#include "compute/element.hpp"
#include "compute/phases.hpp"
#include "init/init.hpp"
#include "sweep/prepare.hpp"

namespace initlab::app {

// A run ready to be made, whose sequences are random ids, `training.max_length` long each: no data are read, and the
// task gives the head alone. The vocabulary has the size of BERT's. Throws base::Error where the shape is impossible.
sweep::Prepared prepare_synthetic(const config::RunPlan& plan, const init::Catalog& catalog);

struct BenchPlan {
  std::int64_t steps = 30;  // timed
  std::int64_t warmup = 5;  // before them
  int threads = 1;
};

// What a step took beside time.
struct Taken {
  double allocations = 0, onednn_allocations = 0;  // calls
  double page_faults = 0;                          // minor ones
};

struct Measured {
  std::vector<double> seconds, losses;            // of each step
  std::vector<Taken> taken;                       // of each step
  std::int64_t tokens = 0, sequences = 0;         // of all timed steps; valid tokens
  double flops = 0;                               // that the losses of the timed steps need: model::training_flops
  std::vector<double> gflops;                     // of each step: those over its seconds, in 10^9 a second
  double matmul_gflops = 0;                       // median rate of 2048^3 products before and after the steps
  std::array<double, compute::kPhases> phases{};  // seconds of all timed steps
  double peak_rss_mib = 0;                        // of the process, until the last step

  // The median step's: a step that meets a number of rows for the first time builds kernels, which a run does a few
  // times and forgets.
  Taken typical() const;
  double total_seconds() const;
  double share_of_matmul() const;  // the median step's
};

// The value that this share of the values stays below; linear between neighbours. share in [0, 1]; not empty.
double quantile(std::vector<double> values, double share);

// What enters the run's matrix products.
compute::Element products_of(const sweep::Prepared& run);

// Rates of some 2048^3 products by oneDNN, operands and result stored as `element`, in 10^9 operations a second. Call
// after compute::set_threads.
std::vector<double> matmul_gflops(compute::Element element);

// Trains: warm-up steps 0 .. warmup-1, then the timed ones, all at the peak rate. compute::set_threads comes before.
// `matmuls`: what matmul_gflops() said before. Throws base::Error where initialization fails or a loss is not
// finite.
Measured measure_steps(const sweep::Prepared& run, const init::Catalog& catalog, const BenchPlan& plan,
                       std::vector<double> matmuls);

// The batches of the timed steps, for a program that is to be compared; docs/CLI.md has the keys.
base::Json batches_json(const std::string& workload, const sweep::Prepared& run, const BenchPlan& plan);

}  // namespace initlab::app
