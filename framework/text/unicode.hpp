// Code points and the few properties of them that BERT's tokenizer asks for. The only door to ICU.
//
// The properties are frozen where Hugging Face's tokenizers froze them, so that ids agree on every code point and do
// not move with the installed ICU: general categories are those of Unicode 8, decompositions and combining classes
// those of Unicode 9. A character that came later has no category there: it is neither punctuation, nor a mark, nor
// removed.
#pragma once

#include <string>
#include <string_view>

namespace initlab::text {

// UTF-8 to code points; a byte that begins no well-formed sequence becomes U+FFFD.
std::u32string decode_utf8(std::string_view bytes);
void append_utf8(char32_t c, std::string& out);

bool is_space(char32_t c);        // Unicode White_Space
bool is_control(char32_t c);      // categories Cc, Cf, Co; tab, line feed and carriage return are not
bool is_punctuation(char32_t c);  // categories P*, and all of ASCII that is neither letter, digit, space nor control
bool is_accent(char32_t c);       // category Mn
bool is_cjk(char32_t c);          // the blocks of google-research/bert, as tokenizers has them

// Appends the lower case of one character, without regard to its neighbours ("İ" becomes two; a final sigma is not
// special).
void append_lower(char32_t c, std::u32string& out);

// Canonical decomposition (NFD): decomposed characters, marks in canonical order.
std::u32string decompose(std::u32string_view text);

}  // namespace initlab::text
