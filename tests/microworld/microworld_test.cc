// The generated language: what the experiments lean on. Labels are checked by a reader that knows the word lists but
// not the grammar.
#include "data/microworld.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/hash.hpp"
#include "base/text.hpp"
#include "data/microworld_words.hpp"

namespace initlab::data {
namespace {

const std::vector<std::string> kTasks{"sentiment", "acceptability", "paraphrase", "entailment"};
const std::vector<std::string> kParts{"train", "dev"};
constexpr std::int64_t kStoryTokens = 200'000;

std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> words;
  if (text.empty()) return words;
  for (const std::string_view word : base::split(text, ' ')) words.emplace_back(word);
  return words;
}

std::string hash_of_everything(std::int64_t seed) {
  const Microworld world(seed);
  base::Sha256 hash;
  for (const std::string& part : kParts) {
    for (const StoryPiece& piece : world.stories(part, 5000)) hash.add(piece.first + '\t' + piece.second + '\n');
    for (const std::string& task : kTasks) {
      for (const LabelledText& example : world.examples(task, part, 50)) {
        hash.add(example.first + '\t' + example.second + '\t' + std::to_string(example.label) + '\n');
      }
    }
  }
  return hash.finish_hex();
}

// What the word lists say about a word.
struct Meaning {
  enum class Kind { noun, verb, adjective, adverb } kind;
  Category category = Category::person;  // noun: its own; verb: its object's
  bool living = false, positive = false;
};

std::map<std::string, Meaning, std::less<>> open_words() {
  std::map<std::string, Meaning, std::less<>> words;
  const auto add = [&](Words list, const Meaning& meaning) {
    for (const std::string_view word : list) words.emplace(word, meaning);
  };
  for (const Category c : kCategories) add(noun_words(c), {Meaning::Kind::noun, c});
  for (const Category c : kObjectCategories) add(verb_words(c), {Meaning::Kind::verb, c});
  for (const bool positive : {false, true}) {
    add(adverb_words(positive), {Meaning::Kind::adverb, Category::person, false, positive});
    for (const bool living : {false, true}) {
      add(adjective_words(living, positive), {Meaning::Kind::adjective, Category::person, living, positive});
    }
  }
  return words;
}

std::set<std::string> cue_words() {
  std::set<std::string> cues;
  const auto add = [&](Words list) { cues.insert(list.begin(), list.end()); };
  add(particles());
  add(degree_words());
  add(time_words());
  for (const Category category : kCategories) add(measure_words(category));
  for (const bool positive : {false, true}) {
    add(comment_words(positive));
    add(reaction_words(positive));
    add(verdict_words(positive));
  }
  return cues;
}

class Reader {
 public:
  bool is_open(const std::string& word) const { return words_.contains(word); }
  // Words of one kind in a text, in order.
  std::vector<Meaning> all(const std::string& text, Meaning::Kind kind) const {
    std::vector<Meaning> found;
    for (const std::string& word : words_of(text)) {
      const auto meaning = words_.find(word);
      if (meaning != words_.end() && meaning->second.kind == kind) found.push_back(meaning->second);
    }
    return found;
  }
  struct Event {
    Category subject, verb, object;
  };
  // "the S verbed the O" or "the O was verbed by the S".
  Event event(const std::string& text) const {
    const auto nouns = all(text, Meaning::Kind::noun);
    const auto verbs = all(text, Meaning::Kind::verb);
    EXPECT_EQ(nouns.size(), 2u) << text;
    EXPECT_EQ(verbs.size(), 1u) << text;
    const bool passive = text.find(" by ") != std::string::npos;
    return {nouns.at(passive ? 1 : 0).category, verbs.at(0).category, nouns.at(passive ? 0 : 1).category};
  }

