// The labelled half of the generated language: four tasks whose label follows from word classes and closed words alone.
#pragma once

#include "data/microworld.hpp"
#include "data/microworld_lexicon.hpp"

namespace initlab::data {

// One example of a task with the label asked for. Words come from one half of each class; no cue word is used.
using TaskWriter = LabelledText (*)(const Lexicon& lexicon, Half half, Cursor& cursor, bool label);

struct MicroworldTask {
  std::string_view name;
  TaskWriter write;
};

// What exists: sentiment, acceptability, paraphrase, entailment.
std::span<const MicroworldTask> microworld_tasks();

}  // namespace initlab::data
