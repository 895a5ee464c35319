// `initlab report`: finished runs as one HTML file that opens offline, and as figures for a paper. Run files are read
// one after another, and of each only what the page shows is kept.
#include <spdlog/spdlog.h>

#include <filesystem>
#include <iostream>
#include <map>
#include <set>

#include "app/common.hpp"
#include "app/figure_files.hpp"
#include "app/selection.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "config/config.hpp"
#include "init/audit.hpp"
#include "report/page.hpp"
#include "sweep/machine.hpp"

namespace initlab::app {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostPoints = 120'000;         // of all curves of a page: some 4 MB
constexpr std::size_t kMostEvaluations = 2'000'000;  // of all runs: they stay in memory, 200 to 300 bytes each

struct Collected {
  std::vector<record::Run> runs;
  std::map<std::string, report::Observed> observed;  // by file
  std::vector<std::string> left_out;
};

// Tensors are kept of the first run of each arm, grid point and role; the audit looks at all.
class Collector {
 public:
  void take(record::Run run) {
    report::Observed seen = report::thin(run);
    for (const init::Finding& finding : init::audit(run.init, run.header.checkpoint_unused))
      seen.findings.push_back(std::string(init::to_text(finding.severity)) + ": " + finding.tensor + ": " +
                              finding.text);
    const record::RunHeader& header = run.header;
    if (tensors_of_.insert(header.experiment + "\n" + header.role + "\n" + header.arm + "\n" + header.settings).second)
      seen.explanation = init::explain(run.init, header.checkpoint_unused, header.checkpoint);
    else
      run.init = {};
    evaluations_ += run.evals.size();
    if (evaluations_ > kMostEvaluations)
      throw base::Error({run.file, "evaluations",
                         "at most " + std::to_string(kMostEvaluations) + " of all runs together", "more",
                         "report fewer runs at a time"});
    collected.observed.emplace(run.file, std::move(seen));
    collected.runs.push_back(std::move(run));
  }
  Collected collected;

