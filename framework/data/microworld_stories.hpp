// The unlabelled half of the generated language: short stories, one polarity each, cut into pre-training pieces.
#pragma once

#include <vector>

#include "data/microworld.hpp"
#include "data/microworld_lexicon.hpp"

namespace initlab::data {

// The pieces of one story, in order. Draws from `cursor` only.
std::vector<StoryPiece> tell_story(const Lexicon& lexicon, Cursor& cursor);

// Length of a piece as BERT reads it, [CLS] and [SEP] counted: each word and each punctuation mark is one token.
std::int64_t token_count(const StoryPiece& piece);

}  // namespace initlab::data
