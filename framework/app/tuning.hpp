// Learning rates that a spec leaves to tuning runs: which arms have theirs, and what a run is with it.
#pragma once

#include "app/common.hpp"

namespace initlab::app {

// Gives every arm whose tuning runs have all ended its learning rate, and prepares its runs with it. The others stay as
// they are: config::RunPlan::awaits_tuning.
void choose_rates(Sweep& sweep);

}  // namespace initlab::app
