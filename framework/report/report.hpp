// Tables, sentences, JSON and CSV of a comparison. Text only here; no file formats of runs.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "compare/compare.hpp"
#include "record/record.hpp"

namespace initlab::report {

// How a table is written down. Text is aligned columns; colour adds ANSI sequences to text and changes no letter.
enum class Format { text, markdown, latex };
struct Style {
  Format format = Format::text;
  bool colour = false;
  bool details = false;  // the tables of detail_tables as well
};

// The comparison: one block a grid point, a verdict per pair, the claims, the notes. Metrics are fractions, 4 digits.
// LaTeX gives the tables alone, with booktabs' rules.
std::string table(const compare::Comparison& comparison, const Style& style = {});

// Arms against the values of one grid path (curves over it): mean [95 % CI] (n), below each other for every combination
// of the other paths. Throws Error where no arm has the path.
std::string curve_table(const compare::Comparison& comparison, const std::string& path, const Style& style = {});

// The keys of docs/CLI.md; later versions add, never rename. What is not a number is null.
base::Json to_json(const compare::Comparison& comparison);

// One row per (run, arm, settings, replicate, step, metric, value), with a head line; quoted as RFC 4180 says, lines
// end in "\n". Metrics: the evaluations' own and loss; train_loss, learning_rate and grad_norm of every step. Every run
// is there, whatever its state. Behind them three rows for each share of the gain, without run, replicate and step:
// gain_share, gain_share_low and gain_share_high (95 %; infinite where the set is not bounded, nan for one replicate).
std::string to_csv(std::span<const record::Run> runs, std::span<const compare::Comparison> comparisons = {});

// A pair in plain words: "pretrained beats zero by 11.2 points of accuracy (95 % CI 9.8 to 12.6, 8 paired seeds, p =
// 0.0078, Holm 0.0234) and reaches 80 % after 120 steps; zero never did". "cannot tell ..." unless p < alpha, adjusted
// for the other pairs of the comparison (Holm), and the interval lies on one side of 0, with how many seeds would tell;
// "cannot tell yet: ..." where the interval does but so few pairs can never give such a p, or so many comparisons ask
// for a smaller one. "no verdict ..." at each run's best evaluation, which is chosen on what it is measured on.
std::string verdict(const compare::Comparison& comparison, const compare::Pair& pair);

// A claim of the spec: "reproduced: zero equals the constant class within 2.0 points of accuracy: difference 0.0 (90 %
// CI 0.0 to 0.0, 8 seeds); p < 0.0001, Holm < 0.0001". statement() is the claim alone.
std::string verdict(const compare::Comparison& comparison, const compare::ClaimVerdict& claim);
std::string statement(const compare::Comparison& comparison, const compare::ClaimVerdict& claim);
const char* to_text(compare::ClaimVerdict::Outcome outcome);  // "reproduced", "not reproduced", "cannot tell"

// Sentences speak of accuracy and F1 in points (hundredths), of everything else in its own unit.
bool is_share(const std::string& metric);
std::string amount(const std::string& metric, double value);      // "11.2", or "0.3100" of a loss
std::string unit(const std::string& metric);                      // "points of accuracy", "loss"
std::string level_text(const std::string& metric, double value);  // "80 %", "a loss of 0.5"

// The published numbers that the spec states beside the arms: "[1] 0.8230: BERT-base fine-tuned; Kovaleva et al. 2019".
std::vector<std::string> published(const compare::Comparison& comparison);

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
