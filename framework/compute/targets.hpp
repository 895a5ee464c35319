// The instruction sets that the kernels are built for, and which of them is in use. The program picks the best that the
// CPU has; tests and ablations choose another.
#pragma once

#include <string>
#include <vector>

namespace initlab::compute {

struct Target {
  std::string name;        // Highway's, e.g. "AVX3" for AVX-512
  bool supported = false;  // by this CPU
};

// All that the kernels are built for, the best first.
std::vector<Target> targets();
std::string target();  // in use
// Uses this one from now on, or the best where the name is empty. False, and no change, where the CPU lacks it. Not for
// use while kernels run.
bool use_target(const std::string& name);

// The best of them, or with `vector` false the plainest: one number at a time.
void use_vector_kernels(bool vector);

}  // namespace initlab::compute
