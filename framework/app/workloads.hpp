// The named workloads of `initlab bench`: a table that one can open, each a spec.
#pragma once

#include <span>
#include <string>
#include <vector>

namespace initlab::app {

struct Workload {
  const char* name;
  const char* summary;
  const char* model;  // YAML of the spec's `model:`
  const char* task;   // YAML of the spec's `task:`
  const char* rule;   // of the one arm, YAML
  // The sequences are random ids, max_length long each; the spec's task gives the head and no data is read.
  bool synthetic;
  int steps, warmup;  // where the command line does not say
};

std::span<const Workload> workloads();
std::vector<std::string> workload_names();
const Workload* find_workload(const std::string& name);  // null: no such workload

// The spec that a workload is, as YAML: batch 32, at most 128 tokens, dropout 0.1, AdamW, clip 1, constant rate.
std::string spec_text(const Workload& workload);

}  // namespace initlab::app
