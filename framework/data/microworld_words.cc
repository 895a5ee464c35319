// The word lists of the generated language. See the header for what the lists promise.
#include "data/microworld_words.hpp"

#include <cassert>

namespace initlab::data {
namespace {

using std::string_view;
template <std::size_t n>
using List = std::array<string_view, n>;

constexpr std::array<List<24>, 6> kNouns{{
    {"teacher", "doctor", "farmer", "sailor",   "soldier", "painter", "singer",   "lawyer",
     "nurse",   "judge",  "pilot",  "miner",    "poet",    "king",    "queen",    "boy",
     "girl",    "uncle",  "aunt",   "neighbor", "student", "hunter",  "merchant", "priest"},
    {"dog",   "cat",    "horse",  "goat",  "sheep", "cow",  "pig",   "rabbit", "fox",   "wolf",   "bear",     "lion",
     "tiger", "monkey", "donkey", "camel", "goose", "duck", "eagle", "owl",    "otter", "badger", "squirrel", "deer"},
    {"bread",  "cheese", "apple",  "soup",    "rice",    "cake",  "pie",     "honey",
     "carrot", "potato", "onion",  "tomato",  "pear",    "plum",  "melon",   "sausage",
     "butter", "salad",  "noodle", "pancake", "biscuit", "olive", "pudding", "stew"},
    {"hammer",      "spade",   "drill",  "shovel",  "rake",   "axe",   "chisel", "wrench",
     "ladder",      "lantern", "needle", "hoe",     "pliers", "anvil", "rope",   "bucket",
     "wheelbarrow", "compass", "sickle", "crowbar", "plow",   "lever", "pulley", "mallet"},
    {"coat", "hat",   "scarf", "glove", "boot", "shoe", "shirt", "jacket", "dress",  "skirt",  "sweater", "sock",
     "belt", "cloak", "apron", "vest",  "robe", "gown", "cape",  "tunic",  "mitten", "sandal", "blouse",  "kilt"},
    {"market", "garden",  "kitchen",  "forest", "village", "harbor", "church", "school",
     "castle", "station", "library",  "meadow", "valley",  "island", "bridge", "tower",
     "museum", "theater", "hospital", "bakery", "farm",    "beach",  "temple", "inn"},
}};

// Indexed as kObjectCategories.
constexpr std::array<List<16>, 5> kVerbs{{
    {"chased", "fed", "stroked", "petted", "tamed", "hunted", "tracked", "trapped", "herded", "groomed", "startled",
     "teased", "soothed", "rescued", "caught", "cuddled"},
    {"tasted", "chewed", "swallowed", "devoured", "nibbled", "gobbled", "munched", "licked", "savored", "digested",
     "craved", "consumed", "crunched", "gnawed", "slurped", "sampled"},
    {"sharpened", "repaired", "wielded", "oiled", "gripped", "forged", "handled", "operated", "tested", "fixed",
     "lifted", "swung", "borrowed", "rented", "assembled", "greased"},
    {"sewed", "stitched", "knitted", "ironed", "washed", "folded", "buttoned", "tailored", "dyed", "mended", "hemmed",
     "laced", "donned", "patched", "altered", "embroidered"},
    {"visited", "entered", "reached", "explored", "toured", "circled", "crossed", "approached", "inhabited", "haunted",
     "guarded", "surveyed", "roamed", "abandoned", "admired", "searched"},
}};

constexpr List<16> kGoodLiving{"caring", "gentle",   "cheerful", "brave", "loyal",    "friendly", "clever", "polite",
                               "calm",   "graceful", "sincere",  "wise",  "generous", "patient",  "joyful", "playful"};
constexpr List<16> kBadLiving{"cruel",    "rude",     "lazy", "angry", "greedy",  "selfish", "jealous", "grumpy",
                              "stubborn", "cowardly", "mean", "nasty", "hostile", "wicked",  "gloomy",  "clumsy"};
constexpr List<16> kGoodThing{"lovely",   "splendid",  "excellent",  "perfect",    "superb", "wonderful",
                              "charming", "pleasant",  "delightful", "neat",       "clean",  "valuable",
                              "elegant",  "marvelous", "tidy",       "magnificent"};
constexpr List<16> kBadThing{"awful", "dreadful",  "horrible", "filthy", "ugly",    "broken", "rotten", "shabby",
                             "dirty", "worthless", "dull",     "ruined", "damaged", "dismal", "foul",   "hideous"};

constexpr List<10> kGoodAdverbs{"gladly",  "happily", "proudly", "warmly", "tenderly",
                                "merrily", "eagerly", "sweetly", "fondly", "joyfully"};
constexpr List<10> kBadAdverbs{"bitterly",  "angrily",   "harshly",    "coldly",   "rudely",
                               "miserably", "fearfully", "spitefully", "gloomily", "carelessly"};

constexpr List<6> kCategoryNames{"person", "animal", "food", "tool", "garment", "place"};
constexpr List<19> kGrammar{".",  ",",  "the",  "a",     "an",   "was", "is", "not", "and", "but",
                            "by", "of", "that", "there", "kind", "it",  "at", "in",  "near"};

constexpr std::array<List<2>, 6> kMeasures{
    {{"crowd", "group"}, {"herd", "flock"}, {"plate", "bowl"}, {"set", "box"}, {"pair", "pile"}, {"row", "cluster"}}};
constexpr List<5> kParticles{"up", "down", "off", "out", "away"};
constexpr List<8> kDegrees{"very", "really", "truly", "so", "quite", "rather", "deeply", "extremely"};
constexpr List<2> kGoodComments{"luckily", "fortunately"}, kBadComments{"sadly", "unfortunately"};
constexpr List<2> kGoodReactions{"smiled", "laughed"}, kBadReactions{"cried", "sighed"};
constexpr List<2> kGoodVerdicts{"good", "great"}, kBadVerdicts{"bad", "poor"};
constexpr List<6> kTimes{"then", "later", "soon", "day", "evening", "morning"};

std::size_t index(Category category) { return static_cast<std::size_t>(category); }

}  // namespace

Words noun_words(Category category) { return kNouns[index(category)]; }

Words verb_words(Category object) {
  assert(object != Category::person);
  return kVerbs[index(object) - 1];
}

Words adjective_words(bool living, bool positive) {
  if (living) return positive ? kGoodLiving : kBadLiving;
  return positive ? kGoodThing : kBadThing;
}

Words adverb_words(bool positive) { return positive ? kGoodAdverbs : kBadAdverbs; }

string_view category_name(Category category) { return kCategoryNames[index(category)]; }
Words grammar_words() { return kGrammar; }

Words measure_words(Category category) { return kMeasures[index(category)]; }
Words particles() { return kParticles; }
Words degree_words() { return kDegrees; }
Words comment_words(bool positive) { return positive ? kGoodComments : kBadComments; }
Words reaction_words(bool positive) { return positive ? kGoodReactions : kBadReactions; }
Words verdict_words(bool positive) { return positive ? kGoodVerdicts : kBadVerdicts; }
Words time_words() { return kTimes; }

}  // namespace initlab::data
