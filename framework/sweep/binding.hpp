// Cores of their own for workers, where `run --bind` asks for it. Bits do not depend on it.
#pragma once

#include <string>
#include <vector>

namespace initlab::sweep {

// The cores that this process may use (taskset, a container or a scheduler may have left it few), one hardware thread
// of each physical core before the second ones.
std::vector<int> available_cores();

// `threads` cores for each of `jobs` workers, in their order. Throws Error (command line) where they are too few.
std::vector<std::vector<int>> share_out(const std::vector<int>& cores, int jobs, int threads);

// Binds this process and the threads that it starts from now on. Throws Error where the system refuses.
void bind_to(const std::vector<int>& cores);

// "0,2"; "" for none.
std::string to_text(const std::vector<int>& cores);

}  // namespace initlab::sweep
