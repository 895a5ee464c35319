#include "sweep/binding.hpp"

#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "base/error.hpp"
#include "base/text.hpp"

namespace initlab::sweep {
namespace {

// How many hardware threads of the same physical core have a smaller number; 0 where the system does not say. The file
// reads "0,64" or "0-1".
std::ptrdiff_t place_in_core(int core) {
  std::ifstream file("/sys/devices/system/cpu/cpu" + std::to_string(core) + "/topology/thread_siblings_list");
  std::string line;
  std::getline(file, line);
  std::ptrdiff_t before = 0;
  for (const std::string_view part : base::split(line, ',')) {
    const std::size_t dash = part.find('-');
    const auto first = base::to_integer(part.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : base::to_integer(part.substr(dash + 1));
    if (first && last) before += std::clamp<std::ptrdiff_t>(core - *first, 0, *last - *first + 1);
  }
  return before;
}

}  // namespace

std::vector<int> available_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return {};
  std::vector<std::pair<std::ptrdiff_t, int>> order;
  for (int core = 0; core < CPU_SETSIZE; ++core)
    if (CPU_ISSET(core, &set)) order.emplace_back(place_in_core(core), core);
  std::ranges::sort(order);
  std::vector<int> cores;
  for (const auto& [place, core] : order) cores.push_back(core);
  return cores;
}

std::vector<std::vector<int>> share_out(const std::vector<int>& cores, int jobs, int threads) {
  const auto each = static_cast<std::size_t>(threads), all = static_cast<std::size_t>(jobs);
  if (cores.size() / each < all)
    throw base::Error({"command line", "--bind",
                       std::to_string(jobs) + " x " + std::to_string(threads) + " cores (jobs x threads)",
                       std::to_string(cores.size()) + " that this process may use", "fewer --jobs, or no --bind"});
  std::vector<std::vector<int>> shares;
  for (std::size_t job = 0; job < all; ++job) {
    const auto first = cores.begin() + static_cast<std::ptrdiff_t>(job * each);
    shares.emplace_back(first, first + static_cast<std::ptrdiff_t>(each));
  }
  return shares;
}

void bind_to(const std::vector<int>& cores) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int core : cores) CPU_SET(core, &set);
  if (::sched_setaffinity(0, sizeof set, &set) != 0)
    throw base::Error({"", "--bind", "cores " + to_text(cores), std::strerror(errno), "run without --bind"});
}

std::string to_text(const std::vector<int>& cores) {
  std::vector<std::string> parts;
  for (const int core : cores) parts.push_back(std::to_string(core));
  return base::join(parts, ",");
}

}  // namespace initlab::sweep
