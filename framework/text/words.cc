#include "text/words.hpp"

#include <algorithm>

#include "text/unicode.hpp"

namespace initlab::text {
namespace {

bool is_ascii(std::u32string_view text) {
  return std::all_of(text.begin(), text.end(), [](char32_t c) { return c < 0x80; });
}

std::u32string cleaned(std::u32string_view text) {
  std::u32string out;
  out.reserve(text.size());
  for (const char32_t c : text) {
    if (c == 0 || c == 0xFFFD || is_control(c)) continue;
    if (is_space(c)) {
      out += U' ';
    } else if (is_cjk(c)) {
      out += U' ';
      out += c;
      out += U' ';
    } else {
      out += c;
    }
  }
  return out;
}

std::u32string without_accents(std::u32string_view text) {
  std::u32string out = decompose(text);
  std::erase_if(out, is_accent);
  return out;
}

std::u32string lower_case(std::u32string_view text) {
  std::u32string out;
  out.reserve(text.size());
  for (const char32_t c : text) append_lower(c, out);
  return out;
}

std::vector<std::string> split(std::u32string_view text) {
  std::vector<std::string> words;
  std::string word;
  const auto finish = [&] {
    if (!word.empty()) words.push_back(std::move(word));
    word.clear();
  };
  for (const char32_t c : text) {
    if (is_space(c)) {
      finish();
    } else if (is_punctuation(c)) {
      finish();
      append_utf8(c, word);
      finish();
    } else {
      append_utf8(c, word);
    }
  }
  finish();
  return words;
}

}  // namespace

std::vector<std::string> split_words(std::string_view text, const WordRules& rules) {
  std::u32string characters = cleaned(decode_utf8(text));
  if (rules.strip_accents && !is_ascii(characters)) characters = without_accents(characters);
  if (rules.lower_case) characters = lower_case(characters);
  return split(characters);
}

}  // namespace initlab::text
