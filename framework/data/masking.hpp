// Masked language model: which tokens of a sequence are predicted, and what is shown in their place (Devlin et al.
// 2018, 3.1).
//
// Each ordinary token (not [PAD], [UNK], [CLS], [SEP], [MASK]) is predicted with the given probability, independently;
// of these 80 % are shown as [MASK], 10 % as a random ordinary token, 10 % as they are. Where the draws choose none,
// one is chosen. Everything is a pure function of (stream, row, position).
#pragma once

#include <cstdint>
#include <vector>

#include "base/random.hpp"
#include "text/wordpiece.hpp"

namespace initlab::data {

struct Prediction {
  std::int32_t position = 0;
  std::int32_t shown = 0;  // the id that the model sees
};

class Masker {
 public:
  // vocabulary: number of ids. probability in (0, 1].
  Masker(const text::SpecialIds& special, std::int64_t vocabulary, double probability);

  bool is_ordinary(std::int32_t id) const;
  // In ascending order of position; empty only where no token is ordinary.
  std::vector<Prediction> predict(const std::vector<std::int32_t>& ids, const base::Stream& stream,
                                  std::int64_t row) const;
  // The same, one call visit(prediction) after another: allocates nothing.
  template <class Visit>
  void for_predictions(const std::vector<std::int32_t>& ids, const base::Stream& stream, std::int64_t row,
                       const Visit& visit) const;
  // No sequence has more predictions than this: about five standard deviations above the mean. So that memory can be
  // booked, predict() stops there, which one sequence in a million notices.
  std::int64_t most_predictions(const std::vector<std::int32_t>& ids) const;

 private:
  bool is_chosen(const base::Stream& stream, std::int64_t row, std::size_t position) const;
  Prediction prediction(const std::vector<std::int32_t>& ids, const base::Stream& stream, std::int64_t row,
                        std::size_t position) const;
  std::size_t fallback(const std::vector<std::int32_t>& ids, const base::Stream& stream, std::int64_t row,
                       std::int64_t ordinary) const;
  std::int64_t ordinary_in(const std::vector<std::int32_t>& ids) const;
  std::int64_t most_predictions(std::int64_t ordinary) const;

  text::SpecialIds special_;
  double probability_;
  std::vector<std::int32_t> ordinary_;  // ids, ascending
};

template <class Visit>
void Masker::for_predictions(const std::vector<std::int32_t>& ids, const base::Stream& stream, std::int64_t row,
                             const Visit& visit) const {
  const std::int64_t ordinary = ordinary_in(ids), most = most_predictions(ordinary);
  std::int64_t made = 0;
  for (std::size_t position = 0; position < ids.size() && made < most; ++position) {
    if (!is_ordinary(ids[position]) || !is_chosen(stream, row, position)) continue;
    visit(prediction(ids, stream, row, position));
    ++made;
  }
  if (made == 0 && ordinary > 0) visit(prediction(ids, stream, row, fallback(ids, stream, row, ordinary)));
}

// Masks of training: fresh every epoch, by the run's mask seed. Masks of evaluation: the same for all runs of a world.
base::Stream training_mask_stream(std::uint64_t seed, std::int64_t epoch);
base::Stream evaluation_mask_stream(std::int64_t world);

}  // namespace initlab::data
