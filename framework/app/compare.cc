// `initlab compare`: what finished runs say, paired by replicate.
#include "compare/compare.hpp"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <map>
#include <set>

#include "app/common.hpp"
#include "app/looks.hpp"
#include "app/selection.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "compare/examples.hpp"
#include "compare/keys.hpp"
#include "compare/refusals.hpp"
#include "data/metrics.hpp"
#include "log/run_file.hpp"
#include "report/report.hpp"

namespace initlab::app {
namespace {

void declare(po::options_description& options, po::positional_options_description& positional) {
  options.add_options()("results", po::value<std::vector<std::string>>()->required(), "");
  positional.add("results", -1);
  declare_compare_options(options);
  options.add_options()("experiment", po::value<std::string>(), "only this one of several below the folder")  //
      ("together", po::bool_switch(), "runs of several experiments are arms and seeds of one design")         //
      ("where", po::value<std::vector<std::string>>()->composing(),
       "KEY=VALUE: only such runs; a grid axis, arm, replicate, cpu, threads, build, ..., or training.batch")  //
      ("by", po::value<std::string>(),
       "KEY: runs of one value of it are compared with each other, in a table over it")                        //
      ("details", po::bool_switch(), "also the tables of spread, paired tests and convergence")                //
      ("examples", po::bool_switch(), "also over evaluation examples, from the stored predictions")            //
      ("one-seed", po::bool_switch(), "show what one seed gave, without a verdict")                            //
      ("look", po::bool_switch(), "before all planned seeds are run: record the look, and spend alpha on it")  //
      ("csv", po::value<std::string>(),
       "write one row per (run, arm, settings, replicate, step, metric, value) to this file")  //
      ("markdown", po::bool_switch(), "print Markdown")                                        //
      ("latex", po::bool_switch(), "print the tables for LaTeX, with booktabs")                //
      ("json", po::bool_switch(), "print JSON instead of the table");
}

bool has(const po::variables_map& values, const char* name) { return values[name].as<bool>(); }

// What is printed: at most one of the forms.
report::Style style_of(const po::variables_map& values) {
  std::vector<std::string> asked;
  for (const char* form : {"json", "markdown", "latex"})
    if (has(values, form)) asked.push_back(std::string("--") + form);
  if (asked.size() > 1) throw base::Error({"command line", asked[1], "one form", base::join(asked, " and "), ""});
  report::Style style;
  style.details = has(values, "details") || has(values, "examples");
  if (has(values, "markdown")) style.format = report::Format::markdown;
  if (has(values, "latex")) style.format = report::Format::latex;
  // https://no-color.org
  style.colour = style.format == report::Format::text && ::isatty(STDOUT_FILENO) != 0 &&
                 base::environment("NO_COLOR", "").empty() && base::environment("TERM", "") != "dumb";
  return style;
}

std::vector<std::pair<std::string, std::string>> conditions_of(const po::variables_map& values) {
  std::vector<std::pair<std::string, std::string>> conditions;
  if (values.count("where") == 0) return conditions;
  for (const std::string& text : values["where"].as<std::vector<std::string>>()) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0)
      throw base::Error({"command line", "--where", "KEY=VALUE", base::quote(text), "e.g. --where arm=zero"});
    conditions.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  return conditions;
}

// The runs that the options leave, without those that only serve others.
std::vector<record::Run> select(const po::variables_map& values) {
  const auto& paths = values["results"].as<std::vector<std::string>>();
  std::vector<record::Run> all = read_runs(paths);
  // One run alone, or an experiment asked for by name, is compared as it is, also where it made a checkpoint.
  if (all.size() > 1 && values.count("experiment") == 0) all = without_makers(std::move(all));
  all = without_tuning(std::move(all));
  if (all.empty())
    throw base::Error(
        {base::join(paths, " "), "", "runs to compare", "tuning runs alone", "initlab show has one of them"});
  if (values.count("experiment") != 0) {
    std::set<std::string> names;
    for (const record::Run& run : all) names.insert(run.header.experiment);
    const std::string wanted = values["experiment"].as<std::string>();
    const std::vector<std::string> known(names.begin(), names.end());
    if (!names.contains(wanted))
      throw base::Error({"command line", "--experiment", "one of " + base::join(known, ", "), base::quote(wanted),
                         base::did_you_mean(wanted, known)});
    std::erase_if(all, [&](const record::Run& run) { return run.header.experiment != wanted; });
  }
  all = compare::where(std::move(all), conditions_of(values));
  if (values.count("by") != 0) compare::set_apart(all, values["by"].as<std::string>());
  return all;
}

// The comparison's metric of stored predictions, as the run itself was scored.
compare::Score score_of(const record::RunHeader& header, const std::string& metric) {
  return [outputs = static_cast<std::size_t>(header.outputs), names = std::vector<std::string>{metric}](
             std::span<const float> predictions, std::span<const float> labels) {
    if (outputs == 1) return data::score_numbers(names, predictions, labels).values[0];
    std::vector<std::int32_t> predicted(labels.size()), truth(labels.begin(), labels.end());
    for (std::size_t i = 0; i < labels.size(); ++i) {
      const auto first = predictions.begin() + static_cast<std::ptrdiff_t>(i * outputs);
      predicted[i] =
          static_cast<std::int32_t>(std::max_element(first, first + static_cast<std::ptrdiff_t>(outputs)) - first);
    }
    return data::score_classes(names, predicted, truth).values[0];
  };
}

void look_at_examples(std::vector<record::Run>& runs, compare::Comparison& comparison) {
  const record::RunHeader& header = runs.front().header;
  if (comparison.metric == "loss" || header.outputs <= 0)
    throw base::Error({"command line", "--examples", "a metric of stored predictions", base::quote(comparison.metric),
                       "losses and masked words are not kept example by example"});
  for (record::Run& run : runs) run.evals = log::read_run(run.file, log::Detail::predictions).evals;
  compare::add_examples(comparison, runs, score_of(header, comparison.metric));
}

// With --look, judged anew at what looks before have left of alpha.
compare::Comparison compare_runs(const po::variables_map& values, std::vector<record::Run>& runs) {
  compare::Options options = compare_options(values);
  options.together =
      has(values, "together") || (values.count("by") != 0 && values["by"].as<std::string>() == "experiment");
  compare::Comparison comparison = compare::compare(runs, options);
  compare::require_answerable(comparison, has(values, "one-seed"));
  if (has(values, "look")) {
    const auto& paths = values["results"].as<std::vector<std::string>>();
    if (paths.size() != 1 || !std::filesystem::is_directory(paths.front()))
      throw base::Error(
          {"command line", "--look", "one results folder, to record the look in", base::join(paths, " "), ""});
    options.alpha = record_look(paths.front(), comparison);
    comparison = compare::compare(runs, options);
    comparison.notes.push_back("a look before or at the end of " + std::to_string(*comparison.planned_seeds) +
                               " planned seeds, recorded in looks.json: verdicts ask for p < " +
                               compare::alpha_text(options.alpha));
  }
  if (has(values, "examples")) look_at_examples(runs, comparison);
  return comparison;
}

// Of several experiments, one that nothing can be said of does not silence the others.
bool try_compare(const po::variables_map& values, std::vector<record::Run>& runs, bool one_of_several,
                 std::vector<compare::Comparison>& comparisons) {
  try {
    comparisons.push_back(compare_runs(values, runs));
    return true;
  } catch (const base::Error& error) {
    if (!one_of_several) throw;
    spdlog::warn("left out: {}", error.what());
    return false;
  }
}

int run(const po::variables_map& values, const Context&) {
  const report::Style style = style_of(values);
  const auto& paths = values["results"].as<std::vector<std::string>>();
  std::vector<record::Run> all = select(values);
  std::map<std::string, std::vector<record::Run>> groups;
  if (has(values, "together") || (values.count("by") != 0 && values["by"].as<std::string>() == "experiment"))
    groups[""] = std::move(all);
  else
    groups = by_experiment(std::move(all));
  const bool json = has(values, "json");
  if (json && groups.size() > 1) {
    std::vector<std::string> names;
    for (const auto& [name, runs] : groups) names.push_back(name);
    throw base::Error({base::join(paths, " "), "--json", "runs of one experiment", base::join(names, ", "),
                       "name one: --experiment " + names.front()});
  }
  std::vector<record::Run> exported;
  std::vector<compare::Comparison> comparisons;
  for (auto& [name, runs] : groups) {
    if (!try_compare(values, runs, groups.size() > 1, comparisons)) continue;
    const compare::Comparison& comparison = comparisons.back();
    if (json) {
      std::cout << base::json_pretty(report::to_json(comparison)) << "\n";
    } else {
      std::cout << (comparisons.size() > 1 ? "\n" : "") << report::table(comparison, style);
      if (values.count("by") != 0)
        std::cout << "\n"
                  << report::curve_table(comparison, compare::axis_of(runs, values["by"].as<std::string>()), style);
    }
    exported.insert(exported.end(), runs.begin(), runs.end());
  }
  if (comparisons.empty())
    throw base::Error({base::join(paths, " "), "", "an experiment that can be compared",
                       "none of " + std::to_string(groups.size()), "the messages above say what each lacks"});
  if (values.count("csv") != 0)
    base::write_file(values["csv"].as<std::string>(), report::to_csv(exported, comparisons));
  return kDone;
}

}  // namespace

const Verb kCompare = {
    "compare",
    "RESULTS... [--at last|best|step:N] [--metric M] [--baseline ARM] [--threshold X|baseline] [--gain FROM:TO] "
    "[--where KEY=VALUE]... [--by KEY] [--together] [--details] [--examples] [--look] [--markdown|--latex|--json] "
    "[--csv FILE]",
    "compare finished runs, paired by replicate",
    "RESULTS are run files or folders of them. Per arm (and grid point): n, failed, mean and standard deviation of the "
    "metric;\n"
    "the difference to the baseline arm paired by replicate, with a 95 % interval (Student t), the exact sign-flip p "
    "and Holm's;\n"
    "steps to the threshold, with misses; the constant-class score beside them; with a gain, what share of it each arm "
    "keeps; and\n"
    "the verdicts on the claims that the spec stated. docs/STATISTICS.md has the formulas.",
    declare,
    run};

}  // namespace initlab::app
