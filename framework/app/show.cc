// `initlab show`: one run file in words: birth certificate, curves, what each tensor was initialized from.
#include <iostream>

#include "app/common.hpp"
#include "app/tensors.hpp"
#include "base/text.hpp"
#include "compare/compare.hpp"
#include "log/run_file.hpp"
#include "report/report.hpp"

namespace initlab::app {
namespace {

void print_certificate(const record::Run& run) {
  const record::RunHeader& h = run.header;
  std::vector<std::vector<std::string>> rows = {
      {"run", h.run_id},
      {"state", std::string(record::to_text(run.state)) + (run.reason.empty() ? "" : ": " + run.reason)},
      {"experiment", h.experiment},
      {"arm", h.arm},
      {"replicate", std::to_string(h.replicate)},
      {"settings", h.settings},
      {"task", h.task},
      {"command", h.command},
      {"started", h.started},
      {"build", h.build},
      {"cpu", h.cpu},
      {"threads", std::to_string(h.threads) + (h.cores.empty() ? "" : ", bound to cores " + h.cores)},
      {"libraries", h.libraries},
      {"data sha256", h.data_sha256}};
  for (const std::string& resumed : h.resumed) rows.push_back({"went on", resumed});
  if (h.role == record::kTuningRole) rows.push_back({"role", "tuning: it chooses its arm's learning rate"});
  if (const auto tuning = compare::tuning_of(run)) {
    std::vector<std::string> scores;
    for (const compare::Trial& trial : tuning->trials)
      scores.push_back(base::number_text(trial.learning_rate) + ": " +
                       (std::isfinite(trial.mean) ? report::number(trial.mean) : "diverged"));
    rows.push_back({"learning rate", base::number_text(tuning->learning_rate) + ", chosen on " +
                                         report::tuning_way(*tuning) + ": " + base::join(scores, ", ")});
  }
  if (!h.checkpoint.empty()) rows.push_back({"checkpoint", h.checkpoint + " (sha256 " + h.checkpoint_sha256 + ")"});
  if (!h.checkpoint_run.empty()) rows.push_back({"checkpoint run", h.checkpoint_run});
  for (const record::PluginRecord& plugin : h.plugins)
    rows.push_back({"plugin", plugin.name + " " + plugin.version + " (sha256 " + plugin.sha256.substr(0, 16) + "...)"});
  std::cout << report::align(rows, {false, false}) << "\n";
}

// At most `most` rows, evenly spread, first and last kept.
std::vector<std::size_t> spread(std::size_t n, std::size_t most) {
  std::vector<std::size_t> picked;
  for (std::size_t i = 0; i < std::min(n, most); ++i) picked.push_back(n <= most ? i : i * (n - 1) / (most - 1));
  return picked;
}

void print_curves(const record::Run& run) {
  std::vector<std::vector<std::string>> train = {{"step", "loss", "learning rate", "grad norm", "tokens", "seconds"}};
  for (const std::size_t i : spread(run.steps.size(), 25)) {
    const record::StepRecord& s = run.steps[i];
    train.push_back({std::to_string(s.step), base::fixed(s.loss, 4), significant(s.learning_rate),
                     significant(s.grad_norm), std::to_string(s.tokens), base::fixed(s.seconds, 4)});
  }
  std::cout << "training (" << run.steps.size() << " steps)\n"
            << report::align(train, std::vector<bool>(6, true)) << "\n";
  std::vector<std::vector<std::string>> eval = {{"step", "loss"}};
  for (const std::string& name : run.header.metric_names) eval[0].push_back(name);
  for (const record::EvalRecord& e : run.evals) {
    std::vector<std::string> row = {std::to_string(e.step), base::fixed(e.loss, 4)};
    for (const double value : e.metrics) row.push_back(base::fixed(value, 4));
    if (e.degenerate) row.emplace_back("one class for all");
    eval.push_back(std::move(row));
  }
  std::cout << "evaluation\n" << report::align(eval, std::vector<bool>(eval[0].size(), true)) << "\n";
}

// Of the last step that was measured.
void print_diagnostics(const record::Run& run) {
  if (run.diagnostics.parts.empty()) return;
  const std::int64_t last = run.diagnostics.parts.back().step;
  std::vector<std::vector<std::string>> rows = {{"part", "grad norm", "update", "weights", "distance to initial",
                                                 "cosine", "sign flips", "distance to pretrained", "cosine"}};
  for (const record::PartDiagnosis& part : run.diagnostics.parts) {
    if (part.step != last) continue;
    rows.push_back({place_text(part)});
    for (const double value : {part.grad_norm, part.update_norm, part.weight_norm, part.distance_initial,
                               part.cosine_initial, part.sign_flips, part.distance_pretrained, part.cosine_pretrained})
      rows.back().push_back(significant(value));
  }
  std::vector<bool> right(rows[0].size(), true);
  right[0] = false;
  std::cout << "diagnostics at step " << last << "\n" << report::align(rows, right) << "\n";
}

void print_init(const record::Run& run) {
  std::cout << "initialization\n";
  print_tensors(run.init);
  print_unused(run.header.checkpoint_unused);
}

base::Json as_json(const record::Diagnosis& diagnostics) {
  base::Json parts = base::Json::array(), layers = base::Json::array();
  for (const record::PartDiagnosis& p : diagnostics.parts)
    parts.push_back({{"step", p.step},
                     {"part", part_name(p)},
                     {"layer", p.layer},
                     {"grad_norm", finite(p.grad_norm)},
                     {"update_norm", finite(p.update_norm)},
                     {"weight_norm", finite(p.weight_norm)},
                     {"distance_initial", finite(p.distance_initial)},
                     {"cosine_initial", finite(p.cosine_initial)},
                     {"distance_pretrained", finite(p.distance_pretrained)},
                     {"cosine_pretrained", finite(p.cosine_pretrained)},
                     {"sign_flips", finite(p.sign_flips)}});
  for (const record::LayerDiagnosis& l : diagnostics.layers)
    layers.push_back({{"step", l.step},
                      {"layer", l.layer},
                      {"mean", finite(l.mean)},
                      {"std", finite(l.stddev)},
                      {"attention_branch", finite(l.attention_branch)},
                      {"ffn_branch", finite(l.ffn_branch)},
                      {"cosine", finite(l.cosine)},
                      {"entropy", finite(l.entropy)},
                      {"entropy_share", finite(l.entropy_share)}});
  return {{"parts", std::move(parts)}, {"layers", std::move(layers)}};
}

base::Json as_json(const record::Run& run) {
  const record::RunHeader& h = run.header;
  base::Json out = base::Json::object();
  out["run_id"] = h.run_id;
  out["state"] = record::to_text(run.state);
  out["reason"] = run.reason;
  out["experiment"] = h.experiment;
  out["arm"] = h.arm;
  out["replicate"] = h.replicate;
  out["settings"] = base::parse_json(h.settings.empty() ? "{}" : h.settings, run.file);
  out["role"] = h.role;
  const auto tuning = compare::tuning_of(run);
  out["tuning"] = tuning ? compare::to_json(*tuning) : base::Json(nullptr);
  out["task"] = h.task;
  out["command"] = h.command;
  out["started"] = h.started;
  out["resumed"] = h.resumed;
  out["build"] = h.build;
  out["cpu"] = h.cpu;
  out["threads"] = h.threads;
  out["cores"] = h.cores.empty() ? base::Json(nullptr) : base::Json(h.cores);
  out["checkpoint"] = h.checkpoint;
  out["checkpoint_sha256"] = h.checkpoint_sha256;
  out["checkpoint_run"] = h.checkpoint_run;
  out["checkpoint_replicate"] = h.checkpoint_replicate < 0 ? base::Json(nullptr) : base::Json(h.checkpoint_replicate);
  out["data_sha256"] = h.data_sha256;
  out["libraries"] = base::parse_json(h.libraries.empty() ? "{}" : h.libraries, run.file);
  base::Json plugins = base::Json::array();
  for (const record::PluginRecord& plugin : h.plugins)
    plugins.push_back(
        {{"name", plugin.name}, {"version", plugin.version}, {"file", plugin.file}, {"sha256", plugin.sha256}});
  out["plugins"] = std::move(plugins);
  base::Json train = base::Json::array();
  for (const record::StepRecord& s : run.steps)
    train.push_back({{"step", s.step},
                     {"loss", finite(s.loss)},
                     {"learning_rate", s.learning_rate},
                     {"grad_norm", finite(s.grad_norm)},
                     {"tokens", s.tokens},
                     {"seconds", s.seconds}});
  out["train"] = std::move(train);
  base::Json eval = base::Json::array();
  for (const record::EvalRecord& e : run.evals) {
    base::Json row = {{"step", e.step}, {"loss", finite(e.loss)}};
    for (std::size_t i = 0; i < e.metrics.size() && i < h.metric_names.size(); ++i)
      row[h.metric_names[i]] = finite(e.metrics[i]);
    row["degenerate"] = e.degenerate;
    eval.push_back(std::move(row));
  }
  out["eval"] = std::move(eval);
  out["diagnostics"] = as_json(run.diagnostics);
  out["init"] = tensors_json(run.init);
  out["unused"] = unused_json(run.header.checkpoint_unused);
  return out;
}

void declare(po::options_description& options, po::positional_options_description& positional) {
  options.add_options()("run", po::value<std::string>()->required(), "")("json", po::bool_switch(),
                                                                         "everything, as JSON");
  positional.add("run", 1);
}

int run(const po::variables_map& values, const Context&) {
  const record::Run run = log::read_run(values["run"].as<std::string>());
  if (values["json"].as<bool>()) {
    std::cout << base::json_pretty(as_json(run)) << "\n";
    return kDone;
  }
  print_certificate(run);
  print_curves(run);
  print_diagnostics(run);
  print_init(run);
  return kDone;
}

}  // namespace

const Verb kShow = {"show",
                    "RUN.h5 [--json]",
                    "one run: birth certificate, curves as numbers, what each tensor was initialized from",
                    "The table of training steps is thinned to 25 rows; --json has all of them.",
                    declare,
                    run};

}  // namespace initlab::app
