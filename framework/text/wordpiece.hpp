// BERT's tokenizer: clean, split, strip accents, then WordPiece (google-research/bert tokenization.py; Devlin et al.
// 2018).
//
// Ids equal Hugging Face's BertWordPieceTokenizer, text by text: NFD accent stripping and lower case when uncased,
// spaces around CJK characters, control characters removed, words over 100 characters are [UNK]. Special tokens written
// in the text
// ("[MASK]", "[SEP]", ...) are kept whole.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace initlab::text {

enum class Casing { cased, uncased };

// Ids of BERT's special tokens in a vocabulary.
struct SpecialIds {
  std::int32_t pad = 0, unk = 0, cls = 0, sep = 0, mask = 0;
};

// One or two texts as BERT reads them.
struct Encoding {
  std::vector<std::int32_t> ids;
  std::vector<std::int32_t> types;  // 0 for "[CLS] a [SEP]", 1 for "b [SEP]"
};

class WordPiece {
 public:
  // A vocab.txt: a token a line, the line number is the id. Throws Error where a special token is missing, a token
  // appears twice, or the file is no UTF-8. White space at the end of a line is no part of its token.
  static WordPiece load(const std::filesystem::path& vocab, Casing casing);
  static WordPiece from_tokens(std::vector<std::string> tokens, Casing casing, const std::string& place);

  std::vector<std::int32_t> tokenize(std::string_view text) const;  // without [CLS] and [SEP]; invalid UTF-8 -> U+FFFD
  // "[CLS] a [SEP]", or "[CLS] a [SEP] b [SEP]"; cut to max_length as Hugging Face's longest_first does: the shorter
  // text is kept whole where it fits into half the room, else both get half and the longer one the odd token (b where
  // they are equal). The special tokens are never cut: a max_length below 2 (3 for pairs) gives them alone.
  Encoding encode(std::string_view a, std::int64_t max_length) const;
  Encoding encode_pair(std::string_view a, std::string_view b, std::int64_t max_length) const;

  std::int64_t size() const { return static_cast<std::int64_t>(tokens_.size()); }
  const std::string& token(std::int32_t id) const { return tokens_[static_cast<std::size_t>(id)]; }
  const std::vector<std::string>& tokens() const { return tokens_; }
  const SpecialIds& special() const { return special_; }
  Casing casing() const { return casing_; }

 private:
  struct Hash {  // lets a piece of a text be looked up without a copy
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  using Ids = std::unordered_map<std::string, std::int32_t, Hash, std::equal_to<>>;

  void index(const std::string& place);
  void append_pieces(std::string_view text, std::vector<std::int32_t>& ids) const;  // text without special tokens
  void append_word(std::string_view word, std::vector<std::int32_t>& ids) const;

  std::vector<std::string> tokens_;
  Ids starts_;               // tokens that begin a word, and special tokens
  Ids continuations_;        // tokens written "##x", by x
  std::size_t longest_ = 0;  // bytes of the longest key
  SpecialIds special_;
  Casing casing_ = Casing::uncased;
};

}  // namespace initlab::text
