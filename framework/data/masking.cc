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
  const std::int64_t n = ordinary_in(ids);
  const double mean = static_cast<double>(n) * probability_;
  const double stddev = std::sqrt(mean * (1 - probability_));
  return std::min(n, 1 + static_cast<std::int64_t>(std::ceil(mean + kCutSigmas * stddev)));
}

std::int32_t Masker::shown(std::int32_t id, const base::Stream& stream, std::uint64_t draw) const {
  const double kind = stream.uniform(draw + kKind);
  if (kind < kShownAsMask) return special_.mask;
  if (kind >= kShownAsMask + kShownAtRandom) return id;
  return ordinary_[stream.below(draw + kReplacement, ordinary_.size())];
}

std::vector<Prediction> Masker::predict(const std::vector<std::int32_t>& ids, const base::Stream& stream,
                                        std::int64_t row) const {
  const auto most = static_cast<std::size_t>(most_predictions(ids));
  std::vector<std::size_t> ordinary;
  std::vector<Prediction> predictions;
  const auto add = [&](std::size_t position) {
    predictions.push_back(
        {static_cast<std::int32_t>(position), shown(ids[position], stream, first_draw(row, position))});
  };
  for (std::size_t position = 0; position < ids.size(); ++position) {
    if (!is_ordinary(ids[position])) continue;
    ordinary.push_back(position);
    const bool chosen = stream.uniform(first_draw(row, position) + kChosen) < probability_;
    if (chosen && predictions.size() < most) add(position);
  }
  if (predictions.empty() && !ordinary.empty())
    add(ordinary[stream.below(first_draw(row, 0) + kFallback, ordinary.size())]);
  return predictions;
}

base::Stream training_mask_stream(std::uint64_t seed, std::int64_t epoch) {
  return {seed, "mask/epoch/" + std::to_string(epoch)};
}

base::Stream evaluation_mask_stream(std::int64_t world) {
  return {static_cast<std::uint64_t>(world), "mask/evaluation"};
}

}  // namespace initlab::data
