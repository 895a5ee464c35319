// The unpadded batch: made by data/, read by model/. The valid tokens of B sequences stand one after another.
#pragma once

#include <cstdint>
#include <vector>

namespace initlab::batch {

struct Batch {
  std::vector<std::int32_t> ids;        // (T) token ids
  std::vector<std::int32_t> types;      // (T) segment ids
  std::vector<std::int32_t> positions;  // (T) 0-based within the sequence
  std::vector<std::int32_t> offsets;    // (B + 1) sequence b is rows offsets[b] .. offsets[b+1]-1
  std::vector<std::int32_t> slots;      // (B) place of each sequence in the whole step: keys the dropout bits, so that
                                        //     splitting a step into micro-batches changes none
  std::vector<std::int64_t> examples;   // (B) rows of the split the sequences come from

  std::vector<std::int32_t> classes;        // (B) classifier: label index; else empty
  std::vector<float> targets;               // (B) regressor: target; else empty
  std::vector<std::int32_t> masked_rows;    // (P) mlm: rows that are predicted, ascending; else empty
  std::vector<std::int32_t> masked_labels;  // (P) mlm: their original ids

  void clear() {  // empty; memory is kept
    for (auto* column : {&ids, &types, &positions, &offsets, &slots, &classes, &masked_rows, &masked_labels})
      column->clear();
    examples.clear();
    targets.clear();
  }
  // Memory for a batch of at most this size, so that filling it later allocates nothing.
  void reserve(std::int64_t most_tokens, std::int64_t most_sequences, std::int64_t most_predictions) {
    const auto book = [](std::int64_t n, auto&... columns) { (columns.reserve(static_cast<std::size_t>(n)), ...); };
    book(most_tokens, ids, types, positions);
    book(most_sequences + 1, offsets, slots, examples, classes, targets);
    book(most_predictions, masked_rows, masked_labels);
  }

  std::int64_t tokens() const { return static_cast<std::int64_t>(ids.size()); }
  std::int64_t sequences() const { return static_cast<std::int64_t>(offsets.empty() ? 0 : offsets.size() - 1); }
};

}  // namespace initlab::batch
