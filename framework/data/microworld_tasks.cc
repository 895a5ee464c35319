// The tasks' grammars. Each is built so that closed words, lengths and forms say nothing about the label: the form is
// drawn first, independently of it, and what differs between labels is which class a word comes from.
#include "data/microworld_tasks.hpp"

namespace initlab::data {
namespace {

using std::string_view;

class Writer {
 public:
  Writer(const Lexicon& lexicon, Half half, Cursor& cursor) : lexicon_(lexicon), half_(half), draw_(cursor) {}

  string_view noun(Category category) { return draw_.pick(lexicon_.nouns(category, half_)); }
  string_view adjective(Category category, bool positive) {
    return draw_.pick(lexicon_.adjectives(is_living(category), positive, half_));
  }
  string_view adverb(bool positive) { return draw_.pick(lexicon_.adverbs(positive, half_)); }

  Category living() { return draw_.chance(0.5) ? Category::person : Category::animal; }
  // A verb class that this kind of subject can have, other than `but` (person: no exception).
  Category verb_class(Category subject, Category but = Category::person) {
    for (;;) {
      const Category object = draw_.pick(kObjectCategories);
      if (object != but && (subject == Category::person || animals_can(object))) return object;
    }
  }
  Category other_object(Category but) {
    for (;;) {
      const Category object = draw_.pick(kObjectCategories);
      if (object != but) return object;
    }
  }

  // "the S verbed the O", or its passive. Draws verb, then object: one draw a statement, since C++ leaves the order of
  // arguments open and texts must not depend on the compiler.
  Line event(string_view subject, Category verb_class, Category object_category, bool active) {
    const string_view verb = draw_.pick(lexicon_.verbs(verb_class, half_));
    string_view object = noun(object_category);
    while (object == subject) object = noun(object_category);
    Line line;
    if (active) {
      line.say({"the", subject, verb, "the", object});
    } else {
      line.say({"the", object, "was", verb, "by", "the", subject});
    }
    return line;
  }

 private:
  const Lexicon& lexicon_;
  Half half_;
  Cursor& draw_;
};

// Is the sentence's sense good? 34 % "the N was A", 33 % "the N was not A", 33 % "the N was A , but the M was A" where
// the last clause decides.
LabelledText sentiment(const Lexicon& lexicon, Half half, Cursor& cursor, bool good) {
  Writer write(lexicon, half, cursor);
  const std::size_t form = cursor.below(100);
  const auto attribute = [&](Line& line, bool negated, bool positive) {
    const Category category = cursor.pick(kCategories);
    line.say({"the", write.noun(category), "was"});
    if (negated) line.say("not");
    line.say(write.adjective(category, positive));
  };
  Line line;
  if (form < 34) {
    attribute(line, false, good);
  } else if (form < 67) {
    attribute(line, true, !good);
  } else {
    attribute(line, false, !good);
    line.say({",", "but"});
    attribute(line, false, good);
  }
  return {line.say(".").text(), "", good ? 1 : 0};
}

// Does the verb fit? Of the wrong ones 70 % have an object of another category, 30 % a subject that is no living being.
LabelledText acceptability(const Lexicon& lexicon, Half half, Cursor& cursor, bool fits) {
  Writer write(lexicon, half, cursor);
  const bool active = cursor.chance(0.6);
  Category subject = write.living();
  const Category verb_class = write.verb_class(subject);
  Category object = verb_class;
  if (!fits) {
    if (cursor.chance(0.7)) {
      object = write.other_object(verb_class);
    } else {
      subject = cursor.pick(std::array{Category::food, Category::tool, Category::garment, Category::place});
    }
  }
  Line line = write.event(write.noun(subject), verb_class, object, active);
  if (cursor.chance(0.3)) line.say(write.adverb(cursor.chance(0.5)));
  return {line.say(".").text(), "", fits ? 1 : 0};
}

// Does the second sentence tell the same kind of event? Same subject, other voice, verb and object drawn again: from
// the same class, or both from another one.
LabelledText paraphrase(const Lexicon& lexicon, Half half, Cursor& cursor, bool same) {
  Writer write(lexicon, half, cursor);
  const Category who = write.living();
  const string_view subject = write.noun(who);
  const bool active = cursor.chance(0.5);
  const Category first = write.verb_class(who);
  const Category second = same ? first : write.verb_class(who, first);
  Line one = write.event(subject, first, first, active);
  Line two = write.event(subject, second, second, !active);
  return {one.say(".").text(), two.say(".").text(), same ? 1 : 0};
}

// An event, then "there was a C": does it follow? C is drawn first, the same way for both labels.
LabelledText entailment(const Lexicon& lexicon, Half half, Cursor& cursor, bool follows) {
  Writer write(lexicon, half, cursor);
  const Category claimed = cursor.pick(kCategories);
  for (;;) {
    const Category subject = write.living();
    const Category object = write.verb_class(subject);
    if ((subject == claimed || object == claimed) != follows) continue;
    const bool active = cursor.chance(0.6);
    Line premise = write.event(write.noun(subject), object, object, active);
    Line hypothesis;
    hypothesis.say({"there", "was"}).say_one(category_name(claimed));
    return {premise.say(".").text(), hypothesis.say(".").text(), follows ? 1 : 0};
  }
}

constexpr std::array kTasks{MicroworldTask{"sentiment", sentiment}, MicroworldTask{"acceptability", acceptability},
                            MicroworldTask{"paraphrase", paraphrase}, MicroworldTask{"entailment", entailment}};

}  // namespace

std::span<const MicroworldTask> microworld_tasks() { return kTasks; }

}  // namespace initlab::data
