// The rows of the word embedding that the optimizer has left behind, and how they catch up.
//
// A batch gives a gradient to the rows of its own words, some hundreds of 30,522. The dense update walks all of them:
// MiniLM's table is half of its parameters. But a step without a gradient,
//   m' = b1 m,   v' = b2 v,   w' = (1 - lr_t wd) w - lr_t / (1 - b1^t) m' / (sqrt(v' / (1 - b2^t)) + eps)
// (bert_adam and decay to the initial weights alike), depends on the row and on the step's constants alone. So a row
// may wait: gradient, norm, zeroing and Adam walk the rows of the batch only, and before a batch first reads a row
// again, the steps that it missed are made up for, one after another, in registers. A row that no batch has held yet
// has m = v = 0, and catching up is one multiplication a step.
//
// Exact to the bit: the same operations in the same order, only later. What a row holds after step t does not depend on
// when it caught up, so catch_up(), which brings all rows to the present, changes no bit of a run, however often it is
// called. Whoever reads the table (evaluation, export, hashes) calls it first.
//
// Not for a table that each step gives a gradient in full (the tied decoder of mlm): that has no rows to leave behind.
// Nor for eps = 0, where rows at rest are 0 / 0.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "compute/adam.hpp"

namespace initlab::train {

class LazyRows {
 public:
  // Of a table (rows, width) that begins at `begin` in the flat blocks. All memory is booked here.
  LazyRows(std::int64_t rows, std::int64_t width, std::int64_t begin);

  // Before the forward pass of a step that reads rows `ids`, and no others: brings them to the present. Ids must be
  // within the table.
  void select(std::span<const std::int32_t> ids, const compute::AdamBlocks& blocks);
  // The rows of the last select, ascending, each once.
  std::span<const std::int32_t> selected() const { return selected_; }
  // After the step has updated them: the constants it was made with. The others have now missed it.
  void stepped(const compute::AdamConstants& constants, const compute::AdamBlocks& blocks);
  // Brings all rows to the present.
  void catch_up(const compute::AdamBlocks& blocks);
  // Takes over a table that another object brought to the present: which rows have moved is read from their moments.
  void take_over(const compute::AdamBlocks& blocks);

 private:
  void replay(const compute::AdamBlocks& blocks);
  void list_behind(std::int64_t row);

  std::int64_t rows_, width_, begin_;
  std::vector<compute::AdamConstants> history_;  // of the latest steps
  std::vector<std::int32_t> made_;               // (rows) steps of the history that a row has made
  std::vector<std::uint64_t> marks_;             // (rows) a bit each, zero between calls
  std::vector<std::uint64_t> moved_;  // (rows) a bit each: has been in a batch, so its moments may not be zero
  std::vector<std::int32_t> selected_;
  std::vector<compute::Piece> behind_, behind_at_rest_;  // to be replayed
};

}  // namespace initlab::train
