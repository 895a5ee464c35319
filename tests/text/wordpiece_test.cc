// WordPiece: greedy pieces, special tokens in the text, truncation, and what a bad vocabulary or a hostile text does.
#include "text/wordpiece.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "error_of.hpp"

namespace initlab::text {
namespace {

using Ids = std::vector<std::int32_t>;
const std::vector<std::string> kTokens = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a",        "##a", "ab",
                                          "##b",   "mask",  "[",     "]",     "\u00E9", "##\u00E9", "x"};

WordPiece tokenizer(Casing casing = Casing::uncased) { return WordPiece::from_tokens(kTokens, casing, "test"); }

std::string times(const std::string& word, int n) {
  std::string text;
  for (int i = 0; i < n; ++i) text += word + " ";
  return text;
}

class VocabularyFile : public testing::Test {
 protected:
  void SetUp() override {
    path_ = std::filesystem::path(testing::TempDir()) /
            ("vocab_" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()) + ".txt");
  }
  void TearDown() override { std::filesystem::remove(path_); }
  void write(const std::string& bytes) { std::ofstream(path_, std::ios::binary) << bytes; }
  std::string error_of_load() {
    return error_of([this] { WordPiece::load(path_, Casing::uncased); });
  }
  std::filesystem::path path_;
};

TEST(WordPiece, TakesTheLongestPieceFirst) {
  EXPECT_EQ(tokenizer().tokenize("ab aba abb aab"), (Ids{7, 7, 6, 7, 8, 5, 6, 8}));
}

TEST(WordPiece, AWordThatCannotBeCoveredIsOneUnknown) { EXPECT_EQ(tokenizer().tokenize("abz zab a"), (Ids{1, 1, 5})); }

TEST(WordPiece, PiecesNeverCutACharacter) {
  // "xe" with a cased "\u00E9": two bytes, one piece; a lone first byte is no piece.
  EXPECT_EQ(tokenizer(Casing::cased).tokenize("\u00E9\u00E9 a\u00E9 \u00E8"), (Ids{12, 13, 5, 13, 1}));
}

TEST(WordPiece, HundredCharactersAreAWordHundredAndOneAreNot) {
  EXPECT_EQ(tokenizer().tokenize(std::string(100, 'a')).size(), 100U);
  EXPECT_EQ(tokenizer().tokenize(std::string(101, 'a')), Ids{1});
  std::string accents;
  for (int i = 0; i < 100; ++i) accents += "\u00E9";  // 200 bytes
  EXPECT_EQ(tokenizer(Casing::cased).tokenize(accents).size(), 100U);
}

TEST(WordPiece, SpecialTokensInTheTextAreKeptWhole) {
  EXPECT_EQ(tokenizer().tokenize("a[MASK]b [CLS][SEP] [PAD][UNK]"), (Ids{5, 4, 1, 2, 3, 0, 1}));
  EXPECT_EQ(tokenizer().tokenize("[[MASK]]"), (Ids{10, 4, 11}));
  EXPECT_EQ(tokenizer().tokenize("[mask] [MASK"), (Ids{10, 9, 11, 10, 9}));  // only as written, only whole
}

TEST(WordPiece, OneTextIsClsTextSep) {
  const Encoding encoding = tokenizer().encode("a ab", 16);
  EXPECT_EQ(encoding.ids, (Ids{2, 5, 7, 3}));
  EXPECT_EQ(encoding.types, (Ids{0, 0, 0, 0}));
  EXPECT_EQ(tokenizer().encode("", 16).ids, (Ids{2, 3}));
}

TEST(WordPiece, TwoTextsHaveTwoSegments) {
  const Encoding encoding = tokenizer().encode_pair("a", "ab x", 16);
  EXPECT_EQ(encoding.ids, (Ids{2, 5, 3, 7, 14, 3}));
  EXPECT_EQ(encoding.types, (Ids{0, 0, 0, 1, 1, 1}));
}

TEST(WordPiece, OneTextIsCutAtItsEnd) {
  EXPECT_EQ(tokenizer().encode("a ab x", 4).ids, (Ids{2, 5, 7, 3}));
  EXPECT_EQ(tokenizer().encode("a ab x", 3).ids, (Ids{2, 5, 3}));
  EXPECT_EQ(tokenizer().encode("a ab x", 0).ids, (Ids{2, 3}));
}

