// A run's initial values: its rules applied, and calibrated on its own training batches where a strategy asks for it.
// Whoever needs the values that a run starts from (execute, audit, inspect) gets them here.
#pragma once

#include <span>
#include <vector>

#include "init/init.hpp"
#include "sweep/prepare.hpp"

namespace initlab::sweep {

// Fills `values` (flat block laid out by run.table) and reports every tensor. A strategy that calibrates sees the first
// batches of the run's training order, dropout off, in f32; threads must be set before then (compute::set_threads),
// since another count may give other bits. Throws Error as init::apply does.
std::vector<record::InitRecord> initialize(const Prepared& run, const init::Catalog& catalog, std::span<float> values);

}  // namespace initlab::sweep
