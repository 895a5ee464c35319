// Microworld: a generated, English-like language with known latent structure, the data set that needs no download.
//
// Six noun categories, verbs that select one object category, adjectives and adverbs with polarity, short coherent
// stories. Half of each open word class never appears in the training split of the labelled tasks, and only that half
// appears in their development split: only a model that learned word classes from the unlabelled stories can solve
// them. Everything is a pure function of the world's seed: which half of each class is held out, which cue goes with
// which class, and every sentence. The word lists are the same in every world (microworld_words.hpp), so worlds differ
// but are of one kind.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace initlab::data {

// One labelled example. `second` is empty for single-sentence tasks.
struct LabelledText {
  std::string first, second;
  std::int32_t label = 0;
};

// A pre-training sequence: one or two sentences; `second` may be empty.
struct StoryPiece {
  std::string first, second;
};

class Microworld {
 public:
  static constexpr std::int64_t kDevTokens = 20'000;

  explicit Microworld(std::int64_t seed);
  // [PAD] [UNK] [CLS] [SEP] [MASK], then the words; whole words only, so WordPiece never splits one.
  const std::vector<std::string>& vocabulary() const { return vocabulary_; }
  // Stories cut into pieces of one or two sentences, until at least `tokens` tokens ([CLS] and [SEP] counted) are
  // there. `part`: "train", or "dev": other stories, kDevTokens whatever `tokens` says. A longer list starts with the
  // shorter one. Words and punctuation are separated by single spaces. Throws Error on another part.
  std::vector<StoryPiece> stories(const std::string& part, std::int64_t tokens) const;
  // task: sentiment, acceptability, paraphrase, entailment; part: "train" (seen half of the words) or "dev" (the
  // held-out half). `n` examples, labels (0 or 1) balanced exactly in every even prefix; a longer list starts with the
  // shorter one. 1 means: good, fits, same event, follows. Throws Error on another task or part.
  std::vector<LabelledText> examples(const std::string& task, const std::string& part, std::int64_t n) const;

 private:
  std::int64_t seed_;
  std::vector<std::string> vocabulary_;
};

}  // namespace initlab::data
