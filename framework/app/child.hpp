// Measurements in processes of their own: fresh memory, threads and kernels, and a parent that never computes.
#pragma once

#include <functional>
#include <vector>

#include "base/json.hpp"

namespace initlab::app {

// The JSON that each work returns, all of them at the same time, each in its own process. A complaint of one is thrown
// here, as std::runtime_error.
std::vector<base::Json> in_children(const std::vector<std::function<base::Json()>>& works);
base::Json in_a_child(const std::function<base::Json()>& work);

}  // namespace initlab::app
