// Verbs that look after run files: `verify`, `recover`, `tail`, `export`, `index`.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iostream>
#include <thread>

#include "app/common.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "log/index.hpp"
#include "log/run_file.hpp"
#include "report/report.hpp"
#include "sweep/claim.hpp"

namespace initlab::app {
namespace {

namespace fs = std::filesystem;

// Run files at and below the paths, sorted within each.
std::vector<fs::path> run_files(const std::vector<std::string>& paths) {
  std::vector<fs::path> files;
  for (const std::string& path : paths) {
    if (!fs::exists(path)) throw base::Error({path, "", "a run file or a folder of them", "nothing", ""});
    if (!fs::is_directory(path)) {
      files.emplace_back(path);
      continue;
    }
    const std::size_t first = files.size();
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(path))
      if (entry.is_regular_file() && entry.path().extension() == ".h5") files.push_back(entry.path());
    std::sort(files.begin() + static_cast<std::ptrdiff_t>(first), files.end());
  }
  if (files.empty()) throw base::Error({base::join(paths, " "), "", "run files (*.h5)", "none", ""});
  return files;
}

std::vector<fs::path> named_files(const po::variables_map& values) {
  return run_files(values["runs"].as<std::vector<std::string>>());
}

void declare_files(po::options_description& options, po::positional_options_description& positional) {
  options.add_options()("runs", po::value<std::vector<std::string>>()->required(), "");
  positional.add("runs", -1);
}

int verify(const po::variables_map& values, const Context&) {
  std::size_t bad = 0;
  for (const fs::path& file : named_files(values)) {
    const std::vector<std::string> findings = log::verify(file);
    bad += findings.empty() ? 0 : 1;
    std::cout << file.string() << ": " << (findings.empty() ? "ok" : "BROKEN") << "\n";
    for (const std::string& finding : findings) std::cout << "  " << finding << "\n";
  }
  return bad == 0 ? kDone : kRunFailed;
}

// Says what was done. A file that somebody writes is none of our business.
std::string recover_one(const fs::path& file) {
  if (!log::read_status(file).left_open) return "needs no recovery";
  const auto claim = sweep::Claim::take(file);
  if (!claim) return "is being written; left alone";
  log::recover(file);
  const record::Run run = log::read_run(file);
  return "recovered, " + std::to_string(run.steps.size()) + " steps and " + std::to_string(run.evals.size()) +
         " evaluations";
}

// A file that cannot be mended does not keep the others from it.
int recover(const po::variables_map& values, const Context&) {
  int code = kDone;
  for (const fs::path& file : named_files(values)) {
    try {
      std::cout << file.string() << ": " << recover_one(file) << "\n";
    } catch (const base::Error& error) {
      spdlog::error("{}", error.what());
      code = kRunFailed;
    }
  }
  return code;
}

void print_step(const record::StepRecord& step) {
  std::cout << "step " << step.step << "  loss " << base::fixed(step.loss, 4) << "  grad norm "
            << base::fixed(step.grad_norm, 4) << "  " << base::fixed(1000 * step.seconds, 1) << " ms\n";
}

void print_eval(const record::EvalRecord& eval, const record::RunHeader& header) {
  std::cout << "evaluation after step " << eval.step << "  loss " << base::fixed(eval.loss, 4);
  for (std::size_t i = 0; i < eval.metrics.size(); ++i)
    if (header.metric_names[i] != "loss")
      std::cout << "  " << header.metric_names[i] << " " << base::fixed(eval.metrics[i], 4);
  std::cout << "\n";
}

// Rows come out in the order of their steps, each once.
struct Follower {
  std::size_t steps = 0, evals = 0;
  void print(const record::Run& run) {
    while (steps < run.steps.size() || evals < run.evals.size()) {
      const bool eval_is_next =
          evals < run.evals.size() && (steps == run.steps.size() || run.evals[evals].step < run.steps[steps].step);
      if (eval_is_next)
        print_eval(run.evals[evals++], run.header);
      else
        print_step(run.steps[steps++]);
    }
    std::cout.flush();
  }
};

void declare_tail(po::options_description& options, po::positional_options_description& positional) {
  options.add_options()("run", po::value<std::string>()->required(), "")  //
      ("lines", po::value<int>()->default_value(10), "rows of the past to begin with");
  positional.add("run", 1);
}

int tail(const po::variables_map& values, const Context&) {
  const fs::path file = values["run"].as<std::string>();
  const int lines = values["lines"].as<int>();
  if (lines < 0) throw base::Error({"command line", "--lines", "0 or more", std::to_string(lines), ""});
  record::Run run = log::read_run(file);
  Follower follower;
  follower.steps = run.steps.size() - std::min(run.steps.size(), static_cast<std::size_t>(lines));
  const std::int64_t from = follower.steps < run.steps.size() ? run.steps[follower.steps].step
                                                              : static_cast<std::int64_t>(run.steps.size()) + 1;
  while (follower.evals < run.evals.size() && run.evals[follower.evals].step < from) ++follower.evals;
  while (true) {
    follower.print(run);
    if (run.state != record::State::running) break;
    if (!sweep::owner_of(file)) {
      run = log::read_run(file);  // it may have ended in between
      follower.print(run);
      break;
    }
    std::this_thread::sleep_for(std::chrono::seconds(1));
    run = log::read_run(file);
  }
  std::cout << (run.state == record::State::running ? "killed: no live process has this run"
                                                    : std::string(record::to_text(run.state)))
            << (run.reason.empty() ? "" : ": " + run.reason) << "\n";
  return kDone;
}

void declare_export(po::options_description& options, po::positional_options_description& positional) {
  declare_files(options, positional);
  options.add_options()("csv", po::value<std::string>(), "write to this file; default: standard output");
}

int export_runs(const po::variables_map& values, const Context&) {
  const std::string text = report::to_csv(read_runs(values["runs"].as<std::vector<std::string>>()));
  if (values.count("csv") != 0)
    base::write_file(values["csv"].as<std::string>(), text);
  else
    std::cout << text;
  return kDone;
}

void declare_index(po::options_description& options, po::positional_options_description& positional) {
  declare_files(options, positional);
  options.add_options()("out", po::value<std::string>()->default_value("sweep.hdf5"), "the index");
}

int index(const po::variables_map& values, const Context&) {
  const fs::path out = values["out"].as<std::string>();
  if (out.extension() == ".h5")
    throw base::Error({"command line", "--out", "a name that does not end in .h5, as run files do", out.string(),
                       "e.g. " + fs::path(out).replace_extension(".hdf5").string()});
  const std::vector<fs::path> files = named_files(values);
  const std::vector<std::string> left_out = log::write_index(out, files);
  for (const std::string& problem : left_out) spdlog::warn("left out: {}", problem);
  std::cout << out.string() << ": " << files.size() - left_out.size() << " runs\n";
  return kDone;
}

}  // namespace

