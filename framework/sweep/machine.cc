#include "sweep/machine.hpp"

#include <sched.h>

#include <ctime>
#include <fstream>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "compute/gemm.hpp"
#include "log/run_file.hpp"
#include "sweep/revision.h"  // written at every build

namespace initlab::sweep {
namespace {

std::string cpu_model() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    if (base::trim(std::string_view(line).substr(0, colon)) == "model name")
      return std::string(base::trim(std::string_view(line).substr(colon + 1)));
  }
  return "unknown CPU";
}

std::string cpu_features() {
  std::vector<std::string> features;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2")) features.emplace_back("avx2");
  if (__builtin_cpu_supports("fma")) features.emplace_back("fma");
  if (__builtin_cpu_supports("avx512f")) features.emplace_back("avx512f");
  if (__builtin_cpu_supports("avx512vnni")) features.emplace_back("avx512_vnni");
  if (__builtin_cpu_supports("avx512bf16")) features.emplace_back("avx512_bf16");
#endif
  return base::join(features, " ");
}

}  // namespace

std::string cpu_description() { return cpu_model() + "; " + cpu_features(); }

std::string build_description() {
  return "initlab " INITLAB_VERSION " (git " INITLAB_REVISION "), " INITLAB_COMPILER ", " INITLAB_BUILD_TYPE;
}

std::string library_versions() {
  base::Json versions = base::Json::object();
  versions["onednn"] = compute::onednn_version();
  versions["hdf5"] = log::hdf5_version();
  return base::json_text(versions);
}

int cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  const int count = CPU_COUNT(&set);
  return count > 0 ? count : 1;
}

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

void require_precision(const config::TrainingConfig& training) {
  if (training.precision != "bf16" || compute::has_bf16_products()) return;
  throw base::Error({training.place, "training.precision", "f32: this CPU has no instructions for bf16", "bf16",
                     "emulated, bf16 is many times slower than f32"});
}

}  // namespace initlab::sweep