 private:
  std::set<std::string> tensors_of_;
  std::size_t evaluations_ = 0;
};

Collected collect(const std::vector<std::string>& paths) {
  Collector collector;
  each_run(
      paths, [&](record::Run run) { collector.take(std::move(run)); },
      [&](const std::string& problem) {
        spdlog::warn("left out: {}", problem);
        collector.collected.left_out.push_back(problem);
      });
  return std::move(collector.collected);
}

std::map<std::string, std::size_t> count_tuning_runs(const std::vector<record::Run>& runs) {
  std::map<std::string, std::size_t> counts;
  for (const record::Run& run : runs)
    if (run.header.role == record::kTuningRole) ++counts[run.header.experiment];
  return counts;
}

std::string command_of(const po::variables_map& values) {
  std::string text = "initlab report";
  for (const std::string& path : values["results"].as<std::vector<std::string>>()) text += " " + shell_quote(path);
  for (const auto& [name, value] : values) {
    if (name == "results" || value.defaulted() || value.empty()) continue;
    const auto* number = boost::any_cast<double>(&value.value());
    const auto* word = boost::any_cast<std::string>(&value.value());
    if (number != nullptr || word != nullptr)
      text += " --" + name + " " + (number != nullptr ? base::number_text(*number) : shell_quote(*word));
  }
  return text;
}

void check_out(const fs::path& out) {
  if (out.extension() == ".h5")
    throw base::Error({"command line", "--out", "a name that does not end in .h5, as run files do",
                       base::quote(out.string()), "e.g. --out report.html"});
  if (fs::is_directory(out))
    throw base::Error({"command line", "--out", "a file", base::quote(out.string()) + ", a folder",
                       "e.g. --out " + shell_quote((out / "report.html").string())});
}

// One study an experiment. What cannot be compared is told on the page, unless there is nothing else.
std::vector<report::Study> studies_of(Collected& collected, const std::vector<std::string>& wanted,
                                      const compare::Options& options) {
  const auto tuning = count_tuning_runs(collected.runs);
  std::vector<record::Run> runs = std::move(collected.runs);
  if (runs.size() > 1 && wanted.empty()) runs = without_makers(std::move(runs));
  auto groups = by_experiment(without_tuning(std::move(runs)));
  std::vector<std::string> names;
  for (const auto& [name, group] : groups) names.push_back(name);
  for (const std::string& name : wanted)
    if (!groups.contains(name))
      throw base::Error({"command line", "--experiment", "one of " + base::join(names, ", "), base::quote(name),
                         base::did_you_mean(name, names)});
  std::vector<report::Study> studies;
  std::optional<base::Error> problem;
  for (const std::string& name : wanted.empty() ? names : wanted) {
    try {
      compare::Comparison comparison = compare::compare(groups[name], options);
      studies.push_back({std::move(comparison),
                         std::move(groups[name]),
                         tuning.contains(name) ? tuning.at(name) : 0,
                         {},
                         config::part_names()});
      for (const record::Run& run : studies.back().runs)
        studies.back().observed.emplace(run.file, std::move(collected.observed[run.file]));
    } catch (const base::Error& error) {
      spdlog::warn("left out: {}: {}", name, error.what());
      collected.left_out.push_back(name + ": " + error.what());
      problem = error;
    }
  }
  if (studies.empty() && problem) throw base::Error(*problem);
  if (studies.empty())
    throw base::Error({"report", "", "runs to compare", "tuning runs alone", "initlab show has one of them"});
  return studies;
}

void declare(po::options_description& options, po::positional_options_description& positional) {
  options.add_options()("results", po::value<std::vector<std::string>>()->required(), "");
  positional.add("results", -1);
  options.add_options()("out", po::value<std::string>()->default_value("report.html"), "the page")  //
      ("figures", po::value<std::string>(), "also write each figure as SVG and PDF into this folder (needs gnuplot)");
  declare_compare_options(options);
  options.add_options()("experiment", po::value<std::string>(), "only this one of several below the folder");
}

std::string size_text(std::size_t bytes) { return base::fixed(static_cast<double>(bytes) / 1e6, 1) + " MB"; }

int run(const po::variables_map& values, const Context&) {
  const compare::Options options = compare_options(values);
  const fs::path out = values["out"].as<std::string>();
  check_out(out);
  std::optional<fs::path> gnuplot;
  if (values.count("figures") != 0) gnuplot = find_gnuplot();
  std::vector<std::string> wanted;
  if (values.count("experiment") != 0) wanted.push_back(values["experiment"].as<std::string>());

  Collected collected = collect(values["results"].as<std::vector<std::string>>());
  const std::vector<report::Study> studies = studies_of(collected, wanted, options);
  report::Page page;
  page.command = command_of(values);
  page.made = sweep::utc_now();
  page.build = sweep::build_description();
  page.left_out = std::move(collected.left_out);
  std::size_t runs = 0;
  for (const report::Study& study : studies) {
    page.chapters.push_back(report::chapter(study, page.chapters.size() + 1, kMostPoints / studies.size()));
    runs += study.runs.size();
  }
  page.title = studies.size() == 1 ? studies.front().comparison.experiment : "initlab report";
  const std::string text = report::html(page);
  base::write_file(out, text);
  std::cout << out.string() << ": " << studies.size() << (studies.size() == 1 ? " experiment, " : " experiments, ")
            << runs << " runs, " << size_text(text.size()) << "\n";
  if (!gnuplot) return kDone;
  const fs::path folder = values["figures"].as<std::string>();
  const std::vector<const report::Figure*> figures = report::figures_of(page);
  write_figures(*gnuplot, folder, figures);
  std::cout << folder.string() << ": " << figures.size() << " figures, each as .svg, .pdf and .gp\n";
  return kDone;
}

}  // namespace

const Verb kReport = {
    "report",
    "RESULTS... [--out report.html] [--figures DIR] [--at last|best|step:N] [--metric M] [--baseline ARM] "
    "[--threshold X] [--gain FROM:TO] [--experiment E]",
    "finished runs as one HTML page that opens offline, and as figures for a paper",
    "RESULTS are run files or folders of them. The page has verdicts, every run's number with intervals, curves, time "
    "to the "
    "threshold,\n"
    "paired differences, shares of a gain, sensitivity, diagnostics by layer, the initialization audit, failures and "
    "provenance.\n"
    "It needs no network. --figures draws the same figures with gnuplot.",
    declare,
    run};

}  // namespace initlab::app
