// One world's lexicon: which half of each open class is held out, which cue goes with which class; and how to draw from
// it.
#pragma once

#include <array>
#include <cassert>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.hpp"
#include "data/microworld_words.hpp"

namespace initlab::data {

// Consecutive draws of one item (a story, an example) of a stream: draw j of item i is draw i * kDraws + j of the
// stream, so every item is a function of its index alone.
class Cursor {
 public:
  Cursor(const base::Stream& stream, std::uint64_t item)
      : stream_(stream), next_(item * kDraws), end_(next_ + kDraws) {}
  bool chance(double probability) { return stream_.uniform(take()) < probability; }
  std::size_t below(std::size_t bound) { return static_cast<std::size_t>(stream_.below(take(), bound)); }
  template <typename List>
  auto pick(const List& list) {
    return list[below(list.size())];
  }

 private:
  static constexpr std::uint64_t kDraws = 1024;
  std::uint64_t take() {
    assert(next_ < end_);
    return next_++;
  }
  base::Stream stream_;
  std::uint64_t next_, end_;
};

// Which words of an open class may be drawn: labelled training text sees one half, labelled development text the other,
// stories both.
enum class Half { seen, held_out, both };

class Lexicon {
 public:
  explicit Lexicon(std::int64_t world);

  Words nouns(Category category, Half half) const;
  Words verbs(Category object, Half half) const;
  Words adjectives(bool living, bool positive, Half half) const;
  Words adverbs(bool positive, Half half) const;

  std::string_view particle(Category object) const;  // of a verb class
  Words degrees(bool positive) const;                // of adjectives with that polarity

 private:
  using Shuffled = std::vector<std::string_view>;  // the first half is seen, the second held out
  std::array<Shuffled, 6> nouns_, verbs_;          // by Category; verbs_ has none for person
  std::array<Shuffled, 4> adjectives_;             // 2 * living + positive
  std::array<Shuffled, 2> adverbs_;                // negative, positive
  Shuffled particles_, degrees_;
};

// A sentence under construction: words with single spaces between them.
class Line {
 public:
  Line& say(std::string_view word);
  Line& say(std::initializer_list<std::string_view> words);
  // "a" or "an", as the word's first letter asks, then the word.
  Line& say_one(std::string_view word);
  const std::string& text() const { return text_; }
  std::int64_t words() const { return words_; }

 private:
  std::string text_;
  std::int64_t words_ = 0;
};

}  // namespace initlab::data
