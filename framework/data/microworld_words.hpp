// The words of the generated language and what each means: word lists only, the same in every world.
//
// Open classes (nouns, verbs, adjectives, adverbs) are those whose halves a world splits into seen and held out; closed
// words are grammar, category names and the cues that only stories use. No word stands in two lists.
#pragma once

#include <array>
#include <span>
#include <string_view>

namespace initlab::data {

enum class Category { person, animal, food, tool, garment, place };

inline constexpr std::array kCategories{Category::person, Category::animal,  Category::food,
                                        Category::tool,   Category::garment, Category::place};
// What verbs can select. A verb class is named by the category of its object; no verb takes a person as its object.
inline constexpr std::array kObjectCategories{Category::animal, Category::food, Category::tool, Category::garment,
                                              Category::place};

inline bool is_living(Category category) { return category == Category::person || category == Category::animal; }
// Tools and garments are handled by persons only; animals, food and places by persons and animals.
inline bool animals_can(Category verb_class) { return verb_class != Category::tool && verb_class != Category::garment; }

using Words = std::span<const std::string_view>;

// Open classes.
Words noun_words(Category category);                // 24 each
Words verb_words(Category object);                  // 16 each; past tense and participle are one form. Not for person.
Words adjective_words(bool living, bool positive);  // 16 each
Words adverb_words(bool positive);                  // 10 each

// Closed words that labelled tasks may use.
std::string_view category_name(Category category);
Words grammar_words();  // articles, auxiliaries, prepositions, connectives, punctuation

// Cues: closed words that go with one class. Stories only.
Words measure_words(Category category);  // 2 each: "a plate of bread"
Words particles();                       // 5; the world says which goes with which verb class
Words degree_words();                    // 8; the world says which half goes with good adjectives
Words comment_words(bool positive);      // "luckily , ..."
Words reaction_words(bool positive);     // "the girl smiled ."
Words verdict_words(bool positive);      // "it was a good day ."
Words time_words();                      // neutral: "then ...", and the parts of a day

}  // namespace initlab::data
