// One file that shows a whole sweep: a table of its runs and an external link to each run file.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace initlab::log {

// Writes `index` with, for each run file: /runs/<name without .h5>, an external link to its root, relative to the
// index; and the columns /table/{run,file,experiment,arm,replicate,settings,state,run_id}. Runs that cannot be read are
// left out and returned. The file appears whole or not at all. Throws Error where it cannot be written.
std::vector<std::string> write_index(const std::filesystem::path& index,
                                     const std::vector<std::filesystem::path>& runs);

}  // namespace initlab::log
