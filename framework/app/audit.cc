// `initlab audit`: for every tensor of a spec's arms or of a run, what filled it and whether that is what was asked
// for.
#include <iostream>

#include "app/common.hpp"
#include "app/tensors.hpp"
#include "base/text.hpp"
#include "compute/threads.hpp"
#include "init/audit.hpp"
#include "log/run_file.hpp"
#include "sweep/folder.hpp"
#include "sweep/initialize.hpp"

namespace initlab::app {
namespace {

// What is audited: an arm of a spec, initialized here, or a run as its file states it.
struct Subject {
  std::string title;
  std::string arm;
  std::string settings;    // JSON object
  std::string file;        // of the run; empty for a spec's arm
  std::string checkpoint;  // its folder, or empty
  std::vector<record::InitRecord> tensors;
  std::vector<record::UnusedTensor> unused;
  std::vector<init::Finding> findings;

  void judge() { findings = init::audit(tensors, unused); }
  std::size_t count(init::Severity severity) const {
    std::size_t n = 0;
    for (const init::Finding& finding : findings) n += finding.severity == severity ? 1 : 0;
    return n;
  }
};

Subject of_run(const std::string& file) {
  record::Run run = log::read_run(file);
  Subject subject;
  subject.title = "run " + file + ", arm " + run.header.arm + ", replicate " + std::to_string(run.header.replicate);
  subject.arm = run.header.arm;
  subject.settings = run.header.settings;
  subject.file = file;
  subject.checkpoint = run.header.checkpoint;
  subject.tensors = std::move(run.init);
  subject.unused = std::move(run.header.checkpoint_unused);
  subject.judge();
  return subject;
}

Subject of_arm(const sweep::Prepared& run, const init::Catalog& catalog) {
  require_checkpoint(run);
  Subject subject;
  subject.arm = run.plan.arm;
  subject.settings = base::json_text(settings_of(run));
  subject.title = "arm " + run.plan.arm + (run.plan.settings.empty() ? "" : " " + subject.settings);
  std::vector<float> values(static_cast<std::size_t>(run.table->size()));
  subject.tensors = sweep::initialize(run, catalog, values);
  if (run.checkpoint) {
    subject.checkpoint = run.checkpoint->folder().string();
    subject.unused = init::unused_tensors(*run.checkpoint, *run.table, subject.tensors);
  }
  subject.judge();
  return subject;
}

std::vector<Subject> of_spec(const po::variables_map& values, const Context& context) {
  const Sweep sweep = open_sweep(values, context);
  // The threads of a run: what is calibrated depends on them.
  const sweep::Prepared& first = *sweep.runs.front();
  compute::set_threads(
      sweep::planned_threads(first.file.parent_path(), count_option(values, "threads"), hardware_threads(first)));
  std::vector<Subject> subjects;
  for (const auto& run : first_replicates(sweep)) subjects.push_back(of_arm(*run, *sweep.catalog));
  return subjects;
}

void print(const Subject& subject, bool explain) {
  std::cout << subject.title << "\n\n";
  if (explain) {
    std::cout << "Are my pre-trained weights being initialized?\n";
    for (const std::string& line : init::explain(subject.tensors, subject.unused, subject.checkpoint))
      std::cout << "  " << line << "\n";
    std::cout << "\n";
  } else {
    print_tensors(subject.tensors);
    print_unused(subject.unused);
    std::cout << "\n";
  }
  for (const init::Finding& finding : subject.findings)
    std::cout << init::to_text(finding.severity) << ": " << finding.tensor << ": " << finding.text << "\n";
  std::cout << subject.count(init::Severity::error) << " errors, " << subject.count(init::Severity::warning)
            << " warnings\n\n";
}

base::Json as_json(const Subject& subject) {
  base::Json findings = base::Json::array();
  for (const init::Finding& f : subject.findings)
    findings.push_back({{"severity", init::to_text(f.severity)}, {"tensor", f.tensor}, {"text", f.text}});
  return {{"arm", subject.arm},
          {"settings", base::parse_json(subject.settings.empty() ? "{}" : subject.settings, subject.title)},
          {"file", subject.file},
          {"checkpoint", subject.checkpoint},
          {"tensors", tensors_json(subject.tensors)},
          {"unused", unused_json(subject.unused)},
          {"findings", std::move(findings)},
          {"explanation", init::explain(subject.tensors, subject.unused, subject.checkpoint)}};
}

void declare(po::options_description& options, po::positional_options_description& positional) {
  declare_spec_options(options, positional);
  options.add_options()("explain", po::bool_switch(),
                        "plain words instead of the table: are my pre-trained weights being initialized?")  //
      ("json", po::bool_switch(), "everything, as JSON");
}

int run(const po::variables_map& values, const Context& context) {
  const std::string what = values["spec"].as<std::string>();
  const std::vector<Subject> subjects =
      what.ends_with(".h5") ? std::vector<Subject>{of_run(what)} : of_spec(values, context);
  std::size_t errors = 0;
  base::Json arms = base::Json::array();
  for (const Subject& subject : subjects) {
    errors += subject.count(init::Severity::error);
    if (values["json"].as<bool>())
      arms.push_back(as_json(subject));
    else
      print(subject, values["explain"].as<bool>());
  }
  if (values["json"].as<bool>())
    std::cout << base::json_pretty({{"arms", std::move(arms)}, {"errors", errors}}) << "\n";
  return errors == 0 ? kDone : kRunFailed;
}

}  // namespace

const Verb kAudit = {
    "audit",
    "SPEC|RUN.h5 [--explain] [--json] [--set path=value]... [--results DIR] [--threads N]",
    "every tensor: what filled it, from where, and whether that is what was asked for",
    "A spec's arms are initialized (the first replicate of each), not trained. Errors (a tensor written again before\n"
    "the first step, a `pretrained` one whose bits are not the file's, a wrong key, a LayerNorm that was drawn, "
    "moments\n"
    "that the strategy does not declare) give exit code 1; warnings do not.",
    declare,
    run};

}  // namespace initlab::app
