// Code points: UTF-8 in and out, and properties frozen at the versions that tokenizers has.
#include "text/unicode.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace initlab::text {
namespace {

TEST(Unicode, Utf8OfEveryCodePointReadsBack) {
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    std::string bytes;
    append_utf8(c, bytes);
    const std::u32string back = decode_utf8(bytes);
    ASSERT_EQ(back, std::u32string(1, c)) << std::hex << static_cast<std::uint32_t>(c);
  }
}

TEST(Unicode, MalformedBytesBecomeReplacementCharacters) {
  const std::u32string bad(1, U'\uFFFD');
  EXPECT_EQ(decode_utf8("a\xFFz"), U"a" + bad + U"z");
  EXPECT_EQ(decode_utf8("a\xC3"), U"a" + bad);                        // cut
  EXPECT_EQ(decode_utf8("\xC0\xAF"), bad + bad);                      // overlong "/"
  EXPECT_EQ(decode_utf8("\xE0\x80\xAF"), bad + bad + bad);            // overlong, three bytes
  EXPECT_EQ(decode_utf8("\xED\xA0\x80"), bad + bad + bad);            // a surrogate
  EXPECT_EQ(decode_utf8("\xF4\x90\x80\x80"), bad + bad + bad + bad);  // beyond U+10FFFF
  EXPECT_EQ(decode_utf8("\xE2\x82z"), bad + bad + U"z");              // cut by a letter
  EXPECT_EQ(decode_utf8(std::string_view("a\0b", 3)), std::u32string(U"a\0b", 3));
}

// Counts over all of Unicode, as measured with tokenizers 0.23 (a character between two letters, code point by code
// point).
TEST(Unicode, PropertiesCoverAsManyCharactersAsInTokenizers) {
  std::int64_t spaces = 0, punctuation = 0, accents = 0, control = 0, cjk = 0;
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    spaces += is_space(c);
    punctuation += is_punctuation(c);
    accents += is_accent(c);
    control += is_control(c);
    cjk += is_cjk(c);
  }
  EXPECT_EQ(spaces, 25);
  EXPECT_EQ(punctuation, 726);
  EXPECT_EQ(accents, 1567);
  EXPECT_EQ(control, 137680);
  EXPECT_EQ(cjk, 81264);
}

TEST(Unicode, CategoriesAreThoseOfUnicode8) {
  EXPECT_TRUE(is_punctuation(U'\u166D'));   // a symbol since Unicode 12
  EXPECT_FALSE(is_punctuation(U'\u2E43'));  // came with Unicode 9
  EXPECT_TRUE(is_accent(U'\u1734'));        // a spacing mark since Unicode 14
  EXPECT_FALSE(is_accent(U'\u1885'));       // a mark since Unicode 9
  EXPECT_FALSE(is_control(U'\u08E2'));      // a format character of Unicode 9
  EXPECT_FALSE(is_control(U'\u0378'));      // never assigned
  EXPECT_TRUE(is_control(U'\uE000'));       // private use
  EXPECT_TRUE(is_control(U'\u200B'));       // zero width space: a format character, no space
  EXPECT_FALSE(is_space(U'\u200B'));
  EXPECT_TRUE(is_space(U'\u3000'));
}

TEST(Unicode, DecompositionIsCanonicalAndOrdered) {
  EXPECT_EQ(decompose(U"\u00E9"), U"e\u0301");
  EXPECT_EQ(decompose(U"\u1EAD"), U"a\u0323\u0302");         // two steps: a dot below, then a circumflex
  EXPECT_EQ(decompose(U"a\u0301\u0323"), U"a\u0323\u0301");  // class 220 before 230
  EXPECT_EQ(decompose(U"a\u0301\u0300"), U"a\u0301\u0300");  // equal classes keep their order
  EXPECT_EQ(decompose(U"\uAC01"), U"\u1100\u1161\u11A8");    // Hangul
  EXPECT_EQ(decompose(U"\u212B"), U"A\u030A");               // angstrom
  EXPECT_EQ(decompose(U"\uFB01"), U"\uFB01");                // a ligature is compatible, not canonical
  EXPECT_EQ(decompose(U"\U00011938"), U"\U00011938");        // decomposes since Unicode 13
}

TEST(Unicode, LowerCaseKnowsNoNeighbours) {
  const auto lower = [](char32_t c) {
    std::u32string out;
    append_lower(c, out);
    return out;
  };
  EXPECT_EQ(lower(U'A'), U"a");
  EXPECT_EQ(lower(U'\u03A3'), U"\u03C3");   // sigma, never the final form
  EXPECT_EQ(lower(U'\u0130'), U"i\u0307");  // Turkish dotted I
  EXPECT_EQ(lower(U'\u1E9E'), U"\u00DF");   // capital sharp s
  EXPECT_EQ(lower(U'\u01C5'), U"\u01C6");   // title case
  EXPECT_EQ(lower(U'\u4E2D'), U"\u4E2D");
}

}  // namespace
}  // namespace initlab::text
