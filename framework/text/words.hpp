// BERT's "basic" tokenizer: text to words, before WordPiece (google-research/bert tokenization.py, BasicTokenizer).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace initlab::text {

struct WordRules {
  bool lower_case = true;
  bool strip_accents = true;
};

// Control characters and U+FFFD go, white space becomes one kind of space, CJK characters stand alone; then accents are
// stripped (after canonical decomposition), then letters made small, where the rules say so. Words end at white space,
// and every punctuation character is a word. The result is UTF-8; malformed input bytes vanish.
std::vector<std::string> split_words(std::string_view text, const WordRules& rules);

}  // namespace initlab::text
