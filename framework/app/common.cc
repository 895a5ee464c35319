#include "app/common.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <set>

#include "app/tuning.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "log/run_file.hpp"
#include "model/bert.hpp"
#include "sweep/folder.hpp"
#include "sweep/machine.hpp"
#include "train/trainer.hpp"

namespace initlab::app {
namespace {

// True where the run evaluates after that step; a time budget may.
bool evaluates_at(const sweep::Prepared& run, std::int64_t step) {
  const config::TrainingConfig& training = run.plan.training;
  const bool in_between = training.evaluate.every && step > 0 && step % *training.evaluate.every == 0;
  if (training.seconds) return in_between;
  const std::int64_t total = train::total_steps(training, data::steps_per_epoch(*run.data, training.batch));
  return step == total || (in_between && step < total);
}

// What can be known of the comparison before anything is run.
void check_comparison(const Sweep& sweep) {
  for (const auto& run : sweep.runs) {
    const config::CompareConfig& compare = run->plan.compare;
    std::vector<std::string> metrics = run->data->info.metrics;
    metrics.emplace_back("loss");
    if (compare.metric && std::find(metrics.begin(), metrics.end(), *compare.metric) == metrics.end())
      throw base::Error({run->plan.spec_path, "compare.metric",
                         "one of " + base::join(metrics, ", ") + ", which " + run->plan.task.name + " has",
                         base::quote(*compare.metric), base::did_you_mean(*compare.metric, metrics)});
  }
  const config::RunPlan& first = sweep.runs.front()->plan;
  const compare::At at = compare::parse_at(first.compare.at);
  if (at.kind != compare::At::Kind::step) return;
  const bool any =
      std::any_of(sweep.runs.begin(), sweep.runs.end(), [&at](const auto& run) { return evaluates_at(*run, at.step); });
  if (!any)
    throw base::Error({first.spec_path, "compare.at", "a step after which a run evaluates",
                       base::quote(first.compare.at),
                       "training.evaluate.every and the number of steps decide; `initlab plan` shows the steps"});
}

}  // namespace

std::string shell_quote(const std::string& text) {
  const bool plain = !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || std::string_view("_-./=,:+@").find(static_cast<char>(c)) != std::string_view::npos;
  });
  if (plain) return text;
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

void declare_spec_options(po::options_description& options, po::positional_options_description& positional) {
  options.add_options()("spec", po::value<std::string>()->required(), "")  //
      ("set", po::value<std::vector<std::string>>()->composing(),
       "path=value: overrides a key of the spec; may be given again")  //
      ("results", po::value<std::string>()->default_value("results"),
       "folder under which each experiment gets its own")  //
      ("threads", po::value<int>(),
       "threads a run; fixed once per experiment folder, since another count gives other bits");
  positional.add("spec", 1);
}

std::vector<spec::Override> overrides_of(const po::variables_map& values) {
  std::vector<spec::Override> overrides;
  if (values.count("set") == 0) return overrides;
  for (const std::string& text : values["set"].as<std::vector<std::string>>()) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0)
      throw base::Error({"command line", "--set", "path=value", base::quote(text), "e.g. --set training.epochs=1"});
    overrides.push_back({text.substr(0, equals), text.substr(equals + 1)});
  }
  return overrides;
}

std::map<std::string, std::string> variable_defaults(const Context& context) {
  namespace fs = std::filesystem;
  const fs::path beside = fs::absolute("../shared/data").lexically_normal();
  const fs::path from_program = (fs::path(context.program).parent_path() / "../../shared/data").lexically_normal();
  std::error_code error;
  const fs::path data =
      !fs::is_directory(beside, error) && fs::is_directory(from_program, error) ? from_program : beside;
  return {{"INITLAB_DATA", data.string()},
          {"INITLAB_MODELS", base::environment("HOME", ".") + "/.cache/initlab/models"}};
}

