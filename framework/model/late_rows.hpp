// Rows of the word embedding that stand in the table without the weight decay that has come upon them since. Why:
// train/lazy_rows.hpp.
#pragma once

#include <cstdint>

namespace initlab::model {

// How to read the word embedding: a late row stands for its numbers times `factor`. Owns nothing.
struct LateRows {
  const std::uint64_t* written = nullptr;  // bit r % 64 of number r / 64: row r is as it stands; null: all rows are
  float factor = 1;

  bool late(std::int64_t row) const { return written != nullptr && (written[row / 64] >> (row % 64) & 1) == 0; }
};

}  // namespace initlab::model
