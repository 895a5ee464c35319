// Story grammar. What each sentence form is there to teach stands beside it: a word's class must show in the words
// around it, and the same class must show in several ways. Probabilities are those that transferred in experiments.
#include "data/microworld_stories.hpp"

#include <algorithm>
#include <utility>

namespace initlab::data {
namespace {

using std::string_view;
constexpr Half kBoth = Half::both;

struct Entity {
  Category category;
  string_view noun;
};

class Story {
 public:
  Story(const Lexicon& lexicon, Cursor& cursor)
      : lexicon_(lexicon),
        draw_(cursor),
        good_(draw_.chance(0.5)),
        verb_class_(draw_verb_class()),
        subject_(entity(draw_.chance(animals_can(verb_class_) ? 0.35 : 1) ? Category::person : Category::animal)),
        object_(entity(verb_class_, subject_.noun)),
        place_(entity(Category::place, object_.noun)) {}

  std::vector<Line> tell() {
    opening();
    event();
    if (draw_.chance(0.5)) restatement();
    if (draw_.chance(0.3)) definition();
    if (draw_.chance(0.25)) existence();
    attribute();
    if (draw_.chance(0.5)) attribute();
    if (draw_.chance(0.4)) second_event();
    if (draw_.chance(0.4)) closer();
    return std::move(lines_);
  }

 private:
  Entity entity(Category category, string_view but = "") {
    string_view noun = but;
    while (noun == but) noun = draw_.pick(lexicon_.nouns(category, kBoth));
    return {category, noun};
  }

  // Animals and places come up in other ways too, so they are the object less often: words should be about equally
  // frequent.
  Category draw_verb_class() {
    using enum Category;
    return draw_.pick(
        std::array{animal, animal, place, place, food, food, food, tool, tool, tool, garment, garment, garment});
  }

  string_view preposition() { return draw_.pick(std::array<string_view, 3>{"at", "in", "near"}); }

  // "a plate of bread": the measure word goes with the noun's category.
  void say_measured(Line& line, const Entity& thing) {
    line.say_one(draw_.pick(measure_words(thing.category))).say({"of", thing.noun});
  }

  // "very gentle": the degree word goes with the adjective's own polarity, and stands directly before it. Both matter:
  // evaluative words further off did not teach polarity. Returns the adjective; `but` is not drawn again.
  string_view say_quality(Line& line, Category category, bool positive, string_view but = "") {
    if (draw_.chance(0.8)) line.say(draw_.pick(lexicon_.degrees(positive)));
    string_view adjective = but;
    while (adjective == but) adjective = draw_.pick(lexicon_.adjectives(is_living(category), positive, kBoth));
    line.say(adjective);
    return adjective;
  }

  // The first sentence sets the scene: "near the market there was a herd of goat ."
  void opening() {
    Line line;
    if (draw_.chance(0.3)) {
      line.say({"the", place_.noun, "was"});
      say_quality(line, Category::place, good_);
    } else {
      line.say({preposition(), "the", place_.noun, "there", "was"});
      const Entity& who = draw_.chance(0.5) ? subject_ : object_;
      if (draw_.chance(0.5)) {
        say_measured(line, who);
      } else {
        const string_view adjective = draw_.pick(lexicon_.adjectives(is_living(who.category), good_, kBoth));
        line.say_one(adjective).say(who.noun);
      }
    }
    end(line);
  }

  void say_verb(Line& line, string_view verb) {
    line.say(verb);
    if (draw_.chance(0.6)) line.say(lexicon_.particle(verb_class_));
  }

  void say_object(Line& line, const Entity& object) {
    if (draw_.chance(0.5)) {
      say_measured(line, object);
    } else {
      line.say({"the", object.noun});
    }
  }

  // Who did what: a verb class shows in its particle, its objects and its subjects.
  void say_clause(Line& line, const Entity& object, bool active) {
    const string_view verb = draw_.pick(lexicon_.verbs(verb_class_, kBoth));
    if (active) {
      line.say({"the", subject_.noun});
      say_verb(line, verb);
      say_object(line, object);
    } else {
      say_object(line, object);
      line.say("was");
      say_verb(line, verb);
      line.say({"by", "the", subject_.noun});
    }
  }

  void event() {
    Line line;
    if (draw_.chance(0.35)) line.say({draw_.pick(comment_words(good_)), ","});
    active_ = draw_.chance(0.6);
    say_clause(line, object_, active_);
    if (draw_.chance(0.6)) line.say(draw_.pick(lexicon_.adverbs(good_, kBoth)));
    if (draw_.chance(0.25)) line.say({preposition(), "the", place_.noun});
    end(line);
  }

