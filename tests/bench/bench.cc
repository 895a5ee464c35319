// main of every benchmark program: google/benchmark's options, and
//   --target=NAME  the instruction set (default: the best)        --threads=N  (default: what OpenMP takes)
#include "bench/bench.hpp"

#include <charconv>
#include <cmath>
#include <cstdio>
#include <string_view>
#include <vector>

#include "compute/arena.hpp"
#include "compute/targets.hpp"
#include "compute/threads.hpp"

namespace initlab::bench {
namespace {

// Box and Muller (1958), from a weak generator: values of a natural size, not good randomness.
void fill(std::int64_t n, float* x) {
  std::uint64_t state = 1;
  const auto uniform = [&] {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    return static_cast<float>(state >> 40) * 0x1p-24f + 0x1p-25f;
  };
  for (std::int64_t i = 0; i + 1 < n; i += 2) {
    const float r = std::sqrt(-2 * std::log(uniform())), angle = 6.2831853f * uniform();
    x[i] = r * std::cos(angle);
    x[i + 1] = r * std::sin(angle);
  }
}

struct Block {
  Block() {
    arena.take<float>(kPieces * kPieceFloats);
    arena.grant();
    data = arena.take<float>(kPieces * kPieceFloats);
    constexpr std::int64_t kPattern = 1 << 20;
    fill(kPattern, data);
    for (std::int64_t i = kPattern; i < kPieces * kPieceFloats; ++i) data[i] = data[i % kPattern];
  }
  compute::Arena arena;
  float* data = nullptr;
};

}  // namespace

float* piece(std::int64_t i) {
  static const Block block;
  return block.data + i * kPieceFloats;
}

}  // namespace initlab::bench

int main(int count, char** arguments) {
  std::vector<char*> others;
  int threads = initlab::compute::threads();
  for (int i = 0; i < count; ++i) {
    const std::string_view argument = arguments[i];
    if (argument.starts_with("--target=")) {
      if (!initlab::compute::use_target(std::string(argument.substr(9)))) {
        std::fprintf(stderr, "this CPU has no instruction set \"%s\"\n", argument.substr(9).data());
        return 2;
      }
    } else if (argument.starts_with("--threads=")) {
      const char* end = argument.data() + argument.size();
      if (std::from_chars(argument.data() + 10, end, threads).ptr != end || threads < 1) {
        std::fprintf(stderr, "--threads= wants a number above 0\n");
        return 2;
      }
    } else {
      others.push_back(arguments[i]);
    }
  }
  initlab::compute::set_threads(threads);
  initlab::bench::add_benchmarks();
  int rest = static_cast<int>(others.size());
  benchmark::Initialize(&rest, others.data());
  if (benchmark::ReportUnrecognizedArguments(rest, others.data())) return 2;
  benchmark::AddCustomContext("target", initlab::compute::target());
  benchmark::AddCustomContext("threads", std::to_string(threads));
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
