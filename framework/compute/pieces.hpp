// A flat block cut into pieces: what the optimizer walks, and what a thread takes of it.
#pragma once

#include <cstdint>

namespace initlab::compute {

// Neighbouring floats of a flat block. Pieces of a list do not overlap; a list may leave out what needs no work.
struct Piece {
  std::int64_t begin = 0;  // in floats
  std::int32_t count = 0;
  std::int32_t group = 0;  // which constants apply
};

}  // namespace initlab::compute
