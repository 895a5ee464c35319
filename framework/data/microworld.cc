// The generated language's face: vocabulary, stories and labelled examples as functions of the world's seed.
#include "data/microworld.hpp"

#include <cassert>

#include "base/error.hpp"
#include "base/text.hpp"
#include "data/microworld_lexicon.hpp"
#include "data/microworld_stories.hpp"
#include "data/microworld_tasks.hpp"

namespace initlab::data {
namespace {

std::vector<std::string> all_words() {
  std::vector<std::string> words{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
  const auto add = [&](Words list) { words.insert(words.end(), list.begin(), list.end()); };
  add(grammar_words());
  for (const Category category : kCategories) words.emplace_back(category_name(category));
  for (const Category category : kCategories) add(measure_words(category));
  add(particles());
  add(degree_words());
  add(time_words());
  for (const auto list : {comment_words, reaction_words, verdict_words, adverb_words}) {
    for (const bool positive : {false, true}) add(list(positive));
  }
  for (const bool living : {false, true}) {
    for (const bool positive : {false, true}) add(adjective_words(living, positive));
  }
  for (const Category category : kObjectCategories) add(verb_words(category));
  for (const Category category : kCategories) add(noun_words(category));
  return words;
}

bool is_dev(const std::string& part) {
  const std::vector<std::string> parts{"train", "dev"};
  if (part != parts[0] && part != parts[1]) {
    throw base::Error(
        {"", "part of the microworld", "train or dev", base::quote(part), base::did_you_mean(part, parts)});
  }
  return part == parts[1];
}

base::Stream stream_of(std::int64_t world, const std::string& what, const std::string& part) {
  return {static_cast<std::uint64_t>(world), "microworld/" + what + '/' + part};
}

}  // namespace

Microworld::Microworld(std::int64_t seed) : seed_(seed), vocabulary_(all_words()) {}

std::vector<StoryPiece> Microworld::stories(const std::string& part, std::int64_t tokens) const {
  const Lexicon lexicon(seed_);
  const base::Stream stream = stream_of(seed_, "stories", part);
  const std::int64_t wanted = is_dev(part) ? kDevTokens : tokens;
  std::vector<StoryPiece> pieces;
  std::int64_t sum = 0;
  for (std::uint64_t story = 0; sum < wanted; ++story) {
    Cursor cursor(stream, story);
    for (StoryPiece& piece : tell_story(lexicon, cursor)) {
      if (sum >= wanted) break;
      sum += token_count(piece);
      pieces.push_back(std::move(piece));
    }
  }
  return pieces;
}

std::vector<LabelledText> Microworld::examples(const std::string& task, const std::string& part, std::int64_t n) const {
  TaskWriter write = nullptr;
  std::vector<std::string> names;
  for (const MicroworldTask& entry : microworld_tasks()) {
    names.emplace_back(entry.name);
    if (entry.name == task) write = entry.write;
  }
  if (write == nullptr) {
    throw base::Error(
        {"", "task of the microworld", base::join(names, ", "), base::quote(task), base::did_you_mean(task, names)});
  }
  const Half half = is_dev(part) ? Half::held_out : Half::seen;
  const Lexicon lexicon(seed_);
  const base::Stream stream = stream_of(seed_, task, part);
  const base::Stream order = stream_of(seed_, task, part + "/labels");
  std::vector<LabelledText> examples;
  for (std::int64_t i = 0; i < n; ++i) {
    // Examples 2k and 2k + 1 have both labels, in an order of their own: every even prefix is balanced exactly.
    const auto index = static_cast<std::uint64_t>(i);
    const bool label = (order.below(index / 2, 2) == 1) != (index % 2 == 1);
    Cursor cursor(stream, index);
    examples.push_back(write(lexicon, half, cursor, label));
  }
  return examples;
}

}  // namespace initlab::data
