// Shuffles the word lists by the world's seed. See the header.
#include "data/microworld_lexicon.hpp"

namespace initlab::data {
namespace {

using std::string_view;

std::vector<string_view> shuffled(std::int64_t world, Words words) {
  // The list's first word names its stream: it is unique, and adding a list moves no other.
  const base::Stream stream(static_cast<std::uint64_t>(world), "microworld/class/" + std::string(words.front()));
  std::vector<string_view> result;
  for (const std::uint32_t i : base::permutation(stream, static_cast<std::uint32_t>(words.size()))) {
    result.push_back(words[i]);
  }
  return result;
}

Words part(const std::vector<string_view>& words, Half half) {
  const Words all(words);
  const std::size_t middle = all.size() / 2;
  switch (half) {
    case Half::seen:
      return all.first(middle);
    case Half::held_out:
      return all.subspan(middle);
    case Half::both:
      break;
  }
  return all;
}

std::size_t index(Category category) { return static_cast<std::size_t>(category); }
std::size_t index(bool living, bool positive) { return (living ? 2u : 0u) + (positive ? 1u : 0u); }

}  // namespace

Lexicon::Lexicon(std::int64_t world)
    : particles_(shuffled(world, data::particles())), degrees_(shuffled(world, data::degree_words())) {
  for (const Category category : kCategories) nouns_[index(category)] = shuffled(world, noun_words(category));
  for (const Category object : kObjectCategories) verbs_[index(object)] = shuffled(world, verb_words(object));
  for (const bool positive : {false, true}) {
    adverbs_[positive ? 1 : 0] = shuffled(world, adverb_words(positive));
    for (const bool living : {false, true}) {
      adjectives_[index(living, positive)] = shuffled(world, adjective_words(living, positive));
    }
  }
}

Words Lexicon::nouns(Category category, Half half) const { return part(nouns_[index(category)], half); }
Words Lexicon::verbs(Category object, Half half) const {
  assert(object != Category::person);
  return part(verbs_[index(object)], half);
}
Words Lexicon::adjectives(bool living, bool positive, Half half) const {
  return part(adjectives_[index(living, positive)], half);
}
Words Lexicon::adverbs(bool positive, Half half) const { return part(adverbs_[positive ? 1 : 0], half); }

string_view Lexicon::particle(Category object) const { return particles_[index(object) - 1]; }
Words Lexicon::degrees(bool positive) const { return part(degrees_, positive ? Half::held_out : Half::seen); }

Line& Line::say(string_view word) {
  if (words_ > 0) text_ += ' ';
  text_ += word;
  ++words_;
  return *this;
}

Line& Line::say(std::initializer_list<string_view> words) {
  for (const string_view word : words) say(word);
  return *this;
}

Line& Line::say_one(string_view word) {
  const bool vowel = string_view("aeiou").find(word.front()) != string_view::npos;
  return say({vowel ? "an" : "a", word});
}

}  // namespace initlab::data