 private:
  std::map<std::string, Meaning, std::less<>> words_ = open_words();
};

bool contains(const std::vector<std::string>& words, const std::string& word) {
  return std::ranges::find(words, word) != words.end();
}

TEST(Microworld, SameSeedSameTextOtherSeedOtherText) {
  const std::string one = hash_of_everything(1);
  EXPECT_EQ(one, hash_of_everything(1));
  EXPECT_NE(one, hash_of_everything(2));
  EXPECT_NE(hash_of_everything(2), hash_of_everything(3));
}

// The stored digest says that no build, machine or edit changed the language unseen. Change it with the language.
TEST(Microworld, TextIsTheSameEverywhere) {
  EXPECT_EQ(hash_of_everything(1), "0f1756ddf02551f51e0f17c4cde9d2e900396e5dc0448ec6399aa77f246bf99d");
}

TEST(Microworld, VocabularyIsUniqueWholeAndTheSameInEveryWorld) {
  const std::vector<std::string> vocabulary = Microworld(1).vocabulary();
  EXPECT_EQ(vocabulary, Microworld(2).vocabulary());
  EXPECT_EQ(std::vector<std::string>(vocabulary.begin(), vocabulary.begin() + 5),
            (std::vector<std::string>{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}));
  std::set<std::string> seen;
  for (std::size_t i = 0; i < vocabulary.size(); ++i) {
    EXPECT_TRUE(seen.insert(vocabulary[i]).second) << vocabulary[i] << " stands twice";
    if (i < 5 || vocabulary[i] == "." || vocabulary[i] == ",") continue;
    EXPECT_TRUE(std::ranges::all_of(vocabulary[i], [](char c) { return c >= 'a' && c <= 'z'; })) << vocabulary[i];
    EXPECT_FALSE(vocabulary[i].empty());
  }
  EXPECT_EQ(open_words().size(), 6u * 24 + 5 * 16 + 4 * 16 + 2 * 10) << "a word stands in two classes, or a list grew";
}

TEST(Microworld, EveryWordOfEveryTextIsInTheVocabulary) {
  const Microworld world(3);
  const std::set<std::string> known(world.vocabulary().begin() + 5, world.vocabulary().end());
  const auto check = [&](const std::string& text) {
    for (const std::string& word : words_of(text))
      ASSERT_TRUE(known.contains(word)) << base::quote(word) << " in " << text;
  };
  for (const std::string& part : kParts) {
    for (const StoryPiece& piece : world.stories(part, kStoryTokens)) {
      ASSERT_FALSE(piece.first.empty());
      check(piece.first);
      check(piece.second);
    }
    for (const std::string& task : kTasks) {
      for (const LabelledText& example : world.examples(task, part, 1000)) {
        ASSERT_FALSE(example.first.empty());
        ASSERT_EQ(example.second.empty(), task == "sentiment" || task == "acceptability");
        check(example.first);
        check(example.second);
      }
    }
  }
}

TEST(Microworld, StoriesHoldTheTokensAskedForAndNotMuchMore) {
  const auto tokens = [](const std::vector<StoryPiece>& pieces) {
    std::size_t sum = 0;
    for (const StoryPiece& piece : pieces) {
      const std::size_t n =
          words_of(piece.first).size() + words_of(piece.second).size() + (piece.second.empty() ? 2 : 3);
      EXPECT_LE(n, 64u) << "longer than the shipped model's positions: " << piece.first;
      sum += n;
    }
    return sum;
  };
  const Microworld world(1);
  for (const std::int64_t wanted : {1, 1000, 200'000}) {
    const std::size_t got = tokens(world.stories("train", wanted));
    EXPECT_GE(got, static_cast<std::size_t>(wanted));
    EXPECT_LT(got, static_cast<std::size_t>(wanted) + 64);
  }
  const std::size_t dev = tokens(world.stories("dev", 1));
  EXPECT_GE(dev, static_cast<std::size_t>(Microworld::kDevTokens));
  EXPECT_LT(dev, static_cast<std::size_t>(Microworld::kDevTokens) + 64);
}

TEST(Microworld, LongerListsStartWithTheShorterOnes) {
  const Microworld world(2);
  const auto is_prefix = [](const auto& shorter, const auto& longer) {
    EXPECT_LT(shorter.size(), longer.size());
    for (std::size_t i = 0; i < shorter.size(); ++i) {
      ASSERT_EQ(shorter[i].first, longer[i].first);
      ASSERT_EQ(shorter[i].second, longer[i].second);
    }
  };
  is_prefix(world.stories("train", 5000), world.stories("train", 20'000));
  for (const std::string& task : kTasks) {
    const auto shorter = world.examples(task, "train", 101), longer = world.examples(task, "train", 900);
    ASSERT_EQ(shorter.size(), 101u);
    ASSERT_EQ(longer.size(), 900u);
    is_prefix(shorter, longer);
    for (std::size_t i = 0; i < shorter.size(); ++i) ASSERT_EQ(shorter[i].label, longer[i].label);
  }
}

TEST(Microworld, DevelopmentStoriesAreOtherStories) {
  const Microworld world(1);
  const auto train = world.stories("train", Microworld::kDevTokens), dev = world.stories("dev", 0);
  std::size_t same = 0;
  for (std::size_t i = 0; i < std::min(train.size(), dev.size()); ++i) same += train[i].first == dev[i].first ? 1 : 0;
  EXPECT_LT(same, dev.size() / 20);
}

TEST(Microworld, LabelsAreBalancedExactly) {
  for (const std::int64_t seed : {1, 2, 3}) {
    const Microworld world(seed);
    for (const std::string& task : kTasks) {
      for (const std::string& part : kParts) {
        std::int64_t ones = 0, repeats = 0, n = 0;
        std::int32_t before = -1;
        for (const LabelledText& example : world.examples(task, part, 768)) {
          ASSERT_TRUE(example.label == 0 || example.label == 1);
          ones += example.label;
          repeats += example.label == before ? 1 : 0;
          before = example.label;
          if (++n % 2 == 0) {
            ASSERT_EQ(2 * ones, n) << task << ' ' << part;
          }
        }
        EXPECT_GT(repeats, 120) << "labels only alternate";
      }
    }
  }
}

// The claim on which every result stands: no open-class word of the training split is in the development split, each
// class has words in both, and the stories show all of them.
TEST(Microworld, TrainAndDevShareNoOpenWordAndStoriesShowAll) {
  const Reader reader;
  const auto meanings = open_words();
  std::set<std::set<std::string>> splits;
  for (const std::int64_t seed : {1, 2, 3}) {
    const Microworld world(seed);
    std::map<std::string, std::set<std::string>> used;
    for (const std::string& part : kParts) {
      for (const std::string& task : kTasks) {
        for (const LabelledText& example : world.examples(task, part, 3000)) {
          for (const std::string& text : {example.first, example.second}) {
            for (const std::string& word : words_of(text)) {
              if (reader.is_open(word)) used[part].insert(word);
            }
          }
        }
      }
    }
    for (const std::string& word : used["train"]) EXPECT_FALSE(used["dev"].contains(word)) << word;
    // Nearly all 308 words come up in 12,000 examples of each part, half in each.
    EXPECT_EQ(used["train"].size(), meanings.size() / 2);
    EXPECT_EQ(used["dev"].size(), meanings.size() / 2);
    splits.insert(used["dev"]);

    std::map<std::string, int> count;
    for (const StoryPiece& piece : world.stories("train", kStoryTokens)) {
      for (const std::string& word : words_of(piece.first)) ++count[word];
      for (const std::string& word : words_of(piece.second)) ++count[word];
    }
    for (const auto& [word, meaning] : meanings) EXPECT_GE(count[word], 30) << word << " in world " << seed;
  }
  EXPECT_EQ(splits.size(), 3u) << "two worlds hold the same words out";
}

TEST(Microworld, TasksUseNoCueWords) {
  const std::set<std::string> cues = cue_words();
  ASSERT_EQ(cues.size(), 12u + 5 + 8 + 6 + 4 + 4 + 4);
  for (const std::int64_t seed : {1, 2}) {
    const Microworld world(seed);
    for (const std::string& task : kTasks) {
      for (const std::string& part : kParts) {
        for (const LabelledText& example : world.examples(task, part, 2000)) {
          for (const std::string& word : words_of(example.first + ' ' + example.second)) {
            ASSERT_FALSE(cues.contains(word)) << word << " in " << task << ": " << example.first;
          }
        }
      }
    }
  }
}

// The label must not show without the classes: replace every open word by one and the same mark, and each remaining
// pattern has both labels about equally often.
TEST(Microworld, ClosedWordsAndFormsSayNothingAboutTheLabel) {
  const Reader reader;
  const Microworld world(1);
  for (const std::string& task : kTasks) {
    std::map<std::string, std::array<double, 2>> patterns;
    for (const LabelledText& example : world.examples(task, "train", 20'000)) {
      std::string pattern;
      for (const std::string& word : words_of(example.first + " | " + example.second)) {
        pattern += (reader.is_open(word) ? "*" : word) + ' ';
      }
      patterns[pattern][static_cast<std::size_t>(example.label)] += 1;
    }
    EXPECT_GE(patterns.size(), 2u);
    for (const auto& [pattern, count] : patterns) {
      const double n = count[0] + count[1];
      // Five standard deviations of a fair coin.
      EXPECT_NEAR(count[1], n / 2, 5 * std::sqrt(n) / 2) << task << ": " << pattern;
    }
  }
}

TEST(Microworld, SentimentLabelIsThePolarityOfTheLastClause) {
  const Reader reader;
  std::map<std::string, int> forms;
  for (const std::string& part : kParts) {
    for (const LabelledText& example : Microworld(1).examples("sentiment", part, 3000)) {
      const auto adjectives = reader.all(example.first, Meaning::Kind::adjective);
      const auto nouns = reader.all(example.first, Meaning::Kind::noun);
      const std::vector<std::string> words = words_of(example.first);
      const bool negated = contains(words, "not"), turned = contains(words, "but");
      ++forms[negated ? "negated" : turned ? "but" : "plain"];
      ASSERT_EQ(adjectives.size(), turned ? 2u : 1u) << example.first;
      ASSERT_EQ(nouns.size(), adjectives.size());
      ASSERT_EQ(adjectives.back().positive != negated, example.label == 1) << example.first;
      if (turned) {
        ASSERT_NE(adjectives[0].positive, adjectives[1].positive) << example.first;
      }
      for (std::size_t i = 0; i < nouns.size(); ++i) {
        ASSERT_EQ(adjectives[i].living, is_living(nouns[i].category)) << example.first;
      }
    }
  }
  EXPECT_NEAR(forms["plain"], 0.34 * 6000, 150);
  EXPECT_NEAR(forms["negated"], 0.33 * 6000, 150);
  EXPECT_NEAR(forms["but"], 0.33 * 6000, 150);
}

TEST(Microworld, AcceptableSentencesHaveTheVerbsObjectAndALivingSubject) {
  const Reader reader;
  int wrong_object = 0, lifeless = 0;
  for (const std::string& part : kParts) {
    for (const LabelledText& example : Microworld(2).examples("acceptability", part, 3000)) {
      const Reader::Event event = reader.event(example.first);
      const bool can =
          event.subject == Category::person || (event.subject == Category::animal && animals_can(event.verb));
      ASSERT_EQ(event.object == event.verb && can, example.label == 1) << example.first;
      if (example.label == 1) continue;
      lifeless += is_living(event.subject) ? 0 : 1;
      wrong_object += event.object == event.verb ? 0 : 1;
      ASSERT_NE(event.object, Category::person) << "no verb takes persons, so they would give the answer away";
    }
  }
  EXPECT_EQ(wrong_object + lifeless, 3000) << "a wrong sentence is wrong in exactly one way";
  EXPECT_NEAR(wrong_object, 0.7 * 3000, 130);
}

TEST(Microworld, ParaphrasesTellTheSameKindOfEventInTheOtherVoice) {
  const Reader reader;
  const auto is_passive = [](const std::string& text) { return contains(words_of(text), "by"); };
  const auto subject = [&](const std::string& text) {
    const std::vector<std::string> words = words_of(text);
    return is_passive(text) ? words.at(words.size() - 2) : words.at(1);
  };
  for (const std::string& part : kParts) {
    for (const LabelledText& example : Microworld(1).examples("paraphrase", part, 3000)) {
      const Reader::Event one = reader.event(example.first), two = reader.event(example.second);
      ASSERT_EQ(one.object, one.verb) << example.first;
      ASSERT_EQ(two.object, two.verb) << example.second;
      ASSERT_EQ(one.verb == two.verb, example.label == 1) << example.first << ' ' << example.second;
      ASSERT_NE(is_passive(example.first), is_passive(example.second));
      ASSERT_EQ(subject(example.first), subject(example.second));
    }
  }
}

TEST(Microworld, EntailedCategoriesAreThoseOfTheEventsNouns) {
  const Reader reader;
  std::map<std::string, std::array<int, 2>> claims;
  for (const std::string& part : kParts) {
    for (const LabelledText& example : Microworld(3).examples("entailment", part, 3000)) {
      const Reader::Event event = reader.event(example.first);
      const std::string claim = words_of(example.second).at(3);
      const bool follows = claim == category_name(event.subject) || claim == category_name(event.object);
      ASSERT_EQ(follows, example.label == 1) << example.first << ' ' << example.second;
      ASSERT_EQ(event.object, event.verb);
      ++claims[claim][static_cast<std::size_t>(example.label)];
    }
  }
  EXPECT_EQ(claims.size(), 6u);
  for (const auto& [claim, count] : claims) EXPECT_NEAR(count[0], count[1], 160) << claim;
}

// The cues are what stories teach classes with, so they must go with one class in every world.
TEST(Microworld, StoryCuesGoWithOneClass) {
  const auto meanings = open_words();
  for (const std::int64_t seed : {1, 2, 3}) {
    std::map<std::string, std::set<Category>> verb_classes, noun_classes;
    std::map<std::string, std::set<bool>> polarities;
    const auto read = [&](const std::string& text) {
      const std::vector<std::string> words = words_of(text);
      const auto meaning = [&](std::size_t i) {
        const auto found = i < words.size() ? meanings.find(words[i]) : meanings.end();
        return found == meanings.end() ? nullptr : &found->second;
      };
      for (std::size_t i = 0; i < words.size(); ++i) {
        if (const Meaning* verb = i > 0 ? meaning(i - 1) : nullptr; verb && std::ranges::count(particles(), words[i])) {
          ASSERT_EQ(verb->kind, Meaning::Kind::verb) << text;
          verb_classes[words[i]].insert(verb->category);
        }
        if (const Meaning* next = meaning(i + 1); next && std::ranges::count(degree_words(), words[i])) {
          ASSERT_EQ(next->kind, Meaning::Kind::adjective) << text;
          polarities[words[i]].insert(next->positive);
        }
        if (const Meaning* noun = meaning(i + 2);
            noun && noun->kind == Meaning::Kind::noun && words.at(i + 1) == "of") {
          noun_classes[words[i]].insert(noun->category);
        }
      }
    };
    for (const StoryPiece& piece : Microworld(seed).stories("train", kStoryTokens)) {
      read(piece.first);
      read(piece.second);
    }
    EXPECT_EQ(verb_classes.size(), 5u);
    EXPECT_EQ(polarities.size(), 8u);
    EXPECT_EQ(noun_classes.size(), 12u);
    std::size_t good = 0;
    for (const auto& [word, classes] : verb_classes) EXPECT_EQ(classes.size(), 1u) << word;
    for (const auto& [word, classes] : noun_classes) EXPECT_EQ(classes.size(), 1u) << word;
    for (const auto& [word, classes] : polarities) {
      EXPECT_EQ(classes.size(), 1u) << word;
      good += classes.contains(true) ? 1 : 0;
    }
    EXPECT_EQ(good, 4u);
  }
}

TEST(Microworld, UnknownNamesAreErrorsWithASuggestion) {
  const Microworld world(1);
  try {
    world.examples("sentimnt", "train", 1);
    FAIL() << "no error";
  } catch (const base::Error& error) {
    const std::string text = error.what();
    EXPECT_NE(text.find("sentiment, acceptability, paraphrase, entailment"), std::string::npos) << text;
    EXPECT_NE(text.find("did you mean \"sentiment\"?"), std::string::npos) << text;
  }
  EXPECT_THROW(world.examples("sentiment", "test", 1), base::Error);
  EXPECT_THROW(world.stories("", 1), base::Error);
  EXPECT_TRUE(world.examples("sentiment", "train", 0).empty());
  EXPECT_TRUE(world.stories("train", 0).empty());
}

}  // namespace
}  // namespace initlab::data
