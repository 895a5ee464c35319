// Runs picked and set apart by what their files say of them: `--where KEY=VALUE`, `--by KEY`.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/json.hpp"
#include "record/record.hpp"

namespace initlab::compare {

// What a run says of a key, in this order: a grid axis by its path or, where only one has it, by the path's last part
// ("train_size"); experiment, arm, replicate, task, state, cpu, threads, build, checkpoint, data, started; a path of
// the resolved plan ("training.batch"). Nothing where it has none of these.
std::optional<base::Json> value_of(const record::Run& run, const std::string& key);

// The runs for which every key has the value; numbers are compared as numbers, all else as text. Throws Error for a key
// that no run has, and where nothing is left, with the values that there are.
std::vector<record::Run> where(std::vector<record::Run> runs,
                               std::span<const std::pair<std::string, std::string>> conditions);

// The name under which `by` leaves the key among the settings: the grid path that it is short for, or the key.
std::string axis_of(std::span<const record::Run> runs, const std::string& key);

// The key becomes part of each run's grid point, so that runs of one value are compared with each other. A key that is
// an axis already changes nothing. Throws Error for arm, replicate and started, which tell runs of one design apart,
// and for a key that a run lacks.
void set_apart(std::vector<record::Run>& runs, const std::string& key);

}  // namespace initlab::compare
