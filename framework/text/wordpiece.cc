#include "text/wordpiece.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "text/unicode.hpp"
#include "text/words.hpp"

namespace initlab::text {
namespace {

constexpr std::uint64_t kMostVocabularyBytes = std::uint64_t{1} << 28;
constexpr std::int64_t kMostCharacters = 100;  // a longer word is [UNK]
constexpr std::string_view kContinuation = "##";
constexpr std::array<std::pair<std::string_view, std::int32_t SpecialIds::*>, 5> kSpecialTokens = {
    std::pair{std::string_view("[PAD]"), &SpecialIds::pad},
    {std::string_view("[UNK]"), &SpecialIds::unk},
    {std::string_view("[CLS]"), &SpecialIds::cls},
    {std::string_view("[SEP]"), &SpecialIds::sep},
    {std::string_view("[MASK]"), &SpecialIds::mask}};

bool is_continuation_byte(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

std::int64_t characters(std::string_view text) {
  return std::count_if(text.begin(), text.end(), [](char byte) { return !is_continuation_byte(byte); });
}

std::string without_trailing_space(std::string_view line) {
  std::u32string text = decode_utf8(line);
  std::size_t kept = text.size();
  while (kept > 0 && is_space(text[kept - 1])) --kept;
  std::string out;
  for (const char32_t c : text.substr(0, kept)) append_utf8(c, out);
  return out;
}

std::string line_of(const std::string& place, std::size_t index) { return place + ":" + std::to_string(index + 1); }

// Lengths of two texts of n1 and n2 tokens once there is room for `room` tokens (tokenizers, truncate_encodings).
std::pair<std::int64_t, std::int64_t> longest_first(std::int64_t n1, std::int64_t n2, std::int64_t room) {
  if (n1 + n2 <= room) return {n1, n2};
  const bool swapped = n1 > n2;
  if (swapped) std::swap(n1, n2);  // n1 is the shorter
  n2 = std::max(n1, room - n1);
  if (n1 + n2 > room) {
    n1 = room / 2;
    n2 = n1 + room % 2;
  }
  if (swapped) std::swap(n1, n2);
  return {n1, n2};
}

// Special tokens added, which is where a segment ends.
void append_segment(std::vector<std::int32_t>& segment, std::int64_t kept, std::int32_t type, std::int32_t sep,
                    Encoding& out) {
  segment.resize(static_cast<std::size_t>(kept));
  out.ids.insert(out.ids.end(), segment.begin(), segment.end());
  out.ids.push_back(sep);
  out.types.resize(out.ids.size(), type);
}

}  // namespace

WordPiece WordPiece::load(const std::filesystem::path& vocab, Casing casing) {
  const std::string bytes = base::read_file(vocab, kMostVocabularyBytes);
  std::vector<std::string_view> lines = base::split(bytes, '\n');
  if (lines.back().empty()) lines.pop_back();  // the last line's end
  std::vector<std::string> tokens;
  tokens.reserve(lines.size());
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (!base::is_valid_utf8(lines[i]))
      throw base::Error({line_of(vocab.string(), i), "token", "UTF-8 text", "bytes that are not",
                         "a vocabulary is a text file with a token a line; is this the right file?"});
    tokens.push_back(without_trailing_space(lines[i]));
  }
  return from_tokens(std::move(tokens), casing, vocab.string());
}

WordPiece WordPiece::from_tokens(std::vector<std::string> tokens, Casing casing, const std::string& place) {
  WordPiece made;
  made.tokens_ = std::move(tokens);
  made.casing_ = casing;
  made.index(place);
  return made;
}

void WordPiece::index(const std::string& place) {
  if (tokens_.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()))
    throw base::Error({place, "vocabulary", "fewer than 2^31 tokens", std::to_string(tokens_.size()), ""});
  for (std::size_t i = 0; i < tokens_.size(); ++i) {
    const std::string_view token = tokens_[i];
    const bool continues = token.starts_with(kContinuation);
    const std::string_view key = continues ? token.substr(kContinuation.size()) : token;
    const auto [found, added] = (continues ? continuations_ : starts_).emplace(key, static_cast<std::int32_t>(i));
    if (!added)
      throw base::Error({line_of(place, i), "token " + base::quote(token), "every token once",
                         "it already on line " + std::to_string(found->second + 1), "remove one of the two lines"});
    longest_ = std::max(longest_, key.size());
  }
  for (const auto& [token, id] : kSpecialTokens) {
    const auto found = starts_.find(token);
    if (found == starts_.end())
      throw base::Error({place, "vocabulary", "the token " + std::string(token) + " on a line of its own",
                         std::to_string(tokens_.size()) + " tokens without it",
                         "a BERT vocabulary holds [PAD], [UNK], [CLS], [SEP] and [MASK]; is this the right file?"});
    special_.*id = found->second;
  }
}

