// A flat block cut into pieces: what the optimizer walks, and what a thread takes of it.
#pragma once

#include <cstdint>
#include <vector>

namespace initlab::compute {

// Neighbouring floats of a flat block. Pieces of a list do not overlap; a list may leave out what needs no work.
struct Piece {
  std::int64_t begin = 0;  // in floats
  std::int64_t until = 0;  // work in the list up to the end of this piece: threads take equal shares of it
  std::int32_t count = 0;
  std::int32_t group = 0;  // which constants apply
};

// `work`: of one float of the piece, against others in the list.
inline void append(std::vector<Piece>& list, std::int64_t begin, std::int64_t count, std::int64_t group,
                   std::int64_t work = 1) {
  const std::int64_t before = list.empty() ? 0 : list.back().until;
  list.push_back({begin, before + count * work, static_cast<std::int32_t>(count), static_cast<std::int32_t>(group)});
}

}  // namespace initlab::compute
