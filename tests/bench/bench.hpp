// What benchmark programs share: main (bench.cc), the models' shapes, memory that is touched before anything is timed.
#pragma once

#include <benchmark/benchmark.h>

#include <cstdint>
#include <string>

namespace initlab::bench {

// Registers the program's benchmarks; each program has its own.
void add_benchmarks();

// A batch of a model: T tokens of S each, H hidden, I = 4H intermediate, A heads.
struct Shape {
  std::string name;
  std::int64_t tokens = 0;    // T
  std::int64_t hidden = 0;    // H
  std::int64_t heads = 0;     // A
  std::int64_t sequence = 0;  // S
  std::int64_t layers = 0;    // L

  std::int64_t intermediate() const { return 4 * hidden; }
};

inline const Shape kShapes[] = {
    {"tiny", 512, 128, 2, 16, 2},      // a classifier on short sentences
    {"mini", 4096, 256, 4, 128, 4},    // a masked-language model
    {"minilm", 1696, 384, 12, 53, 6},  // MRPC
    {"base", 4096, 768, 12, 128, 12},
};

// A piece of one block that all benchmarks share: piece i of `floats` floats, filled with normal deviates once, 64-byte
// aligned, on huge pages where the system has them. At most kPieces pieces of at most kPieceFloats.
constexpr std::int64_t kPieces = 5;
constexpr std::int64_t kPieceFloats = 4096 * 3072;
float* piece(std::int64_t i);

}  // namespace initlab::bench