// Expected lengths: tokenizers 0.23, enable_truncation(max_length, strategy="longest_first").
TEST(WordPiece, LongestFirstCutsAsTokenizersDoes) {
  struct Case {
    int n1, n2, max_length, kept1, kept2;
  };
  const Case cases[] = {{5, 5, 13, 5, 5}, {5, 5, 12, 4, 5}, {5, 5, 11, 4, 4}, {9, 2, 11, 6, 2}, {2, 9, 11, 2, 6},
                        {9, 3, 8, 3, 2},  {3, 9, 8, 2, 3},  {9, 9, 8, 2, 3},  {9, 9, 4, 0, 1},  {9, 9, 3, 0, 0},
                        {0, 9, 8, 0, 5},  {9, 0, 8, 5, 0},  {1, 1, 4, 0, 1},  {2, 1, 4, 1, 0},  {4, 5, 11, 4, 4}};
  for (const Case& c : cases) {
    const Ids ids = tokenizer().encode_pair(times("a", c.n1), times("x", c.n2), c.max_length).ids;
    EXPECT_EQ(std::count(ids.begin(), ids.end(), 5), c.kept1) << c.n1 << " " << c.n2 << " " << c.max_length;
    EXPECT_EQ(std::count(ids.begin(), ids.end(), 14), c.kept2) << c.n1 << " " << c.n2 << " " << c.max_length;
  }
}

TEST(WordPiece, HostileTextsAreTokenizedInBoundedTime) {
  const WordPiece made = tokenizer();
  EXPECT_EQ(made.tokenize(std::string(1 << 20, 'a')), Ids{1});
  EXPECT_EQ(made.tokenize(std::string(1 << 20, '\0')), Ids{});
  EXPECT_EQ(made.tokenize(std::string(1 << 20, '\xFF')), Ids{});
  EXPECT_EQ(made.tokenize(std::string(1 << 20, '[')).size(), std::size_t{1} << 20);
  std::string marks;
  for (int i = 0; i < 1 << 18; ++i) marks += i % 2 == 0 ? "\u0301" : "\u0323";  // one long run to bring into order
  EXPECT_EQ(made.tokenize("a" + marks), Ids{5});
  EXPECT_EQ(made.tokenize(std::string("a\0b", 3)), Ids{7});
}

TEST(WordPiece, ACopyStandsOnItsOwn) {
  std::vector<std::int32_t> ids;
  WordPiece copy = tokenizer();
  {
    const WordPiece original = tokenizer();
    copy = original;
  }
  EXPECT_EQ(copy.tokenize("aba"), (Ids{7, 6}));
}

TEST_F(VocabularyFile, LineNumbersAreIds) {
  write("[PAD]\n[UNK]\r\n[CLS] \n[SEP]\u3000\n[MASK]\nlast");
  const WordPiece made = WordPiece::load(path_, Casing::uncased);
  EXPECT_EQ(made.size(), 6);
  EXPECT_EQ(made.token(2), "[CLS]");
  EXPECT_EQ(made.special().mask, 4);
  EXPECT_EQ(made.tokenize("last"), Ids{5});
}

TEST_F(VocabularyFile, MissingSpecialToken) {
  write("[PAD]\n[UNK]\n[CLS]\n[SEP]\nword\n");
  EXPECT_EQ(error_of_load(),
            path_.string() +
                ": vocabulary: expected the token [MASK] on a line of its own, got 5 tokens without it\n"
                "  hint: a BERT vocabulary holds [PAD], [UNK], [CLS], [SEP] and [MASK]; is this the right "
                "file?");
}

TEST_F(VocabularyFile, DuplicateToken) {
  write("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nword\nother\nword\n");
  EXPECT_EQ(error_of_load(), path_.string() +
                                 ":8: token \"word\": expected every token once, got it already on line 6\n"
                                 "  hint: remove one of the two lines");
}

TEST_F(VocabularyFile, NotUtf8) {
  write("[PAD]\n[UNK]\n\xC3(\n");
  EXPECT_EQ(error_of_load(), path_.string() +
                                 ":3: token: expected UTF-8 text, got bytes that are not\n"
                                 "  hint: a vocabulary is a text file with a token a line; is this the right "
                                 "file?");
}

TEST_F(VocabularyFile, MissingFile) {
  EXPECT_EQ(error_of_load(), path_.string() + ": cannot be read: got No such file or directory");
}

TEST_F(VocabularyFile, EmptyFile) {
  write("");
  EXPECT_NE(error_of_load().find("expected the token [PAD]"), std::string::npos) << error_of_load();
}

}  // namespace
}  // namespace initlab::text
