#include "train/lazy_rows.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstddef>

namespace initlab::train {
namespace {

// Steps kept, 48 bytes each. Then all rows catch up, which costs about one dense update.
constexpr std::size_t kHistory = 1024;

std::size_t word_of(std::int64_t row) { return static_cast<std::size_t>(row) / 64; }
std::uint64_t bit_of(std::int64_t row) { return std::uint64_t{1} << (row % 64); }

// Memory for n, touched here and not in a step.
template <class T>
void book(std::vector<T>& list, std::size_t n) {
  list.resize(n);
  list.clear();
}

}  // namespace

LazyRows::LazyRows(std::int64_t rows, std::int64_t width, std::int64_t begin)
    : rows_(rows),
      width_(width),
      begin_(begin),
      made_(static_cast<std::size_t>(rows), 0),
      marks_(static_cast<std::size_t>(rows + 63) / 64, 0),
      moved_(marks_) {
  book(history_, kHistory);
  book(selected_, made_.size());
  book(behind_, made_.size());
  book(behind_at_rest_, made_.size());
}

void LazyRows::select(std::span<const std::int32_t> ids, const compute::AdamBlocks& blocks) {
  for (const std::int32_t row : ids) {
    assert(row >= 0 && row < rows_);
    marks_[word_of(row)] |= bit_of(row);
  }
  selected_.clear();
  for (std::size_t i = 0; i < marks_.size(); ++i) {
    for (std::uint64_t bits = marks_[i]; bits != 0; bits &= bits - 1)
      selected_.push_back(static_cast<std::int32_t>(i * 64) + std::countr_zero(bits));
    marks_[i] = 0;
  }
  for (const std::int32_t row : selected_) list_behind(row);
  replay(blocks);
  for (const std::int32_t row : selected_) moved_[word_of(row)] |= bit_of(row);
}

void LazyRows::list_behind(std::int64_t row) {
  const auto steps = static_cast<std::int32_t>(history_.size());
  std::int32_t& made = made_[static_cast<std::size_t>(row)];
  if (made == steps) return;
  const bool at_rest = (moved_[word_of(row)] & bit_of(row)) == 0;
  compute::append(at_rest ? behind_at_rest_ : behind_, begin_ + row * width_, width_, made, steps - made);
  made = steps;
}

void LazyRows::replay(const compute::AdamBlocks& blocks) {
  compute::adam_replay(history_, behind_, compute::Moments::any, blocks);
  compute::adam_replay(history_, behind_at_rest_, compute::Moments::zero, blocks);
  behind_.clear();
  behind_at_rest_.clear();
}

void LazyRows::stepped(const compute::AdamConstants& constants, const compute::AdamBlocks& blocks) {
  history_.push_back(constants);
  for (const std::int32_t row : selected_) ++made_[static_cast<std::size_t>(row)];
  if (history_.size() == kHistory) catch_up(blocks);
}

void LazyRows::catch_up(const compute::AdamBlocks& blocks) {
  for (std::int64_t row = 0; row < rows_; ++row) list_behind(row);
  replay(blocks);
  history_.clear();
  std::ranges::fill(made_, 0);
}

void LazyRows::take_over(const compute::AdamBlocks& blocks) {
  const auto moved = [](float moment) { return std::bit_cast<std::uint32_t>(moment) != 0; };
  for (std::int64_t row = 0; row < rows_; ++row) {
    const auto begin = static_cast<std::size_t>(begin_ + row * width_);
    const std::span first(blocks.first + begin, static_cast<std::size_t>(width_));
    const std::span second(blocks.second + begin, static_cast<std::size_t>(width_));
    if (std::ranges::any_of(first, moved) || std::ranges::any_of(second, moved)) moved_[word_of(row)] |= bit_of(row);
  }
}

}  // namespace initlab::train
