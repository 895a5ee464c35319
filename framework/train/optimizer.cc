#include "train/optimizer.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>

namespace initlab::train {
namespace {

constexpr std::int64_t kLongestPiece = 8192;  // floats

bool within(const Group& group, std::int64_t at) {
  const auto place = static_cast<std::size_t>(at);
  return group.begin <= place && place < group.begin + group.count;
}

void add_pieces(std::int64_t begin, std::int64_t end, std::size_t group, std::vector<compute::Piece>& list) {
  for (; begin < end; begin += kLongestPiece)
    compute::append(list, begin, std::min(kLongestPiece, end - begin), static_cast<std::int64_t>(group));
}

}  // namespace

double clip_factor(double norm, double clip) { return clip > 0 ? std::min(1.0, clip / (norm + 1e-6)) : 1.0; }

WordRows word_rows(const config::TrainingConfig& training, config::HeadKind head) {
  const bool all_have_a_gradient = head == config::HeadKind::mlm;
  const bool no_epsilon = static_cast<float>(training.optimizer.epsilon) < std::numeric_limits<float>::min();
  const bool dense = all_have_a_gradient || no_epsilon || !training.uses("lazy_embeddings");
  return dense ? WordRows::dense : WordRows::lazy;
}

Adam::WordTable Adam::find_words(const params::ParameterTable& table, std::span<const Group> groups) {
  WordTable words;
  const params::Parameter* const p = table.find("bert.embeddings.word_embeddings.weight");
  if (p == nullptr) return words;
  words.begin = p->offset;
  words.rows = p->shape[0];
  words.width = p->shape[1];
  while (!within(groups[words.group], words.begin)) ++words.group;
  return words;
}

Adam::Adam(const config::TrainingConfig& training, const params::ParameterTable& table, std::span<const float> initial,
           WordRows words)
    : config_(training.optimizer),
      groups_(update_groups(training, table)),
      table_(find_words(table, groups_)),
      size_(table.size()),
      arena_(training.uses("huge_pages")),
      constants_(groups_.size()) {
  if (config_.weight_decay_to == "initial") {
    assert(std::ssize(initial) == size_);
    anchor_ = initial;
  }
  book_moments();
  arena_.grant();
  book_moments();
  list_tensors();
  if (words == WordRows::lazy && table_.rows > 0) {
    lazy_.emplace(table_.rows, table_.width, table_.begin);
  } else {
    for (std::int64_t row = 0; row < table_.rows; ++row) list_word_row(row);
  }
}

void Adam::book_moments() {
  first_ = arena_.take<float>(size_);
  second_ = arena_.take<float>(size_);
}

// All but the word embedding, and room for its rows.
void Adam::list_tensors() {
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    const auto begin = static_cast<std::int64_t>(groups_[g].begin);
    const auto end = static_cast<std::int64_t>(groups_[g].begin + groups_[g].count);
    add_pieces(begin, std::min(end, table_.begin), g, list_of(g));
    add_pieces(std::max(begin, table_.end()), end, g, list_of(g));
  }
  std::vector<compute::Piece>& list = list_of(table_.group);
  tensor_pieces_ = list.size();
  list.resize(tensor_pieces_ + static_cast<std::size_t>(table_.rows));  // touched here, not in a step
  list.resize(tensor_pieces_);
  sums_.resize(moving_.size() + static_cast<std::size_t>(table_.rows));
}

void Adam::list_word_row(std::int64_t row) {
  compute::append(list_of(table_.group), table_.begin + row * table_.width, table_.width,
                  static_cast<std::int64_t>(table_.group));
}

compute::AdamBlocks Adam::blocks(std::span<float> values, float* gradients) {
  return {values.data(), gradients, first_, second_, anchor_.data()};
}

void Adam::expect(std::span<const std::int32_t> ids, std::span<float> values) {
  if (!lazy_) return;
  lazy_->select(ids, blocks(values));
  list_of(table_.group).resize(tensor_pieces_);
  for (const std::int32_t row : lazy_->selected()) list_word_row(row);
}

double Adam::norm(std::span<const float> gradients) {
  return std::sqrt(compute::sum_of_squares(moving_, gradients.data(), sums_));
}

void Adam::step(std::span<float> values, std::span<float> gradients, double rate_factor, double gradient_scale) {
  ++steps_;
  const auto t = static_cast<double>(steps_);
  compute::AdamStep step;
  step.bias_corrected = config_.name == "adamw";
  step.beta1 = config_.beta1;
  step.beta2 = config_.beta2;
  step.epsilon = config_.epsilon;
  step.correction1 = 1 - std::pow(config_.beta1, t);
  step.correction2 = 1 - std::pow(config_.beta2, t);
  step.gradient_scale = gradient_scale;
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    step.learning_rate = groups_[g].learning_rate * rate_factor;
    step.weight_decay = groups_[g].weight_decay;
    step.to_anchor = step.weight_decay != 0 && !anchor_.empty();
    constants_[g] = compute::adam_constants(step);
  }
  compute::adam_update(constants_, moving_, blocks(values, gradients.data()));
  compute::clear(frozen_, gradients.data());
  if (lazy_ && !groups_[table_.group].frozen) lazy_->stepped(constants_[table_.group], blocks(values));
}

void Adam::resume(std::int64_t steps, std::span<float> values) {
  steps_ = steps;
  if (lazy_) lazy_->take_over(blocks(values));
}

void Adam::catch_up(std::span<float> values) {
  if (lazy_) lazy_->catch_up(blocks(values));
}

}  // namespace initlab::train
