// Tables, sentences, JSON and CSV of a comparison. Text only here; no file formats of runs.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "compare/compare.hpp"
#include "record/record.hpp"

namespace initlab::report {

// The comparison for a terminal: one block a grid point, a verdict per pair, the notes. Metrics are fractions, 4
// digits.
std::string table(const compare::Comparison& comparison);

// The keys of docs/CLI.md; later versions add, never rename. What is not a number is null.
base::Json to_json(const compare::Comparison& comparison);

// One row per (run, arm, settings, replicate, step, metric, value), with a head line; quoted as RFC 4180 says, lines
// end in "\n". Metrics: the evaluations' own and loss; train_loss, learning_rate and grad_norm of every step. Every run
// is there, whatever its state. Behind them three rows for each share of the gain, without run, replicate and step:
// gain_share, gain_share_low and gain_share_high (95 %; infinite where the set is not bounded, nan for one replicate).
std::string to_csv(std::span<const record::Run> runs, std::span<const compare::Comparison> comparisons = {});

// A pair in plain words: "pretrained beats zero by 0.4700 accuracy (95 % CI 0.4500 to 0.4900, 8 pairs, p = 0.0078)", or
// "cannot tell ..." unless p < 0.05 and the interval lies on one side of 0; "cannot tell yet: ..." where the interval
// does but so few pairs can never give p < 0.05.
std::string verdict(const compare::Comparison& comparison, const compare::Pair& pair);

// A share of the gain in plain words: "shuffled keeps 4.1 % of the gain from random to pretrained (95 % CI -2.0 %
// to 10.3
// %, 6 replicates)"; "cannot tell ..." where the gain may be 0, so that no share is excluded or the set is not bounded,
// and where the interval goes from nothing to all of it.
std::string verdict(const compare::Comparison& comparison, const compare::Share& share);

// How the arms of one grid point got their learning rates: "each arm's learning rate was chosen on 20 % of the training
// set, held out, from {1e-05, 1e-04, 0.001} by mean accuracy (1 run a rate): random 1e-04, pretrained 1e-05". A
// sentence for each way; none where the spec gives the rates.
std::vector<std::string> tuning_sentences(const compare::Comparison& comparison, const compare::Settings& settings);
std::string tuning_way(const compare::Tuning& tuning);  // "20 % of the training set, held out, from {...} by mean ..."

// "at the last evaluation", "at each run's best evaluation", "at step 100": of Comparison::at.
std::string at_text(const std::string& at);

// "120 (7/8 reached)": the step by which half of the runs had reached the threshold, misses included; "> 500 (3/8
// reached)" where fewer than half did by the last step, "never (0/8 reached)" where none did; "-" for no runs.
std::string steps_text(const compare::ArmSummary& arm);

// A fraction or a loss: 4 digits, no "-0.0000", "-" for what is not a number. signed_number puts "+" before what is
// above 0.
std::string number(double value);
std::string signed_number(double value);
std::string percent(double share);  // 0.631 as "63.1 %"; "-" for what is not a number
std::string p_text(double p);       // "0.0078", "<0.0001"

// Aligned columns: numbers to the right, text to the left, two spaces between. Rows may be short. Widths are in
// characters.
std::string align(const std::vector<std::vector<std::string>>& rows, const std::vector<bool>& right);

}  // namespace initlab::report
