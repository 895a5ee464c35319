// `initlab bench`: how fast a training step is, where its time goes, and how near that is to what the machine can do.
#include <spdlog/spdlog.h>

#include <cstdio>
#include <iostream>
#include <optional>

#include "app/bench_step.hpp"
#include "app/child.hpp"
#include "app/common.hpp"
#include "app/workloads.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "compute/threads.hpp"
#include "report/report.hpp"
#include "sweep/machine.hpp"

namespace initlab::app {
namespace {

// What the command line asks of every workload.
struct Request {
  std::vector<spec::Override> overrides;
  std::optional<int> steps, warmup;
  int threads = 1;
};

std::optional<int> number(const po::variables_map& values, const char* name, int least) {
  if (values.count(name) == 0) return std::nullopt;
  const int n = values[name].as<int>();
  if (n < least || n > 1'000'000)
    throw base::Error({"command line", std::string("--") + name,
                       "an integer from " + std::to_string(least) + " to 1000000", std::to_string(n), ""});
  return n;
}

Request request_of(const po::variables_map& values) {
  return {overrides_of(values), number(values, "steps", 1), number(values, "warmup", 0),
          count_option(values, "threads").value_or(sweep::cores())};
}

// A workload or a spec, opened and checked.
struct Opened {
  std::string name;
  std::unique_ptr<init::Catalog> catalog;
  std::unique_ptr<sweep::Workshop> workshop;
  std::shared_ptr<const sweep::Prepared> run;  // the first arm's first replicate
  BenchPlan plan;
};

spec::ExperimentSpec read_spec(const std::string& what, const Workload* workload, const Request& request,
                               const std::map<std::string, std::string>& defaults) {
  if (workload != nullptr) return spec::from_text(spec_text(*workload), what, request.overrides, defaults);
  if (!std::filesystem::exists(what)) {
    const std::vector<std::string> names = workload_names();
    throw base::Error({"command line", "", "a workload or a spec", base::quote(what), base::did_you_mean(what, names)});
  }
  return spec::read(what, request.overrides, defaults);
}

Opened open(const std::string& what, const Request& request, const Context& context) {
  const Workload* workload = find_workload(what);
  const auto defaults = variable_defaults(context);
  const spec::ExperimentSpec spec = read_spec(what, workload, request, defaults);
  const config::RunPlan& plan = spec.plans.front();
  Opened opened;
  opened.name = workload != nullptr ? what : spec.experiment;
  opened.catalog = open_catalog(plan.plugins, context);
  opened.workshop = std::make_unique<sweep::Workshop>(*opened.catalog, "results", defaults);
  if (workload != nullptr && workload->synthetic) {
    opened.run = std::make_shared<sweep::Prepared>(prepare_synthetic(plan, *opened.catalog));
  } else {
    opened.run = opened.workshop->prepare(plan);
  }
  if (opened.run->promise && !opened.run->checkpoint)
    throw base::Error({plan.model.place, "the checkpoint", "weights in " + opened.run->promise->folder.string(),
                       "none yet", "make them first: initlab run " + opened.run->promise->run->plan.spec_path});
  opened.plan.threads = request.threads;
  opened.plan.steps = request.steps.value_or(workload != nullptr ? workload->steps : 30);
  opened.plan.warmup = request.warmup.value_or(workload != nullptr ? workload->warmup : 5);
  return opened;
}

double per_step(double total, const Measured& measured) { return total / static_cast<double>(measured.seconds.size()); }

base::Json milliseconds(const std::vector<double>& seconds) {
  base::Json out = base::Json::array();
  for (const double s : seconds) out.push_back(1e3 * s);
  return out;
}

// Where the time went, a step; what no clock claimed is "other".
base::Json phases_json(const Measured& measured) {
  base::Json out = base::Json::object();
  double rest = measured.total_seconds();
  for (std::size_t i = 0; i < compute::kPhases; ++i) {
    out[compute::kPhaseNames[i]] = 1e3 * per_step(measured.phases[i], measured);
    rest -= measured.phases[i];
  }
  out["other"] = 1e3 * per_step(rest, measured);
  return out;
}

base::Json as_json(const Opened& opened, const Measured& m) {
  const double seconds = m.total_seconds();
  const Taken taken = m.typical();
  const auto counted = [](double n) { return allocations_are_counted() ? base::Json(n) : base::Json(nullptr); };
  return {{"workload", opened.name},
          {"tokens_per_s", static_cast<double>(m.tokens) / seconds},
          {"sequences_per_s", static_cast<double>(m.sequences) / seconds},
          {"step_ms",
           {{"median", 1e3 * quantile(m.seconds, 0.5)},
            {"p10", 1e3 * quantile(m.seconds, 0.1)},
            {"p90", 1e3 * quantile(m.seconds, 0.9)}}},
          {"tokens_per_step", per_step(static_cast<double>(m.tokens), m)},
          {"gflop_per_step", per_step(m.flops / 1e9, m)},
          {"matmul_gflops", m.matmul_gflops},
          {"share_of_matmul", m.share_of_matmul()},
          {"phases_ms", phases_json(m)},
          {"peak_rss_mib", m.peak_rss_mib},
          {"allocations_per_step", counted(taken.allocations)},
          {"onednn_allocations_per_step", counted(taken.onednn_allocations)},
          {"page_faults_per_step", taken.page_faults},
          {"precision", opened.run->plan.training.precision},
          {"threads", opened.plan.threads},
          {"warmup", opened.plan.warmup},
          {"steps", opened.plan.steps},
          {"parameters", opened.run->table->size()},
          {"cpu", sweep::cpu_description()},
          {"build", sweep::build_description()},
          {"libraries", base::parse_json(sweep::library_versions(), "libraries")},
          {"steps_ms", milliseconds(m.seconds)},
          {"losses", m.losses}};
}

base::Json measure(const std::string& what, const Request& request, const Context& context) {
  const Opened opened = open(what, request, context);
  compute::set_threads(request.threads);
  const std::vector<double> matmuls =
      matmul_gflops(products_of(*opened.run));  // before there is a model: its memory is given back
  return as_json(opened, measure_steps(*opened.run, *opened.catalog, opened.plan, matmuls));
}

std::string text_of(const base::Json& value, int digits) {
  return value.is_null() ? "-" : base::fixed(value.get<double>(), digits);
}

const std::vector<std::string> kColumns = {"workload",  "tokens/s", "step ms",     "p10",      "p90",        "GF/s",
                                           "of 2048^3", "MiB",      "allocations", "oneDNN's", "page faults"};

std::vector<std::string> row_of(const base::Json& r) {
  const base::Json& ms = r["step_ms"];
  return {r["workload"].get<std::string>(),
          text_of(r["tokens_per_s"], 0),
          text_of(ms["median"], 1),
          text_of(ms["p10"], 1),
          text_of(ms["p90"], 1),
          base::fixed(r["share_of_matmul"].get<double>() * r["matmul_gflops"].get<double>(), 1),
          base::fixed(100 * r["share_of_matmul"].get<double>(), 1) + " %",
          text_of(r["peak_rss_mib"], 0),
          text_of(r["allocations_per_step"], 1),
          text_of(r["onednn_allocations_per_step"], 1),
          text_of(r["page_faults_per_step"], 1)};
}

std::string machine_text(const base::Json& r) {
  return r["cpu"].get<std::string>() + "; threads: " + base::json_text(r["threads"]) + "; " +
         r["precision"].get<std::string>() + "; oneDNN's 2048^3 product: " + text_of(r["matmul_gflops"], 1) + " GF/s";
}

void print_one(const base::Json& r) {
  std::vector<bool> right(kColumns.size(), true);
  right[0] = false;
  std::cout << report::align({kColumns, row_of(r)}, right) << "\n";
  std::vector<std::vector<std::string>> phases = {{"phase", "ms a step", "share"}};
  const double whole = 1e3 * r["tokens_per_step"].get<double>() / r["tokens_per_s"].get<double>();
  for (const auto& [name, ms] : r["phases_ms"].items())
    phases.push_back({name, text_of(ms, 2), base::fixed(100 * ms.get<double>() / whole, 1) + " %"});
  std::cout << report::align(phases, {false, true, true}) << "\n"
            << text_of(r["tokens_per_step"], 0)
            << " valid tokens a step; products that the loss needs: " << text_of(r["gflop_per_step"], 2)
            << " GFLOP a step\n"
            << machine_text(r) << "\n";
}

// One workload after another, each in its own process; what cannot be measured is left out and said.
int run_several(const std::vector<std::string>& names, const Request& request, const Context& context,
                bool as_json_text) {
  base::Json results = base::Json::array();
  std::vector<std::vector<std::string>> rows = {kColumns};
  for (const std::string& name : names) {
    try {
      results.push_back(in_a_child([&] { return measure(name, request, context); }));
      rows.push_back(row_of(results.back()));
      spdlog::info("{}: measured", name);
    } catch (const std::exception& error) {
      spdlog::warn("{}: left out: {}", name, error.what());
    }
  }
  if (results.empty())
    throw base::Error({"command line", "", "a workload that can be measured", "none", "see the messages above"});
  if (as_json_text) {
    std::cout << base::json_pretty({{"workloads", std::move(results)}}) << "\n";
    return kDone;
  }
  std::vector<bool> right(kColumns.size(), true);
  right[0] = false;
  std::cout << report::align(rows, right) << "\n" << machine_text(results.front()) << "\n";
  return kDone;
}

void print_list() {
  std::vector<std::vector<std::string>> rows = {{"workload", "steps", "what"}};
  for (const Workload& w : workloads())
    rows.push_back({w.name, std::to_string(w.warmup) + " + " + std::to_string(w.steps), w.summary});
  std::cout << report::align(rows, {false, true, false});
}

void declare(po::options_description& options, po::positional_options_description& positional) {
  options.add_options()("what", po::value<std::vector<std::string>>(), "")  //
      ("steps", po::value<int>(), "timed steps")                            //
      ("warmup", po::value<int>(), "steps before them")                     //
      ("threads", po::value<int>(), "default: all cores")                   //
      ("set", po::value<std::vector<std::string>>()->composing(),
       "path=value: overrides a key of the spec; may be given again")  //
      ("batches", po::value<std::string>(),
       "writes the batches of the timed steps to this file, as JSON, and times nothing")  //
      ("list", po::bool_switch(), "the named workloads")                                  //
      ("json", po::bool_switch(), "everything, as JSON");
  positional.add("what", -1);
}

int run(const po::variables_map& values, const Context& context) {
  if (values["list"].as<bool>()) {
    print_list();
    return kDone;
  }
  const Request request = request_of(values);
  const bool as_json_text = values["json"].as<bool>();
  const std::vector<std::string> names =
      values.count("what") == 0 ? workload_names() : values["what"].as<std::vector<std::string>>();
  if (names.size() > 1) {
    if (values.count("batches") != 0)
      throw base::Error(
          {"command line", "--batches", "one workload or spec", std::to_string(names.size()), "initlab bench --list"});
    return run_several(names, request, context, as_json_text);
  }
  const std::string& what = names.front();
  if (values.count("batches") != 0) {
    const Opened opened = open(what, request, context);
    base::write_file(values["batches"].as<std::string>(),
                     base::json_text(batches_json(opened.name, *opened.run, opened.plan)) + "\n");
    return kDone;
  }
  const base::Json result = measure(what, request, context);
  if (as_json_text) {
    std::cout << base::json_pretty(result) << "\n";
  } else {
    print_one(result);
  }
  return kDone;
}

}  // namespace

const Verb kBench = {"bench",
                     "[WORKLOAD|SPEC]... [--steps N] [--warmup N] [--threads N] [--set path=value]... [--batches FILE] "
                     "[--list] [--json]",
                     "how fast a training step is, where its time goes, how near that is to the machine's limit",
                     "Times the step that `run` makes, from the weights of the spec's first arm, at the peak learning "
                     "rate; writes nothing.\n"
                     "Of several, or without an argument of all named workloads whose data are there, a line each. The "
                     "share is of oneDNN's\n"
                     "2048^3 product, measured in the same process before and after, and counts the products that "
                     "the loss needs.",
                     declare,
                     run};

}  // namespace initlab::app
