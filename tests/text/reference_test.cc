// Published tokenizations: the cases of reference/tokenizer_cases.json, from the public tests of BERT's own
// repositories.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "base/file.hpp"
#include "base/json.hpp"
#include "paths.hpp"
#include "text/wordpiece.hpp"
#include "text/words.hpp"

namespace initlab::text {
namespace {

std::filesystem::path data_folder() {
  return base::environment("INITLAB_DATA", initlab::paths::source_dir() + "/../shared/data");
}

// The tests' vocabularies are partial; what is missing goes to the end, where it moves no id.
WordPiece tokenizer_of(std::vector<std::string> tokens, Casing casing) {
  for (const char* special : {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"})
    if (std::find(tokens.begin(), tokens.end(), special) == tokens.end()) tokens.emplace_back(special);
  return WordPiece::from_tokens(std::move(tokens), casing, "case");
}

WordPiece tokenizer_of(const base::Json& test, const base::Json& vocabularies) {
  const bool lower = test.value("lower", true);
  const Casing casing = lower ? Casing::uncased : Casing::cased;
  const base::Json& vocab = test.at("vocab");
  if (vocab.is_array()) return tokenizer_of(vocab.get<std::vector<std::string>>(), casing);
  const auto name = vocab.get<std::string>();
  if (vocabularies.contains(name)) return tokenizer_of(vocabularies.at(name).get<std::vector<std::string>>(), casing);
  return WordPiece::load(data_folder() / "vocab" / name / "vocab.txt", casing);
}

std::vector<std::string> tokens_of(const base::Json& test, const base::Json& vocabularies) {
  const auto text = test.at("text").get<std::string>();
  const WordPiece tokenizer = tokenizer_of(test, vocabularies);
  const std::vector<std::int32_t> ids =
      test.value("add_special_tokens", false) ? tokenizer.encode(text, 512).ids : tokenizer.tokenize(text);
  if (test.contains("ids")) {
    EXPECT_EQ(ids, test.at("ids").get<std::vector<std::int32_t>>()) << test.at("text");
  }
  std::vector<std::string> tokens;
  for (const std::int32_t id : ids) tokens.push_back(tokenizer.token(id));
  return tokens;
}

std::vector<std::string> words_of(const base::Json& test) {
  const bool lower = test.at("lower").get<bool>();
  const bool named = test.contains("strip_accents") && !test.at("strip_accents").is_null();
  return split_words(test.at("text").get<std::string>(),
                     {.lower_case = lower, .strip_accents = named ? test.at("strip_accents").get<bool>() : lower});
}

TEST(Reference, EveryPublishedCaseIsEqual) {
  const std::filesystem::path path = data_folder() / "reference" / "tokenizer_cases.json";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "skipped: no data at " << path;
  const base::Json cases = base::parse_json(base::read_file(path), path.string());
  std::size_t compared = 0;
  for (const base::Json& test : cases.at("cases")) {
    const bool basic = test.at("kind") == "basic";
    EXPECT_EQ(basic ? words_of(test) : tokens_of(test, cases.at("vocabs")),
              test.at("tokens").get<std::vector<std::string>>())
        << test.at("text");
    ++compared;
  }
  EXPECT_EQ(compared, 28U);
}

}  // namespace
}  // namespace initlab::text