// Greedy: the longest token that fits, then the longest continuation, ...; one [UNK] where the word cannot be covered.
void WordPiece::append_word(std::string_view word, std::vector<std::int32_t>& ids) const {
  const std::size_t before = ids.size();
  std::string_view rest = characters(word) <= kMostCharacters ? word : std::string_view{};
  const Ids* known = &starts_;
  while (!rest.empty()) {
    std::size_t length = std::min(rest.size(), longest_);
    auto found = known->end();
    for (; length > 0; --length) {
      if (length < rest.size() && is_continuation_byte(rest[length])) continue;  // inside a character
      found = known->find(rest.substr(0, length));
      if (found != known->end()) break;
    }
    if (found == known->end()) {
      ids.resize(before);
      break;
    }
    ids.push_back(found->second);
    rest.remove_prefix(length);
    known = &continuations_;
  }
  if (ids.size() == before) ids.push_back(special_.unk);
}

void WordPiece::append_pieces(std::string_view text, std::vector<std::int32_t>& ids) const {
  const bool uncased = casing_ == Casing::uncased;
  for (const std::string& word : split_words(text, {.lower_case = uncased, .strip_accents = uncased}))
    append_word(word, ids);
}

std::vector<std::int32_t> WordPiece::tokenize(std::string_view text) const {
  std::vector<std::int32_t> ids;
  std::size_t from = 0;
  for (std::size_t at = text.find('['); at != std::string_view::npos; at = text.find('[', at)) {
    const auto special = std::find_if(kSpecialTokens.begin(), kSpecialTokens.end(),
                                      [&](const auto& entry) { return text.substr(at).starts_with(entry.first); });
    if (special == kSpecialTokens.end()) {
      ++at;
      continue;
    }
    append_pieces(text.substr(from, at - from), ids);
    ids.push_back(special_.*special->second);
    from = at += special->first.size();
  }
  append_pieces(text.substr(from), ids);
  return ids;
}

Encoding WordPiece::encode(std::string_view a, std::int64_t max_length) const {
  std::vector<std::int32_t> first = tokenize(a);
  const auto room = std::max<std::int64_t>(max_length - 2, 0);
  Encoding out{{special_.cls}, {0}};
  append_segment(first, std::min(static_cast<std::int64_t>(first.size()), room), 0, special_.sep, out);
  return out;
}

Encoding WordPiece::encode_pair(std::string_view a, std::string_view b, std::int64_t max_length) const {
  std::vector<std::int32_t> first = tokenize(a), second = tokenize(b);
  const auto [n1, n2] = longest_first(static_cast<std::int64_t>(first.size()), static_cast<std::int64_t>(second.size()),
                                      std::max<std::int64_t>(max_length - 3, 0));
  Encoding out{{special_.cls}, {0}};
  append_segment(first, n1, 0, special_.sep, out);
  append_segment(second, n2, 1, special_.sep, out);
  return out;
}

}  // namespace initlab::text
