#include "text/unicode.hpp"

#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

namespace initlab::text {
namespace {

constexpr std::uint8_t kCategoryVersion = 8;
constexpr std::uint8_t kNormalizationVersion = 9;

UChar32 icu(char32_t c) { return static_cast<UChar32>(c); }

bool existed_in(std::uint8_t version, char32_t c) {
  UVersionInfo age;
  u_charAge(icu(c), age);
  return age[0] <= version && age[0] > 0;
}

// Characters whose category changed after Unicode 8.
constexpr std::array<std::pair<char32_t, UCharCategory>, 6> kChangedCategories = {
    std::pair{U'\u166D', U_OTHER_PUNCTUATION},
    {U'\u1734', U_NON_SPACING_MARK},
    {U'\u1885', U_OTHER_LETTER},
    {U'\u1886', U_OTHER_LETTER},
    {U'\uA9BD', U_COMBINING_SPACING_MARK},
    {U'\U000111C9', U_OTHER_PUNCTUATION}};

int category(char32_t c) {
  for (const auto& [changed, then] : kChangedCategories)
    if (c == changed) return then;
  return existed_in(kCategoryVersion, c) ? u_charType(icu(c)) : static_cast<int>(U_UNASSIGNED);
}

// mask: U_GC_*_MASK.
bool in_category(char32_t c, std::uint32_t mask) { return (mask >> static_cast<std::uint32_t>(category(c)) & 1) != 0; }

const icu::Normalizer2& nfd() {
  UErrorCode status = U_ZERO_ERROR;
  return *icu::Normalizer2::getNFDInstance(status);  // built into ICU: cannot fail
}

// Hangul, whose decomposition is arithmetic, is ICU's business too.
void append_decomposed(char32_t c, std::u32string& out) {
  icu::UnicodeString parts;
  if (c < 0xC0 || !existed_in(kNormalizationVersion, c) || !nfd().getDecomposition(icu(c), parts)) {
    out += c;
    return;
  }
  for (std::int32_t i = 0; i < parts.length(); i = parts.moveIndex32(i, 1))
    out += static_cast<char32_t>(parts.char32At(i));
}

int combining_class(char32_t c) {
  return c < 0x300 || !existed_in(kNormalizationVersion, c) ? 0 : u_getCombiningClass(icu(c));
}

constexpr char32_t kReplacement = 0xFFFD;
constexpr char32_t kMalformed = 0xFFFFFFFF;

// Bytes of the sequence that this byte begins; 0 where it begins none.
std::size_t sequence_length(char lead) {
  const auto byte = static_cast<unsigned char>(lead);
  if (byte < 0x80) return 1;
  if (byte < 0xC2) return 0;
  if (byte < 0xE0) return 2;
  if (byte < 0xF0) return 3;
  return byte < 0xF5 ? 4 : 0;
}

// The character of a sequence of 2 to 4 bytes, or kMalformed where it is cut, overlong, a surrogate or beyond U+10FFFF.
char32_t decode_sequence(std::string_view bytes, std::size_t length) {
  constexpr std::array<char32_t, 5> kLeast = {0, 0, 0x80, 0x800, 0x10000};
  if (length == 0 || bytes.size() < length) return kMalformed;
  char32_t c = static_cast<unsigned char>(bytes.front()) & (0xFFU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    if ((byte & 0xC0) != 0x80) return kMalformed;
    c = c << 6 | (byte & 0x3FU);
  }
  const bool valid = c >= kLeast[length] && c <= 0x10FFFF && (c < 0xD800 || c > 0xDFFF);
  return valid ? c : kMalformed;
}

}  // namespace

std::u32string decode_utf8(std::string_view bytes) {
  std::u32string out;
  out.reserve(bytes.size());
  while (!bytes.empty()) {
    const std::size_t length = sequence_length(bytes.front());
    const char32_t c = length == 1 ? static_cast<unsigned char>(bytes.front()) : decode_sequence(bytes, length);
    out += c == kMalformed ? kReplacement : c;
    bytes.remove_prefix(c == kMalformed ? 1 : length);
  }
  return out;
}

void append_utf8(char32_t c, std::string& out) {
  if (c < 0x80) {
    out += static_cast<char>(c);
    return;
  }
  char buffer[U8_MAX_LENGTH];
  std::int32_t length = 0;
  U8_APPEND_UNSAFE(buffer, length, icu(c));
  out.append(buffer, static_cast<std::size_t>(length));
}

bool is_space(char32_t c) {
  if (c < 0x80) return c == ' ' || (c >= '\t' && c <= '\r');
  return u_isUWhiteSpace(icu(c)) != 0;
}

bool is_control(char32_t c) {
  if (c < 0x80) return (c < ' ' && c != '\t' && c != '\n' && c != '\r') || c == 0x7F;
  return in_category(c, U_GC_CC_MASK | U_GC_CF_MASK | U_GC_CO_MASK);
}

bool is_punctuation(char32_t c) {
  if (c < 0x80)
    return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') || (c >= '{' && c <= '~');
  return in_category(c, U_GC_P_MASK);
}

bool is_accent(char32_t c) { return c >= 0x300 && in_category(c, U_GC_MN_MASK); }

bool is_cjk(char32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) ||
         (c >= 0x2A700 && c <= 0x2B73F) || (c >= 0x2B740 && c <= 0x2B81F) ||
         (c >= 0x2B920 && c <= 0x2CEAF) ||  // tokenizers begins here, google-research/bert at 0x2B820
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

void append_lower(char32_t c, std::u32string& out) {
  if (c < 0x80) {
    out += c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
  } else if (c == U'\u0130') {  // the one character whose lower case is two: "i" and a dot above
    out += U"i\u0307";
  } else {
    out += static_cast<char32_t>(u_tolower(icu(c)));
  }
}

std::u32string decompose(std::u32string_view text) {
  std::u32string out;
  out.reserve(text.size());
  for (const char32_t c : text) append_decomposed(c, out);
  for (auto begin = out.begin(); begin != out.end();) {  // canonical order: each run of marks sorted by combining class
    begin = std::find_if(begin, out.end(), [](char32_t c) { return combining_class(c) != 0; });
    const auto end = std::find_if(begin, out.end(), [](char32_t c) { return combining_class(c) == 0; });
    std::stable_sort(begin, end, [](char32_t a, char32_t b) { return combining_class(a) < combining_class(b); });
    begin = end;
  }
  return out;
}

}  // namespace initlab::text
