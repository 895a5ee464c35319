// The rows of the word embedding that training has written, and the decay that the others wait for.
//
// Adam moves a weight w with gradient g and moments m, v by
//   w' = (1 - lr_t wd) w - lr_t m / (sqrt(v) + eps)       (adamw, up to the bias corrections of m and v)
//   w' = w - lr_t (m / (sqrt(v) + eps) + wd w)            (bert_adam)
// A row whose word no batch has held has g = m = v = 0. With eps > 0 its moments stay 0, and either form leaves
//   w_t = P_t w_0,    P_t = (1 - lr_1 wd) (1 - lr_2 wd) ... (1 - lr_t wd).
// P is one number for all such rows. So they are left as they stand until a batch first holds their word: then they are
// multiplied by P, once, and from that step on they are updated like any other weight. Gradient, its norm, its zeroing
// and Adam walk written rows only. In fine-tuning that is a few thousand of 30,522 rows: the rest of the table, half of
// MiniLM's parameters, costs nothing.
//
// Exact up to rounding: P is kept in double and a late row is rounded once, where the dense update rounds 1 - lr wd and
// the row at each step, so t steps differ by at most about t 1.5 2^-24 of the weight. Without weight decay P = 1, and
// all bits are the dense update's. Rows that are written have the dense update's bits from then on, given equal
// gradients.
//
// Not for a table that every step gives a gradient (the tied decoder of mlm), eps = 0 (0 / 0), and weights that are
// replaced or pulled towards others (mixout, weight_decay_to: initial): there all rows count as written from the start.
//
// Reading changes nothing, or the bits of a run would depend on how often one looks. Evaluation reads a late row as
// float(P) times the row, rounded as a write would round it (late()); whoever needs a whole table gets a copy
// (catch_up()); settle() writes the table once, at the end of a run.
#pragma once

#include <bit>
#include <cstdint>
#include <span>
#include <vector>

#include "model/late_rows.hpp"

namespace initlab::train {

enum class WordRows {
  lazy,   // no row is written at the start
  dense,  // all are
};

class LazyRows {
 public:
  // Of a table (rows, width).
  LazyRows(std::int64_t rows, std::int64_t width, WordRows start);

  // Before the forward pass that reads rows `ids` of the table: brings those that are not written yet up to date and
  // counts them as written. True if there was any. Ids must be within the table.
  bool touch(std::span<const std::int32_t> ids, std::span<float> table);
  // After each update: what it multiplied a weight without gradient by, 1 - lr wd.
  void decay(double factor) { pending_ *= factor; }

  std::int64_t written() const { return count_; }  // rows
  // Calls body(row) for each written row, ascending.
  template <class Body>
  void for_written(const Body& body) const;

  // Valid until the next touch, decay or settle.
  model::LateRows late() const { return {written_.data(), static_cast<float>(pending_)}; }
  // The table as it would be if it had been written at each step. `copy` has its size, and may be the table itself.
  void catch_up(std::span<const float> table, std::span<float> copy) const;
  // Writes that into the table. No row's value changes by it, only where it stands.
  void settle(std::span<float> table);

 private:
  void mark(std::int64_t row);
  bool is_written(std::int64_t row) const {
    return (written_[static_cast<std::size_t>(row / 64)] >> (row % 64) & 1) != 0;
  }

  std::int64_t rows_, width_;
  std::vector<std::uint64_t> written_;  // a bit a row
  std::int64_t count_ = 0;
  double pending_ = 1;  // P
};

template <class Body>
void LazyRows::for_written(const Body& body) const {
  for (std::size_t i = 0; i < written_.size(); ++i)
    for (std::uint64_t bits = written_[i]; bits != 0; bits &= bits - 1)
      body(static_cast<std::int64_t>(i) * 64 + std::countr_zero(bits));
}

}  // namespace initlab::train
