// What tests of the model share: a small BERT with random weights, and batches whose sequences depend on their number
// alone.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "batch/batch.hpp"
#include "compute/testing.hpp"
#include "config/config.hpp"
#include "model/bert.hpp"

namespace initlab::model {

using config::HeadKind;

constexpr std::int64_t kVocabulary = 50;
constexpr Capacity kCapacity{.tokens = 64, .sequences = 8, .predictions = 16, .longest = 16};

inline config::ModelConfig small_model() {
  config::ModelConfig m;
  m.layers = 2;
  m.hidden = 32;
  m.heads = 2;
  m.intermediate = 64;
  m.vocabulary = kVocabulary;
  m.max_positions = 16;
  return m;
}

// Sequence number s has tokens, label and slot that depend on s alone.
inline void append(batch::Batch& b, HeadKind head, std::int32_t s) {
  if (b.offsets.empty()) b.offsets = {0};
  const std::int32_t first = b.offsets.back(), length = 5 + 3 * s % 11;
  for (std::int32_t t = 0; t < length; ++t) {
    b.ids.push_back((s * 13 + t * 7) % static_cast<std::int32_t>(kVocabulary));
    b.types.push_back(t > length / 2 ? 1 : 0);
    b.positions.push_back(t);
  }
  b.offsets.push_back(first + length);
  b.slots.push_back(s);
  b.examples.push_back(s);
  if (head == HeadKind::classifier) b.classes.push_back(s % 2);
  if (head == HeadKind::regressor) b.targets.push_back(0.5f * static_cast<float>(s));
  if (head == HeadKind::mlm) {
    for (const std::int32_t t : {1, 3}) {
      b.masked_rows.push_back(first + t);
      b.masked_labels.push_back((s * 5 + t) % static_cast<std::int32_t>(kVocabulary));
    }
  }
}

inline batch::Batch batch_of(HeadKind head, const std::vector<std::int32_t>& sequences) {
  batch::Batch b;
  for (const std::int32_t s : sequences) append(b, head, s);
  return b;
}

// The other residual sums that a model may have, and BERT's own.
inline config::ModelConfig model_with(const char* residual_scale, const char* norm = "post") {
  config::ModelConfig m = small_model();
  m.norm = norm;
  EXPECT_TRUE(config::set_residual_scale(m, residual_scale));
  return m;
}
inline std::vector<config::ModelConfig> residual_sums() {
  return {model_with("1"), model_with("deepnorm"), model_with("trained"), model_with("1", "none")};
}

inline void randomize(Bert& bert) {
  for (const params::Parameter& p : bert.parameters().all()) {
    const bool scale = p.role == params::Role::norm_scale || p.role == params::Role::residual_scale;
    const auto values = testing_tools::random_values(p.size, p.name, 0.2);
    for (std::int64_t i = 0; i < p.size; ++i)
      bert.values()[static_cast<std::size_t>(p.offset + i)] =
          values[static_cast<std::size_t>(i)] + (scale ? 1.0f : 0.0f);
  }
}

}  // namespace initlab::model
