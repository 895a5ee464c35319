// Text to words, against expectations made with tokenizers 0.23 (BertNormalizer, then BertPreTokenizer).
#include "text/words.hpp"

#include <gtest/gtest.h>

namespace initlab::text {
namespace {

using Words = std::vector<std::string>;
constexpr WordRules kUncased{.lower_case = true, .strip_accents = true};
constexpr WordRules kCased{.lower_case = false, .strip_accents = false};

TEST(Words, UncasedStripsAccentsAndCase) {
  EXPECT_EQ(split_words("Na\u00EFve CAF\u00C9, \u0130stanbul!", kUncased),
            (Words{"naive", "cafe", ",", "istanbul", "!"}));
  EXPECT_EQ(split_words("\u039F\u0394\u039F\u03A3", kUncased), (Words{"\u03BF\u03B4\u03BF\u03C3"}));  // no final sigma
  EXPECT_EQ(split_words("\uD55C\uAE00", kUncased),
            (Words{"\u1112\u1161\u11AB\u1100\u1173\u11AF"}));  // Hangul falls apart
}

TEST(Words, CasedKeepsBoth) {
  EXPECT_EQ(split_words("Na\u00EFve CAF\u00C9", kCased), (Words{"Na\u00EFve", "CAF\u00C9"}));
}

TEST(Words, LowerCaseWithoutStrippingKeepsTheDotOfTheTurkishI) {
  EXPECT_EQ(split_words("\u0130", {.lower_case = true, .strip_accents = false}), (Words{"i\u0307"}));
}

TEST(Words, EveryCjkCharacterAndPunctuationMarkStandsAlone) {
  EXPECT_EQ(split_words("ab\u4E2D\u6587c", kCased), (Words{"ab", "\u4E2D", "\u6587", "c"}));
  EXPECT_EQ(split_words("a--b$c\u2026d\u201Ce", kCased),
            (Words{"a", "-", "-", "b", "$", "c", "\u2026", "d", "\u201C", "e"}));
  EXPECT_EQ(split_words("\u304B\u306A\uD55C", kCased), (Words{"\u304B\u306A\uD55C"}));  // kana and Hangul do not
}

TEST(Words, ControlCharactersVanishAndSpacesOfAllKindsSplit) {
  EXPECT_EQ(split_words(std::string("a\0b\x01"
                                    "c\x7F",
                                    6),
                        kCased),
            (Words{"abc"}));
  EXPECT_EQ(split_words("a\u200Bb\uFEFF\u00ADc\uFFFD", kCased), (Words{"abc"}));
  EXPECT_EQ(split_words("a\tb\nc\rd\u00A0e\u3000f\u2028g", kCased), (Words{"a", "b", "c", "d", "e", "f", "g"}));
  EXPECT_EQ(split_words("a\x0B"
                        "b\x0C"
                        "c\u0085"
                        "d",
                        kCased),
            (Words{"abcd"}));  // spaces, but control characters first
  EXPECT_EQ(split_words(" \t\n ", kCased), Words{});
  EXPECT_EQ(split_words("", kUncased), Words{});
}

TEST(Words, MalformedBytesVanish) {
  EXPECT_EQ(split_words("a\xFF\xC3(b\xED\xA0\x80"
                        "c",
                        kCased),
            (Words{"a", "(", "bc"}));
}

}  // namespace
}  // namespace initlab::text