std::unique_ptr<init::Catalog> open_catalog(const std::vector<std::string>& from_spec, const Context& context) {
  auto catalog = std::make_unique<init::Catalog>();
  for (const std::string& file : init::find_plugins(from_spec, context.program)) catalog->load(file);
  return catalog;
}

Sweep open_sweep(const po::variables_map& values, const Context& context) {
  Sweep sweep;
  const std::string file = values["spec"].as<std::string>();
  sweep.results = values["results"].as<std::string>();
  const std::vector<spec::Override> overrides = overrides_of(values);
  sweep.command = "initlab run " + shell_quote(file);
  for (const spec::Override& o : overrides) sweep.command += " --set " + shell_quote(o.path + "=" + o.value);
  const auto defaults = variable_defaults(context);
  sweep.spec = spec::read(file, overrides, defaults);
  sweep.catalog = open_catalog(sweep.spec.plans.front().plugins, context);
  sweep.workshop = std::make_unique<sweep::Workshop>(*sweep.catalog, sweep.results, defaults);
  for (const config::RunPlan& plan : sweep.spec.plans) sweep.runs.push_back(sweep.workshop->prepare(plan));
  for (const config::RunPlan& plan : sweep.spec.tuning) sweep.tuning.push_back(sweep.workshop->prepare(plan));
  check_comparison(sweep);
  choose_rates(sweep);
  return sweep;
}

std::vector<std::vector<std::shared_ptr<const sweep::Prepared>>> makers_of(
    const std::vector<std::shared_ptr<const sweep::Prepared>>& runs) {
  // By how many checkpoints stand below it, and by experiment.
  std::map<std::pair<std::size_t, std::string>, std::vector<std::shared_ptr<const sweep::Prepared>>> groups;
  std::set<std::string> seen;
  const auto add = [&](const auto& self, const sweep::Prepared& run) -> std::size_t {
    if (!run.promise) return 0;
    const auto& maker = run.promise->run;
    const std::size_t below = self(self, *maker);
    if (seen.insert(maker->run_id).second) groups[{below, maker->plan.experiment}].push_back(maker);
    return below + 1;
  };
  for (const auto& run : runs) add(add, *run);
  std::vector<std::vector<std::shared_ptr<const sweep::Prepared>>> in_order;
  for (auto& [key, group] : groups) in_order.push_back(std::move(group));
  return in_order;
}

std::vector<std::shared_ptr<const sweep::Prepared>> first_replicates(const Sweep& sweep) {
  std::vector<std::shared_ptr<const sweep::Prepared>> firsts;
  for (const auto& run : sweep.runs)
    if (run->plan.replicate == 0) firsts.push_back(run);
  return firsts;
}

void require_checkpoint(const sweep::Prepared& run) {
  if (run.promise && !run.checkpoint)
    throw base::Error({run.plan.model.place, "the checkpoint", "weights in " + run.promise->folder.string(), "none yet",
                       "make them first: initlab run " + run.promise->run->plan.spec_path});
}

base::Json settings_of(const sweep::Prepared& run) {
  base::Json settings = base::Json::object();
  for (const auto& [path, value] : run.plan.settings) settings[path] = value;
  return settings;
}

void declare_compare_options(po::options_description& options) {
  options.add_options()("metric", po::value<std::string>(),
                        "loss, or a metric of the task; default: as the runs say")     //
      ("baseline", po::value<std::string>(), "arm that the others are compared with")  //
      ("better", po::value<std::string>(), "higher or lower")                          //
      ("threshold", po::value<std::string>(),
       "report the steps until the metric reaches this; or baseline: the median that the baseline's runs end with")  //
      ("at", po::value<std::string>(), "which evaluation counts: last, best, or step:N")                             //
      ("gain", po::value<std::string>(), "FROM:TO, two arms: report what share of their difference the others keep");
}

