// Which of the runs found below a folder a comparison or a report speaks of, and how they fall into experiments.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "record/record.hpp"

namespace initlab::app {

// Runs that only made a checkpoint for others of the set are no arms of a comparison.
std::vector<record::Run> without_makers(std::vector<record::Run> runs);

// Tuning runs choose a learning rate and are no values of their arms. Nor is a run whose rate was chosen before others
// were tried, where the same replicate was run again with a later choice.
std::vector<record::Run> without_tuning(std::vector<record::Run> runs);

std::map<std::string, std::vector<record::Run>> by_experiment(std::vector<record::Run> runs);

}  // namespace initlab::app
