// Where a task's text comes from: files, or the microworld. Everything before tokenization, and the hash of it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "data/table.hpp"

namespace initlab::data {

inline constexpr std::int64_t kMicroworldTrain = 4096;  // generated examples of a labelled task
inline constexpr std::int64_t kMicroworldDev = 500;

// A task's text: rows in the file's order, or, for mlm on files, whole files that are yet to be cut.
struct Source {
  std::vector<Row> train, eval;
  std::vector<std::string> files;
  std::string sha256;  // of the content, never of paths
};

// The whole training split: train_size is not looked at. Throws Error where a file is missing, or at a bad row.
Source read_source(const config::TaskConfig& task);

}  // namespace initlab::data