compare::Options compare_options(const po::variables_map& values) {
  compare::Options options;
  const auto text = [&values](const char* name) -> std::optional<std::string> {
    if (values.count(name) == 0) return std::nullopt;
    return values[name].as<std::string>();
  };
  options.metric = text("metric");
  options.baseline = text("baseline");
  options.better = text("better");
  options.at = text("at");
  if (const auto threshold = text("threshold")) {
    options.threshold_of_baseline = *threshold == "baseline";
    if (!options.threshold_of_baseline) options.threshold = base::to_number(*threshold);
    if (!options.threshold_of_baseline && !(options.threshold && std::isfinite(*options.threshold)))
      throw base::Error({"command line", "--threshold", "a number, or baseline", base::quote(*threshold), ""});
  }
  if (options.better && *options.better != "higher" && *options.better != "lower")
    throw base::Error({"command line", "--better", "higher or lower", base::quote(*options.better), ""});
  if (options.at) compare::parse_at(*options.at);
  if (const auto gain = text("gain")) {
    const std::vector<std::string_view> arms = base::split(*gain, ':');
    if (arms.size() != 2 || arms[0].empty() || arms[1].empty())
      throw base::Error(
          {"command line", "--gain", "two arms as FROM:TO", base::quote(*gain), "--gain random:pretrained"});
    options.gain = compare::Gain{std::string(arms[0]), std::string(arms[1])};
  }
  return options;
}

std::size_t each_run(const std::vector<std::string>& paths, const std::function<void(record::Run)>& take,
                     const std::function<void(const std::string&)>& left_out) {
  namespace fs = std::filesystem;
  std::size_t taken = 0;
  const auto read = [&](const fs::path& file) {
    take(log::read_run(file));
    ++taken;
  };
  for (const std::string& path : paths) {
    if (!fs::exists(path))
      throw base::Error(
          {path, "", "a run file or a folder of them", "nothing", "run an experiment first: initlab run SPEC"});
    if (!fs::is_directory(path)) {
      read(path);
      continue;
    }
    std::vector<fs::path> files;
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(path))
      if (entry.is_regular_file() && entry.path().extension() == ".h5") files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    for (const fs::path& file : files) {
      try {
        read(file);
      } catch (const base::Error& error) {
        left_out(error.what());
      }
    }
  }
  if (taken == 0)
    throw base::Error(
        {base::join(paths, " "), "", "run files (*.h5)", "none", "run an experiment first: initlab run SPEC"});
  return taken;
}

std::vector<record::Run> read_runs(const std::vector<std::string>& paths) {
  std::vector<record::Run> runs;
  each_run(
      paths, [&runs](record::Run run) { runs.push_back(std::move(run)); },
      [](const std::string& problem) { spdlog::warn("left out: {}", problem); });
  return runs;
}

std::optional<int> count_option(const po::variables_map& values, const char* name) {
  if (values.count(name) == 0) return std::nullopt;
  const int n = values[name].as<int>();
  if (n < 1 || n > 4096)
    throw base::Error({"command line", std::string("--") + name, "an integer from 1 to 4096", std::to_string(n), ""});
  return n;
}

bool is_done(const sweep::Prepared& run) {
  return !run.plan.awaits_tuning() && sweep::is_done(run.file, run.run_id, run.plan);
}

std::string significant(double value) {
  if (std::isnan(value)) return "-";
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

base::Json finite(double value) { return std::isfinite(value) ? base::Json(value) : base::Json(nullptr); }

std::string part_name(const record::PartDiagnosis& part) {
  return config::part_names().at(static_cast<std::size_t>(part.part));
}

std::string place_text(const record::PartDiagnosis& part) {
  return part.layer < 0 ? part_name(part) : part_name(part) + " " + std::to_string(part.layer);
}

int hardware_threads(const sweep::Prepared& run) {
  // Below about 2 GFLOP a step, waking a second thread costs more than it brings; runs side by side use the cores
  // better.
  const double flops = model::training_flops(run.model, run.data->info.head, run.num_labels, run.batches().train(0));
  return flops < 2e9 ? 1 : sweep::cores();
}

}  // namespace initlab::app