const Verb kVerify = {"verify",
                      "RUN.h5|FOLDER...",
                      "whether run files are whole and keep to their schema",
                      "A line a file: ok, or BROKEN and why. Exit code 1 where one is broken.",
                      declare_files,
                      verify};

const Verb kRecover = {
    "recover",
    "RUN.h5|FOLDER...",
    "mend run files that a killed process left open",
    "Writes a copy of all whole rows, which opens plainly in every program, and puts it in the file's "
    "place. Nothing\n"
    "that was flushed is lost. Files that are whole, or are being written, are left alone. Exit code 1 where one "
    "cannot "
    "be mended.",
    declare_files,
    recover};

const Verb kTail = {"tail",
                    "RUN.h5 [--lines N]",
                    "follow a run while it works",
                    "Prints steps and evaluations as they reach the file, until the run ends.",
                    declare_tail,
                    tail};

const Verb kExport = {
    "export",       "RUN.h5|FOLDER... [--csv FILE]",
    "runs as CSV",  "One row per (run, arm, settings, replicate, step, metric, value); the format of `compare --csv`.",
    declare_export, export_runs};

const Verb kIndex = {
    "index",
    "RUN.h5|FOLDER... [--out FILE]",
    "one HDF5 file that shows a whole sweep",
    "A table of the runs and an external link to each: h5py.File(\"sweep.hdf5\")[\"runs\"] has them all. The "
    "links are relative,\n"
    "so index and runs can be moved together. Default: sweep.hdf5.",
    declare_index,
    index};

}  // namespace initlab::app
