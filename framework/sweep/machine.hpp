// What the numbers were computed on and with: CPU, build, library versions. For birth certificates.
#pragma once

#include <string>

#include "config/config.hpp"

namespace initlab::sweep {

std::string
cpu_description();  // "AMD EPYC ...; avx2 fma avx512f avx512_bf16": model and the features that decide kernels
std::string build_description();  // "initlab 0.1.0 (git abc1234), GNU 12.2.0, Release"
std::string library_versions();   // JSON object: library -> version
int cores();                      // this process may use
std::string utc_now();            // "2026-01-31T12:00:00Z"

// Throws Error where this CPU cannot do what the training asks for.
void require_precision(const config::TrainingConfig& training);

}  // namespace initlab::sweep
