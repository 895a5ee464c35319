// Does a run file keep what docs/RUN_FILE.md promises? And a mended copy of one that its writer left open.
#include <set>

#include "base/error.hpp"
#include "base/hash.hpp"
#include "base/text.hpp"
#include "log/run_file.hpp"

namespace initlab::log {
namespace {

using record::Run;

class Findings {
 public:
  void expect(bool holds, const std::string& what) {
    if (!holds) all_.push_back(what);
  }
  std::vector<std::string> all() && { return std::move(all_); }

 private:
  std::vector<std::string> all_;
};

void check_header(const Run& run, Findings& findings) {
  const record::RunHeader& h = run.header;
  findings.expect(base::sha256_hex(h.plan) == h.run_id, "run_id is not the SHA-256 of /provenance/plan");
  findings.expect(h.metric_names.size() == h.constant_class.size(),
                  "/comparison/metric_names and /comparison/constant_class differ in length");
  findings.expect(h.better == "higher" || h.better == "lower", "/comparison/better is neither higher nor lower");
  findings.expect(h.threads >= 1, "/provenance/threads is below 1");
  findings.expect(h.outputs == 0 || !h.labels.empty(), "/eval/predictions without /eval/labels");
  std::set<std::string> names;
  for (const record::InitRecord& tensor : run.init)
    findings.expect(names.insert(tensor.name).second, "/init/name holds " + base::quote(tensor.name) + " twice");
}

void check_steps(const Run& run, Findings& findings) {
  for (std::size_t i = 0; i < run.steps.size(); ++i) {
    const record::StepRecord& step = run.steps[i];
    if (step.step == static_cast<std::int64_t>(i) + 1 && step.tokens >= 0 && step.seconds >= 0) continue;
    findings.expect(false,
                    "/train, row " + std::to_string(i) + ": steps must be 1, 2, 3, ..., tokens and seconds 0 or more");
    return;
  }
}

void check_evals(const Run& run, Findings& findings) {
  std::int64_t last = -1;
  for (const record::EvalRecord& eval : run.evals) {
    findings.expect(eval.step > last, "/eval/step does not rise at " + std::to_string(eval.step));
    findings.expect(eval.step <= static_cast<std::int64_t>(run.steps.size()),
                    "/eval/step " + std::to_string(eval.step) + " is beyond the last step");
    last = eval.step;
  }
  if (run.state != record::State::finished) return;
  findings.expect(!run.evals.empty() && run.evals.back().step == static_cast<std::int64_t>(run.steps.size()),
                  "a finished run that was not evaluated after its last step");
}

}  // namespace

std::vector<std::string> verify(const std::filesystem::path& file) {
  Findings findings;
  try {
    const Run run = read_run(file, Detail::all);
    check_header(run, findings);
    check_steps(run, findings);
    check_evals(run, findings);
  } catch (const base::Error& error) {
    findings.expect(false, error.what());
  }
  return std::move(findings).all();
}

void recover(const std::filesystem::path& file) {
  const Run run = read_run(file, Detail::all);
  RunWriter writer(file);
  writer.begin(run.header, run.init, {run.steps, run.evals, run.diagnostics});
  // Killed between its last words and the end of the file: the words stand.
  if (run.state == record::State::running)
    writer.finish(record::State::interrupted, "recovered: its process died");
  else
    writer.finish(run.state, run.reason);
}

}  // namespace initlab::log
