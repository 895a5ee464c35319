// Text to tokenized examples: subset, tokenize, cut, and the score of the constant prediction.
#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "base/error.hpp"
#include "base/hash.hpp"
#include "base/random.hpp"
#include "base/text.hpp"
#include "data/data.hpp"
#include "data/masking.hpp"
#include "data/metrics.hpp"
#include "data/source.hpp"

namespace initlab::data {
namespace {

constexpr std::size_t kEvalShare = 20;  // one in so many sequences of a text is evaluated

// The rows that train_size keeps: the first n of one permutation, so that sizes are nested.
template <class T>
void keep_subset(std::vector<T>& rows, const config::TaskConfig& task, std::uint64_t seed) {
  if (!task.train_size) return;
  const auto size = static_cast<std::size_t>(*task.train_size);
  if (size > rows.size())
    throw base::Error({task.place, "task.train_size", "at most " + std::to_string(rows.size()) + ", the training split",
                       std::to_string(size), "leave train_size out to use all of it"});
  const base::Stream stream(seed, "subset");
  const std::vector<std::uint32_t> order = base::permutation(stream, static_cast<std::uint32_t>(rows.size()));
  std::vector<T> kept;
  kept.reserve(size);
  for (std::size_t i = 0; i < size; ++i) kept.push_back(std::move(rows[order[i]]));
  rows = std::move(kept);
}

std::vector<Example> tokenized(const std::vector<Row>& rows, const text::WordPiece& tokenizer,
                               std::int64_t max_length) {
  std::vector<Example> examples;
  examples.reserve(rows.size());
  for (const Row& row : rows) {
    text::Encoding encoding = row.second.empty() ? tokenizer.encode(row.first, max_length)
                                                 : tokenizer.encode_pair(row.first, row.second, max_length);
    examples.push_back({std::move(encoding.ids), std::move(encoding.types), row.label, row.target});
  }
  return examples;
}

// Documents end at blank lines; neither they nor lines matter to the tokenizer, so lines are tokenized one by one and
// joined.
std::vector<std::int32_t> joined_tokens(const std::vector<std::string>& files, const text::WordPiece& tokenizer) {
  std::vector<std::int32_t> tokens;
  for (const std::string& file : files) {
    for (const std::string_view line : base::split(file, '\n')) {
      const std::vector<std::int32_t> ids = tokenizer.tokenize(line);
      tokens.insert(tokens.end(), ids.begin(), ids.end());
    }
  }
  return tokens;
}

std::vector<Example> sequences(const std::vector<std::int32_t>& tokens, const text::SpecialIds& special,
                               std::int64_t max_length) {
  const auto room = static_cast<std::size_t>(max_length - 2);
  std::vector<Example> examples;
  for (std::size_t begin = 0; begin < tokens.size(); begin += room) {
    const std::size_t end = std::min(begin + room, tokens.size());
    Example example;
    example.ids.push_back(special.cls);
    for (std::size_t i = begin; i < end; ++i) example.ids.push_back(tokens[i]);
    example.ids.push_back(special.sep);
    example.types.resize(example.ids.size(), 0);
    examples.push_back(std::move(example));
  }
  return examples;
}

// Sequences of a text; the tail is held out.
void cut_text(TaskData& data, const Source& source, const config::TaskConfig& task, const text::WordPiece& tokenizer,
              std::int64_t max_length) {
  data.train = sequences(joined_tokens(source.files, tokenizer), data.special, max_length);
  const std::size_t held_out = std::max<std::size_t>(1, data.train.size() / kEvalShare);
  if (data.train.size() < 2)
    throw base::Error({task.data.value_or(""), "text",
                       "at least two sequences of " + std::to_string(max_length) + " tokens",
                       std::to_string(data.train.size()), "give more text, or a smaller training.max_length"});
  const auto tail = data.train.end() - static_cast<std::ptrdiff_t>(held_out);
  data.eval.assign(std::make_move_iterator(tail), std::make_move_iterator(data.train.end()));
  data.train.erase(tail, data.train.end());
}

// A sequence of unknown words alone has nothing to predict.
void drop_unpredictable(std::vector<Example>& examples, const Masker& masker, const config::TaskConfig& task) {
  std::erase_if(examples, [&](const Example& example) { return masker.most_predictions(example.ids) == 0; });
  if (examples.empty())
    throw base::Error({task.place, "task.data", "text with words of the vocabulary", "[UNK] alone",
                       "does the vocabulary fit the text?"});
}

template <class Key>
Key most_frequent(const std::map<Key, std::int64_t>& counts) {  // the smallest of equals
  return std::max_element(counts.begin(), counts.end(),
                          [](const auto& a, const auto& b) { return a.second < b.second; })
      ->first;
}

std::vector<double> constant_class_score(const TaskData& data) {
  std::map<std::int32_t, std::int64_t> counts;
  for (const Example& example : data.train) ++counts[example.label];
  std::vector<std::int32_t> labels;
  for (const Example& example : data.eval) labels.push_back(example.label);
  const std::vector<std::int32_t> predicted(labels.size(), most_frequent(counts));
  return score_classes(data.info.metrics, predicted, labels).values;
}

std::vector<double> constant_number_score(const TaskData& data) {
  double sum = 0;
  for (const Example& example : data.train) sum += example.target;
  std::vector<float> targets;
  for (const Example& example : data.eval) targets.push_back(example.target);
  const std::vector<float> predicted(targets.size(), static_cast<float>(sum / static_cast<double>(data.train.size())));
  return score_numbers(data.info.metrics, predicted, targets).values;
}

std::vector<double> constant_token_score(const TaskData& data, const Masker& masker, std::int64_t world) {
  std::map<std::int32_t, std::int64_t> counts;
  for (const Example& example : data.train)
    for (const std::int32_t id : example.ids)
      if (masker.is_ordinary(id)) ++counts[id];
  std::vector<std::int32_t> labels;
  const base::Stream stream = evaluation_mask_stream(world);
  for (std::size_t row = 0; row < data.eval.size(); ++row)
    for (const Prediction& prediction : masker.predict(data.eval[row].ids, stream, static_cast<std::int64_t>(row)))
      labels.push_back(data.eval[row].ids[static_cast<std::size_t>(prediction.position)]);
  const std::vector<std::int32_t> predicted(labels.size(), most_frequent(counts));
  return score_classes(data.info.metrics, predicted, labels).values;
}

void load_language_model(TaskData& data, const Source& source, const config::TaskConfig& task,
                         const text::WordPiece& tokenizer, std::int64_t max_length, std::uint64_t subset_seed) {
  if (source.files.empty()) {
    data.train = tokenized(source.train, tokenizer, max_length);
    data.eval = tokenized(source.eval, tokenizer, max_length);
  } else {
    cut_text(data, source, task, tokenizer, max_length);
  }
  const Masker masker(data.special, data.vocabulary, task.mask_probability);
  drop_unpredictable(data.train, masker, task);
  drop_unpredictable(data.eval, masker, task);
  keep_subset(data.train, task, subset_seed);
}

std::vector<double> constant_score(const TaskData& data, const config::TaskConfig& task) {
  switch (data.info.head) {
    case config::HeadKind::mlm:
      return constant_token_score(data, Masker(data.special, data.vocabulary, task.mask_probability), task.world);
    case config::HeadKind::regressor:
      return constant_number_score(data);
    case config::HeadKind::classifier:
      return constant_class_score(data);
  }
  return {};
}

// The rows to hold out: of each class its share, by one permutation of all rows.
std::vector<bool> held_out_rows(const TaskData& data, double share, std::uint64_t seed) {
  std::map<std::int32_t, std::int64_t> room;  // class -> rows to hold out
  for (const Example& example : data.train) ++room[example.label];
  for (auto& [label, rows] : room) rows = std::llround(share * static_cast<double>(rows));
  std::vector<bool> held_out(data.train.size(), false);
  const base::Stream stream(seed, "held_out");
  for (const std::uint32_t row : base::permutation(stream, static_cast<std::uint32_t>(data.train.size()))) {
    std::int64_t& left = room[data.train[row].label];
    if (left == 0) continue;
    --left;
    held_out[row] = true;
  }
  return held_out;
}

template <class T>
void add_numbers(base::Sha256& hash, const std::vector<T>& numbers) {
  hash.add(std::to_string(numbers.size()) + ":");
  hash.add(numbers.data(), numbers.size() * sizeof(T));
}

std::string examples_hash(const TaskData& data) {
  base::Sha256 hash;
  for (const std::vector<Example>* part : {&data.train, &data.eval}) {
    hash.add(std::to_string(part->size()) + "\n");
    for (const Example& example : *part) {
      add_numbers(hash, example.ids);
      add_numbers(hash, example.types);
      hash.add(&example.label, sizeof example.label);
      hash.add(&example.target, sizeof example.target);
    }
  }
  return hash.finish_hex();
}

}  // namespace

TaskData hold_out(const TaskData& data, const config::TaskConfig& task, const config::TuneConfig& tune,
                  std::uint64_t seed) {
  TaskData part;
  part.info = data.info;
  part.special = data.special;
  part.vocabulary = data.vocabulary;
  const std::vector<bool> held_out = held_out_rows(data, tune.share, seed);
  for (std::size_t row = 0; row < data.train.size(); ++row)
    (held_out[row] ? part.eval : part.train).push_back(data.train[row]);
  if (part.eval.size() < static_cast<std::size_t>(kLeastHeldOut))
    throw base::Error(
        {tune.place, "training.tune.share", std::to_string(kLeastHeldOut) + " held-out examples or more",
         std::to_string(part.eval.size()) + " of the " + std::to_string(data.train.size()) + " training examples",
         "so few cannot tell rates apart; raise share or task.train_size"});
  part.sha256 = examples_hash(part);
  part.constant_class = constant_score(part, task);
  return part;
}

TaskData load(const config::TaskConfig& task, const text::WordPiece& tokenizer, std::int64_t max_length,
              std::uint64_t subset_seed) {
  TaskData data;
  data.info = task_info(task);
  data.special = tokenizer.special();
  data.vocabulary = tokenizer.size();
  Source source = read_source(task);
  data.sha256 = source.sha256;
  if (data.info.head == config::HeadKind::mlm) {
    load_language_model(data, source, task, tokenizer, max_length, subset_seed);
  } else {
    keep_subset(source.train, task, subset_seed);  // before tokenizing: only what is used is tokenized
    data.train = tokenized(source.train, tokenizer, max_length);
    data.eval = tokenized(source.eval, tokenizer, max_length);
  }
  data.constant_class = constant_score(data, task);
  return data;
}

}  // namespace initlab::data
