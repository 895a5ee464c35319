#include <limits>

#include "base/text.hpp"
#include "report/report.hpp"

namespace initlab::report {
namespace {

// RFC 4180: quotes around a field with a comma, a quote or a line break; quotes inside are doubled.
std::string field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + "\"";
}

std::string share_rows(const compare::Comparison& comparison, const compare::Share& share) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  base::Json settings = base::Json::object();
  for (const auto& [path, value] : share.settings) settings[path] = value;
  const std::string front = "," + field(comparison.experiment) + "," + field(share.arm) + "," +
                            field(base::json_text(settings)) + ",,,gain_share";
  const bool bounded = share.ci95 && share.ci95->kind == compare::RatioSet::Kind::interval;
  const double low = bounded ? share.ci95->low : share.ci95 ? -kInfinity : kNaN;
  const double high = bounded ? share.ci95->high : share.ci95 ? kInfinity : kNaN;
  return front + "," + base::number_text(share.share) + "\n" + front + "_low," + base::number_text(low) + "\n" + front +
         "_high," + base::number_text(high) + "\n";
}

}  // namespace

std::string to_csv(std::span<const record::Run> runs, std::span<const compare::Comparison> comparisons) {
  std::string out = "run_id,experiment,arm,settings,replicate,step,metric,value\n";
  for (const record::Run& run : runs) {
    const record::RunHeader& header = run.header;
    const std::string settings = header.settings.empty() ? "{}" : header.settings;
    const std::string front = field(header.run_id) + "," + field(header.experiment) + "," + field(header.arm) + "," +
                              field(settings) + "," + std::to_string(header.replicate) + ",";
    const auto row = [&](std::int64_t step, const std::string& metric, double value) {
      out += front + std::to_string(step) + "," + metric + "," + base::number_text(value) + "\n";
    };
    for (const record::EvalRecord& eval : run.evals) {
      row(eval.step, "loss", eval.loss);
      for (std::size_t i = 0; i < eval.metrics.size() && i < header.metric_names.size(); ++i)
        row(eval.step, field(header.metric_names[i]), eval.metrics[i]);
    }
    for (const record::StepRecord& step : run.steps) {
      row(step.step, "train_loss", step.loss);
      row(step.step, "learning_rate", step.learning_rate);
      row(step.step, "grad_norm", step.grad_norm);
    }
  }
  for (const compare::Comparison& comparison : comparisons)
    for (const compare::Share& share : comparison.shares) out += share_rows(comparison, share);
  return out;
}

}  // namespace initlab::report
