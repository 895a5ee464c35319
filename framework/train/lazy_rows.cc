#include "train/lazy_rows.hpp"

#include <algorithm>
#include <cassert>
#include <cstddef>

namespace initlab::train {
namespace {

void scale(float factor, std::span<const float> x, std::span<float> y) {
  for (std::size_t i = 0; i < x.size(); ++i) y[i] = x[i] * factor;
}

}  // namespace

LazyRows::LazyRows(std::int64_t rows, std::int64_t width, WordRows start) : rows_(rows), width_(width) {
  written_.resize(static_cast<std::size_t>((rows + 63) / 64), 0);
  if (start == WordRows::lazy) return;
  for (std::int64_t row = 0; row < rows_; ++row) mark(row);
}

void LazyRows::mark(std::int64_t row) {
  written_[static_cast<std::size_t>(row / 64)] |= std::uint64_t{1} << (row % 64);
  ++count_;
}

bool LazyRows::touch(std::span<const std::int32_t> ids, std::span<float> table) {
  const std::int64_t before = count_;
  for (const std::int32_t row : ids) {
    assert(row >= 0 && row < rows_);
    if (is_written(row)) continue;
    const auto values = table.subspan(static_cast<std::size_t>(row * width_), static_cast<std::size_t>(width_));
    if (pending_ != 1) scale(static_cast<float>(pending_), values, values);
    mark(row);
  }
  return count_ != before;
}

void LazyRows::catch_up(std::span<const float> table, std::span<float> copy) const {
  assert(static_cast<std::int64_t>(table.size()) == rows_ * width_ && copy.size() == table.size());
  for (std::int64_t row = 0; row < rows_; ++row) {
    const auto begin = static_cast<std::size_t>(row * width_), n = static_cast<std::size_t>(width_);
    const std::span<const float> from = table.subspan(begin, n);
    const std::span<float> to = copy.subspan(begin, n);
    if (pending_ != 1 && !is_written(row)) {
      scale(static_cast<float>(pending_), from, to);
    } else if (from.data() != to.data()) {
      std::ranges::copy(from, to.begin());
    }
  }
}

void LazyRows::settle(std::span<float> table) {
  catch_up(table, table);
  pending_ = 1;
}

}  // namespace initlab::train
