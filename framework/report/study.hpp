// What a report shows of one experiment: a comparison and the runs behind it, turned into figures and grids. Pure
// functions over records; the caller reads the run files, one at a time, and keeps of each what `thin` leaves.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "compare/compare.hpp"
#include "record/record.hpp"
#include "report/figures.hpp"

namespace initlab::report {

// Training curves are shown at exact steps, never averaged over steps: each up to 100, then each 5th up to 1,000, each
// 50th up to 10,000, and so on. The steps are the same for every run, so that means over runs are of one step.
bool is_shown_step(std::int64_t step);

// What is counted over all steps before they are thinned, and what an audit of the initialization found.
struct Observed {
  double most_loss = kNoNumber, most_grad_norm = kNoNumber;  // the highest finite ones
  std::int64_t most_loss_step = 0, most_grad_norm_step = 0;
  std::int64_t not_finite = 0;           // steps whose loss or gradient norm is no finite number
  std::int64_t steps = 0;                // that the run made
  std::vector<std::string> findings;     // "error: tensor: ..." of the audit
  std::vector<std::string> explanation;  // of the audit, in plain words
};

// Counts, then leaves of the steps those of is_shown_step, those with an evaluation and the last (each with the tokens
// and seconds of the ones left out before it), of the diagnostics at most kMostDiagnosed steps (the first ones and the
// last), and no predictions. Tensors are the caller's.
inline constexpr std::size_t kMostDiagnosed = 32;
Observed thin(record::Run& run);

struct Study {
  compare::Comparison comparison;
  std::vector<record::Run> runs;             // those compared, thinned
  std::size_t tuning_runs = 0;               // how many more chose learning rates
  std::map<std::string, Observed> observed;  // by file, of `runs`
  std::vector<std::string> part_names = {};  // that PartDiagnosis::part counts
};

// The parts of a study, ready to be shown. Figures of one grid point belong together.
struct Block {
  std::string title;  // "" where there is one grid point
  std::vector<Figure> figures;
};
struct Chapter {
  std::string experiment;
  std::string question;               // of the spec's head comment, or made from the comparison
  std::vector<std::string> asked;     // what was compared, and how; sentences
  std::vector<std::string> verdicts;  // sentences
  std::vector<std::string> notes;
  std::vector<Block> results;       // a grid point each
  std::vector<Grid> statistics;     // the tables of `compare --details`
  std::vector<Figure> sensitivity;  // to grid axes and learning rates
  std::vector<Figure> diagnostics;  // heat maps
  std::vector<Grid> tables;         // comparison as numbers
  std::vector<std::string> audit_words;
  std::vector<Grid> audit;
  std::vector<Grid> failures;
  std::vector<Grid> provenance;
  std::vector<std::pair<std::string, std::string>> specs;  // title, YAML
};

// number: of the chapter in its report, for ids. most_points: how many points all curves of the chapter may have; with
// more, each n-th is left, and captions say so.
Chapter chapter(const Study& study, std::size_t number, std::size_t most_points);

}  // namespace initlab::report
