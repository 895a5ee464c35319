#include "data/masking.hpp"

#include <algorithm>
#include <cmath>
#include <string>

namespace initlab::data {
namespace {

// Four draws a position, 2^20 positions a row. Position 0 is [CLS] and needs none: its last one serves the whole row.
enum Draw : std::uint64_t { kChosen, kKind, kReplacement, kFallback };

std::uint64_t first_draw(std::int64_t row, std::size_t position) {
  return (static_cast<std::uint64_t>(row) << 20 | position) << 2;
}

constexpr double kShownAsMask = 0.8;
constexpr double kShownAtRandom = 0.1;
constexpr double kCutSigmas = 5;

}  // namespace

Masker::Masker(const text::SpecialIds& special, std::int64_t vocabulary, double probability)
    : special_(special), probability_(probability) {
  for (std::int32_t id = 0; id < vocabulary; ++id)
    if (is_ordinary(id)) ordinary_.push_back(id);
}

bool Masker::is_ordinary(std::int32_t id) const {
  return id != special_.pad && id != special_.unk && id != special_.cls && id != special_.sep && id != special_.mask;
}

std::int64_t Masker::ordinary_in(const std::vector<std::int32_t>& ids) const {
  return std::count_if(ids.begin(), ids.end(), [this](std::int32_t id) { return is_ordinary(id); });
}

std::int64_t Masker::most_predictions(const std::vector<std::int32_t>& ids) const {
  return most_predictions(ordinary_in(ids));
}

std::int64_t Masker::most_predictions(std::int64_t ordinary) const {
  const double mean = static_cast<double>(ordinary) * probability_;
  const double stddev = std::sqrt(mean * (1 - probability_));
  return std::min(ordinary, 1 + static_cast<std::int64_t>(std::ceil(mean + kCutSigmas * stddev)));
}

bool Masker::is_chosen(const base::Stream& stream, std::int64_t row, std::size_t position) const {
  return stream.uniform(first_draw(row, position) + kChosen) < probability_;
}

Prediction Masker::prediction(const std::vector<std::int32_t>& ids, const base::Stream& stream, std::int64_t row,
                              std::size_t position) const {
  const std::uint64_t draw = first_draw(row, position);
  const double kind = stream.uniform(draw + kKind);
  std::int32_t shown = special_.mask;
  if (kind >= kShownAsMask + kShownAtRandom) {
    shown = ids[position];
  } else if (kind >= kShownAsMask) {
    shown = ordinary_[stream.below(draw + kReplacement, ordinary_.size())];
  }
  return {static_cast<std::int32_t>(position), shown};
}

// One of the ordinary positions, all alike.
std::size_t Masker::fallback(const std::vector<std::int32_t>& ids, const base::Stream& stream, std::int64_t row,
                             std::int64_t ordinary) const {
  std::uint64_t left = stream.below(first_draw(row, 0) + kFallback, static_cast<std::uint64_t>(ordinary));
  std::size_t position = 0;
  while (!is_ordinary(ids[position]) || left-- > 0) ++position;
  return position;
}

std::vector<Prediction> Masker::predict(const std::vector<std::int32_t>& ids, const base::Stream& stream,
                                        std::int64_t row) const {
  std::vector<Prediction> predictions;
  for_predictions(ids, stream, row, [&](const Prediction& prediction) { predictions.push_back(prediction); });
  return predictions;
}

base::Stream training_mask_stream(std::uint64_t seed, std::int64_t epoch) {
  return {seed, "mask/epoch/" + std::to_string(epoch)};
}

base::Stream evaluation_mask_stream(std::int64_t world) {
  return {static_cast<std::uint64_t>(world), "mask/evaluation"};
}

}  // namespace initlab::data
