// `initlab compare`: what finished runs say, paired by replicate.
#include "compare/compare.hpp"

#include <iostream>
#include <map>

#include "app/common.hpp"
#include "app/selection.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "report/report.hpp"

namespace initlab::app {
namespace {

void declare(po::options_description& options, po::positional_options_description& positional) {
  options.add_options()("results", po::value<std::vector<std::string>>()->required(), "");
  positional.add("results", -1);
  declare_compare_options(options);
  options.add_options()("experiment", po::value<std::string>(), "only this one of several below the folder")  //
      ("csv", po::value<std::string>(),
       "write one row per (run, arm, settings, replicate, step, metric, value) to this file")  //
      ("json", po::bool_switch(), "print JSON instead of the table");
}

int run(const po::variables_map& values, const Context&) {
  const compare::Options options = compare_options(values);
  const auto& paths = values["results"].as<std::vector<std::string>>();
  std::vector<record::Run> all = read_runs(paths);
  // One run alone, or an experiment asked for by name, is compared as it is, also where it made a checkpoint.
  if (all.size() > 1 && values.count("experiment") == 0) all = without_makers(std::move(all));
  all = without_tuning(std::move(all));
  if (all.empty())
    throw base::Error(
        {base::join(paths, " "), "", "runs to compare", "tuning runs alone", "initlab show has one of them"});
  auto groups = by_experiment(std::move(all));
  std::vector<std::string> names;
  for (const auto& [name, runs] : groups) names.push_back(name);
  if (values.count("experiment") != 0) {
    const std::string wanted = values["experiment"].as<std::string>();
    if (groups.count(wanted) == 0)
      throw base::Error({"command line", "--experiment", "one of " + base::join(names, ", "), base::quote(wanted),
                         base::did_you_mean(wanted, names)});
    names = {wanted};
  }
  const bool json = values["json"].as<bool>();
  if (json && names.size() > 1)
    throw base::Error({base::join(paths, " "), "--json", "runs of one experiment", base::join(names, ", "),
                       "name one: --experiment " + names.front()});
  std::vector<record::Run> exported;
  std::vector<compare::Comparison> comparisons;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const std::vector<record::Run>& runs = groups[names[i]];
    const compare::Comparison& comparison = comparisons.emplace_back(compare::compare(runs, options));
    if (json) {
      std::cout << base::json_pretty(report::to_json(comparison)) << "\n";
    } else {
      std::cout << (i > 0 ? "\n" : "") << report::table(comparison);
    }
    exported.insert(exported.end(), runs.begin(), runs.end());
  }
  if (values.count("csv") != 0)
    base::write_file(values["csv"].as<std::string>(), report::to_csv(exported, comparisons));
  return kDone;
}

}  // namespace

const Verb kCompare = {
    "compare",
    "RESULTS... [--at last|best|step:N] [--metric M] [--baseline ARM] [--threshold X] "
    "[--gain FROM:TO] [--json] [--csv FILE]",
    "compare finished runs, paired by replicate",
    "RESULTS are run files or folders of them. Per arm (and grid point): n, failed, mean and standard deviation of the "
    "metric;\n"
    "the difference to the baseline arm paired by replicate, with a 95 % interval (Student t) and the exact sign-flip "
    "p; steps\n"
    "to the threshold, with misses; the constant-class score beside them; and, with a gain, what share of it each arm "
    "keeps. docs/STATISTICS.md has the formulas.",
    declare,
    run};

}  // namespace initlab::app