  // The same event in the other voice and with another verb of the class: what a paraphrase is.
  void restatement() {
    Line line;
    line.say({"that", "is", ","});
    // 60 % the same object, 20 % its category, 20 % another of the category.
    Entity object = object_;
    const std::size_t kind = draw_.below(10);
    if (kind < 2) {
      object = entity(object_.category, subject_.noun);
    } else if (kind < 4) {
      object.noun = category_name(object_.category);
    }
    say_clause(line, object, !active_);
    end(line);
  }

  // Whom a clause is about. Half of them living, so that both groups of adjectives are about equally frequent.
  Entity someone() {
    const std::size_t who = draw_.below(10);
    if (who < 5) return subject_;
    return who < 8 ? object_ : place_;
  }

  // "a goat is a kind of animal ."
  void definition() {
    const Entity who = someone();
    Line line;
    line.say_one(who.noun).say({"is", "a", "kind", "of", category_name(who.category)});
    end(line);
  }

  // "there was an animal ."
  void existence() {
    Line line;
    line.say({"there", "was"}).say_one(category_name((draw_.chance(0.5) ? subject_ : object_).category));
    end(line);
  }

  void say_who(Line& line, const Entity& who) {
    line.say({"the", draw_.chance(0.3) ? category_name(who.category) : who.noun});
  }

  // A clause whose sense is `positive`: plain, negated (the adjective has the other polarity) or two adjectives.
  void say_attribute(Line& line, bool positive) {
    const Entity who = someone();
    say_who(line, who);
    line.say("was");
    const std::size_t form = draw_.below(4);
    if (form == 0) {
      line.say("not");
      say_quality(line, who.category, !positive);
    } else {
      const string_view adjective = say_quality(line, who.category, positive);
      if (form == 1) {
        line.say("and");
        say_quality(line, who.category, positive, adjective);
      }
    }
  }

  // Attributes agree with the story; "X , but Y" ends in the story's polarity and starts in the other.
  void attribute() {
    Line line;
    if (draw_.chance(0.35)) line.say({draw_.pick(comment_words(good_)), ","});
    if (draw_.chance(0.3)) {
      say_attribute(line, !good_);
      line.say({",", "but"});
    }
    say_attribute(line, good_);
    end(line);
  }

  void second_event() {
    Line line;
    if (draw_.chance(0.5)) line.say({draw_.pick(time_words().first(3)), ","});
    const Entity object = draw_.chance(0.5) ? object_ : entity(verb_class_, subject_.noun);
    say_clause(line, object, draw_.chance(0.6));
    if (draw_.chance(0.4)) line.say(draw_.pick(lexicon_.adverbs(good_, kBoth)));
    end(line);
  }

  void closer() {
    Line line;
    if (draw_.chance(0.5)) {
      say_who(line, subject_);
      line.say(draw_.pick(reaction_words(good_)));
    } else {
      line.say({"it", "was", "a", draw_.pick(verdict_words(good_)), draw_.pick(time_words().last(3))});
    }
    end(line);
  }

  void end(Line& line) {
    line.say(".");
    lines_.push_back(std::move(line));
  }

  const Lexicon& lexicon_;
  Cursor& draw_;
  bool good_;
  Category verb_class_;
  Entity subject_, object_, place_;
  bool active_ = true;
  std::vector<Line> lines_;
};

}  // namespace

std::vector<StoryPiece> tell_story(const Lexicon& lexicon, Cursor& cursor) {
  const std::vector<Line> lines = Story(lexicon, cursor).tell();
  // Short pieces: whole stories as sequences left the model on the unigram plateau for three times as long.
  std::vector<StoryPiece> pieces;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    StoryPiece piece{lines[i].text(), ""};
    if (i + 1 < lines.size() && cursor.chance(0.5)) {
      ++i;
      if (cursor.chance(0.5)) {
        piece.second = lines[i].text();
      } else {
        piece.first += ' ' + lines[i].text();
      }
    }
    pieces.push_back(std::move(piece));
  }
  return pieces;
}

std::int64_t token_count(const StoryPiece& piece) {
  const auto words = [](const std::string& text) { return text.empty() ? 0 : 1 + std::ranges::count(text, ' '); };
  return words(piece.first) + words(piece.second) + (piece.second.empty() ? 2 : 3);
}

}  // namespace initlab::data
