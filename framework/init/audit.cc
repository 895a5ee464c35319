#include "init/audit.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <set>

#include "base/text.hpp"
#include "checkpoint/checkpoint.hpp"
#include "init/measure.hpp"

namespace initlab::init {
namespace {

using record::InitRecord;
using record::UnusedTensor;

bool is_norm(const InitRecord& r) { return r.role == "norm_scale" || r.role == "norm_shift"; }
bool is_weight(const InitRecord& r) { return r.role == "matrix" || r.role == "embedding"; }
bool is_encoder(const InitRecord& r) { return r.name.starts_with("bert."); }
bool by_default(const InitRecord& r) { return r.rule == "default"; }
bool is_missing(const InitRecord& r) { return r.rule.ends_with(kMissingMark); }
bool reads_checkpoint(const InitRecord& r) { return !r.source_key.empty(); }
bool is_pretrained(const InitRecord& r) { return r.strategy.starts_with("pretrained/"); }

// The file's bits. Older records have no hash of the source: there `pretrained` is believed.
bool is_copy(const InitRecord& r) {
  return reads_checkpoint(r) && (r.source_sha256.empty() ? is_pretrained(r) : r.source_sha256 == r.sha256);
}

double elements(const InitRecord& r) {
  double n = 1;
  for (const std::int64_t dim : r.shape) n *= static_cast<double>(dim);
  return n;
}

std::string short_number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

class Auditor {
 public:
  Auditor(const std::vector<InitRecord>& records, const std::vector<UnusedTensor>& unused)
      : records_(records), unused_(unused) {
    for (const UnusedTensor& u : unused) unused_keys_.push_back(u.key);
  }

  std::vector<Finding> run() {
    for (const InitRecord& r : records_) {
      check_first_step(r);
      check_copy(r);
      check_missing(r);
      check_norm(r);
      check_moments(r);
      check_cover(r);
    }
    check_unused();
    std::ranges::stable_sort(findings_, std::ranges::greater(), &Finding::severity);
    return findings_;
  }

 private:
  void report(Severity severity, const std::string& tensor, const std::string& text) {
    findings_.push_back({severity, tensor, text});
  }

  void check_first_step(const InitRecord& r) {
    if (r.sha256_first_step.empty() || r.sha256_first_step == r.sha256) return;
    report(Severity::error, r.name, "its bits changed between initialization (" + r.strategy + ") and the first step");
  }

  void check_copy(const InitRecord& r) {
    if (!is_pretrained(r)) return;
    if (!reads_checkpoint(r))
      report(Severity::error, r.name, "its strategy is " + r.strategy + ", but it read nothing from the checkpoint");
    else if (!is_copy(r))
      report(
          Severity::error, r.name,
          "its strategy is " + r.strategy + ", but its bits are not those of " + r.source_key + " in " + r.source_file);
  }

  void check_missing(const InitRecord& r) {
    if (!is_missing(r) || !is_encoder(r)) return;
    const std::string near = base::closest(r.name, unused_keys_);
    if (near.empty())
      report(Severity::warning, r.name, "the checkpoint has no such tensor: " + r.strategy + " filled it");
    else
      report(Severity::error, r.name,
             "the checkpoint has no such tensor: " + r.strategy + " filled it; but nothing read " + base::quote(near) +
                 ": is this the same tensor under a wrong key?");
  }

  void check_norm(const InitRecord& r) {
    if (!is_norm(r) || reads_checkpoint(r)) return;
    const double right = r.role == "norm_scale" ? 1 : 0;
    if (r.min == right && r.max == right) return;
    const bool drawn = r.min != r.max;
    report(drawn ? Severity::error : Severity::warning, r.name,
           std::string("a LayerNorm ") + (right == 1 ? "scale starts at 1" : "shift starts at 0") + "; " + r.strategy +
               (drawn ? " drew it: mean " + short_number(r.mean) + ", std " + short_number(r.stddev)
                      : " set it to " + short_number(r.min)));
  }

  // Standard errors of mean and standard deviation of n independent draws: s / sqrt(n) and s sqrt((k - 1) / (4 n)), k
  // the kurtosis. k <= 3 for all that we draw, 3 / (1 - z) where a share z was set to 0. n draws pull the population's
  // standard deviation down by s / n at most.
  void check_moments(const InitRecord& r) {
    const double n = elements(r), s = r.requested_stddev;
    if (!std::isfinite(s) || !std::isfinite(r.requested_mean) || n < 32) return;
    const double rounding = 0x1p-20 * std::max(std::fabs(r.min), std::fabs(r.max));
    const double zeros = std::isnan(r.zeros) ? 0 : std::min(r.zeros, 1 - 1 / n);
    const double kurtosis = 3 / (1 - zeros);
    compare(r, "mean", r.mean, r.requested_mean, 6 * s / std::sqrt(n) + rounding);
    compare(r, "standard deviation", r.stddev, s, 6 * s * std::sqrt((kurtosis - 1) / (4 * n)) + s / n + rounding);
  }

  void compare(const InitRecord& r, const char* what, double measured, double requested, double bound) {
    if (std::fabs(measured - requested) <= bound) return;
    report(Severity::error, r.name,
           std::string(what) + " " + short_number(measured) + ", but " + r.strategy + " declares " +
               short_number(requested) + " (+- " + short_number(bound) + ")");
  }

  void check_cover(const InitRecord& r) {
    if (!by_default(r)) return;
    if (is_weight(r)) {
      // A head without rules is left to the default on purpose.
      const bool expected = is_encoder(r) || std::ranges::any_of(records_, [](const InitRecord& other) {
                              return !is_encoder(other) && !by_default(other);
                            });
      if (expected) report(Severity::warning, r.name, "no rule covers it: the default filled it, " + r.strategy);
      return;
    }
    const std::string module = r.name.substr(0, r.name.rfind('.') + 1);
    const auto beside = std::ranges::find_if(records_, [&](const InitRecord& other) {
      return other.name != r.name && other.name.starts_with(module) && !by_default(other) && reads_checkpoint(other);
    });
    if (beside != records_.end())
      report(Severity::warning, r.name,
             "no rule covers it: the default filled it, " + r.strategy + ", while " + beside->name +
                 " is from the checkpoint");
  }

  void check_unused() {
    if (std::ranges::none_of(records_, reads_checkpoint)) return;  // the checkpoint is no part of this arm
    for (const UnusedTensor& u : unused_)
      if (u.tensor.empty())
        report(Severity::warning, u.key, "the checkpoint has it, but the model has no place for it: nothing read it");
  }

  const std::vector<InitRecord>& records_;
  const std::vector<UnusedTensor>& unused_;
  std::vector<std::string> unused_keys_;
  std::vector<Finding> findings_;
};

// --- plain words

using Group = std::vector<const InitRecord*>;

std::string count(std::size_t n, const char* what) { return std::to_string(n) + " " + what + (n == 1 ? "" : "s"); }

std::string some_of(const std::vector<std::string>& names) {
  constexpr std::size_t kMost = 6;
  const std::span<const std::string> shown(names.data(), std::min(names.size(), kMost));
  return base::join(shown, kListSeparator) +
         (names.size() > kMost ? " and " + std::to_string(names.size() - kMost) + " more" : "");
}

std::string names_of(const Group& group) {
  std::vector<std::string> names;
  for (const InitRecord* r : group) names.push_back(r->name);
  return some_of(names);
}

// "truncated_normal/1 (12 tensors), bert_default/1 (26 tensors)"
std::string strategies_of(const Group& group) {
  std::vector<std::string> parts;
  std::set<std::string> seen;
  for (const InitRecord* r : group) {
    if (!seen.insert(r->strategy).second) continue;
    const auto n =
        std::ranges::count_if(group, [&](const InitRecord* other) { return other->strategy == r->strategy; });
    parts.push_back(r->strategy + " (" + count(static_cast<std::size_t>(n), "tensor") + ")");
  }
  return base::join(parts, kListSeparator);
}

// "classifier.weight, classifier.bias, by normal/1 (2 tensors)", or with its strategy behind each name.
std::string filled_by(const Group& group) {
  const bool alike = std::ranges::all_of(group, [&](const InitRecord* r) { return r->strategy == group[0]->strategy; });
  if (alike) return names_of(group) + ", by " + strategies_of(group);
  std::vector<std::string> names;
  for (const InitRecord* r : group) names.push_back(r->name + " (" + r->strategy + ")");
  return some_of(names);
}

double total(const Group& group) {
  double n = 0;
  for (const InitRecord* r : group) n += elements(*r);
  return n;
}

// The encoder's tensors, or the head's, by where their values come from.
struct Origins {
  Group all, copied, derived, missing, fresh;

  Origins(const std::vector<InitRecord>& records, bool encoder) {
    for (const InitRecord& r : records) {
      if (is_encoder(r) != encoder) continue;
      all.push_back(&r);
      (is_copy(r) ? copied : reads_checkpoint(r) ? derived : is_missing(r) ? missing : fresh).push_back(&r);
    }
  }
};

std::string verdict(const Origins& encoder, const std::string& checkpoint) {
  const std::string all = std::to_string(encoder.all.size());
  const std::string file = encoder.copied.empty() ? checkpoint : encoder.copied.front()->source_file;
  if (encoder.copied.size() == encoder.all.size())
    return "No: all " + all + " encoder tensors are the checkpoint's, bit for bit, from " + file + ".";
  const std::string share = std::to_string(encoder.copied.size()) + " of " + all + " encoder tensors (" +
                            base::fixed(100 * total(encoder.copied) / total(encoder.all), 1) +
                            " % of the numbers) are the checkpoint's, bit for bit, from " + file + ".";
  if (encoder.copied.size() + encoder.missing.size() == encoder.all.size() && !encoder.copied.empty())
    return "No: " + share;
  if (!encoder.copied.empty()) return "In part: " + share;
  if (!encoder.derived.empty())
    return "Yes: no encoder tensor is the checkpoint's as it is; " + count(encoder.derived.size(), "tensor") + " of " +
           all + " are made from its values.";
  return "Yes: none of the " + all + " encoder tensors has a value from the checkpoint " + file + ".";
}

// Empty where nothing was calibrated.
std::string calibration_text(const std::vector<InitRecord>& records) {
  Group calibrated;
  double least = std::numeric_limits<double>::infinity(), most = 0;
  for (const InitRecord& r : records) {
    if (r.calibration_rounds == 0) continue;
    calibrated.push_back(&r);
    if (std::isnan(r.calibrated_stddev)) continue;
    least = std::min(least, r.calibrated_stddev);
    most = std::max(most, r.calibrated_stddev);
  }
  if (calibrated.empty()) return "";
  return "Rescaled by what the first training batches showed: " + strategies_of(calibrated) +
         (least > most ? std::string(".")
                       : "; afterwards the standard deviations of these layers' outputs are " + short_number(least) +
                             " to " + short_number(most) + ".");
}

std::string first_step_text(const std::vector<InitRecord>& records) {
  std::vector<std::string> changed;
  std::size_t known = 0;
  for (const InitRecord& r : records) {
    if (r.sha256_first_step.empty()) continue;
    ++known;
    if (r.sha256_first_step != r.sha256) changed.push_back(r.name);
  }
  if (known == 0)
    return "Whether the values stay so until the first step is not recorded here: a run's own file says it.";
  if (!changed.empty())
    return "Between initialization and the first step " + count(changed.size(), "tensor") +
           " CHANGED: " + some_of(changed) + ".";
  return "Nothing was written in between: the bits that the first step saw are those right after initialization (" +
         count(known, "tensor") + " hashed twice).";
}

}  // namespace

const char* to_text(Severity severity) { return severity == Severity::error ? "error" : "warning"; }

void note_first_step(const params::ParameterTable& table, std::span<const float> values,
                     std::vector<record::InitRecord>& records) {
  assert(records.size() == table.all().size());
  for (std::size_t i = 0; i < records.size(); ++i) {
    const params::Parameter& p = table.all()[i];
    assert(records[i].name == p.name);
    records[i].sha256_first_step =
        bits_sha256(values.subspan(static_cast<std::size_t>(p.offset), static_cast<std::size_t>(p.size)));
  }
}

std::vector<UnusedTensor> unused_tensors(const checkpoint::Checkpoint& checkpoint, const params::ParameterTable& table,
                                         const std::vector<InitRecord>& records) {
  std::set<std::string> read;
  for (const InitRecord& r : records)
    for (std::size_t begin = 0; begin < r.source_key.size();) {
      const std::size_t end = std::min(r.source_key.find(kListSeparator, begin), r.source_key.size());
      read.insert(r.source_key.substr(begin, end - begin));
      begin = end + kListSeparator.size();
    }
  std::vector<UnusedTensor> unused;
  for (const std::string& key : checkpoint.unused({})) {
    if (read.contains(key)) continue;
    UnusedTensor& tensor = unused.emplace_back(UnusedTensor{key, ""});
    for (const params::Parameter& p : table.all())
      if (const checkpoint::TensorInfo* info = checkpoint.find(p.name); info != nullptr && info->key == key)
        tensor.tensor = p.name;
  }
  return unused;
}

std::vector<Finding> audit(const std::vector<InitRecord>& records, const std::vector<UnusedTensor>& unused) {
  return Auditor(records, unused).run();
}

std::vector<std::string> explain(const std::vector<InitRecord>& records, const std::vector<UnusedTensor>& unused,
                                 const std::string& checkpoint) {
  const Origins encoder(records, true), head(records, false);
  std::vector<std::string> lines;
  if (checkpoint.empty()) {
    lines.push_back("There are no pre-trained weights here: the spec names no checkpoint.");
    lines.push_back("The encoder's " + count(encoder.all.size(), "tensor") + " start from " +
                    strategies_of(encoder.all) + ".");
  } else {
    lines.push_back(verdict(encoder, checkpoint));
    if (!encoder.derived.empty())
      lines.push_back("Made from the checkpoint's values, but other bits: " + strategies_of(encoder.derived) + ".");
    if (!encoder.missing.empty())
      lines.push_back("Not in the checkpoint, so filled anew: " + filled_by(encoder.missing) + ".");
    Group ruled, defaulted;
    for (const InitRecord* r : encoder.fresh) (by_default(*r) ? defaulted : ruled).push_back(r);
    if (!ruled.empty()) lines.push_back("Filled anew because the rules say so: " + strategies_of(ruled) + ".");
    if (!defaulted.empty())
      lines.push_back("Filled anew because no rule covers them: " + strategies_of(defaulted) + ".");
  }
  if (!head.all.empty()) {
    const bool only = encoder.copied.size() == encoder.all.size() && head.copied.empty();
    lines.push_back((head.copied.size() == head.all.size()
                         ? "The head is the checkpoint's too: " + names_of(head.all)
                         : (only ? "Only the head is new: " : "The head is new: ") + filled_by(head.all)) +
                    ".");
  }
  if (!checkpoint.empty() && !unused.empty() && encoder.copied.size() + encoder.derived.size() > 0) {
    std::vector<std::string> keys;
    for (const UnusedTensor& u : unused) keys.push_back(u.key);
    lines.push_back("Read by nothing: " + count(keys.size(), "tensor") + " of the checkpoint, " + some_of(keys) + ".");
  }
  if (const std::string calibrated = calibration_text(records); !calibrated.empty()) lines.push_back(calibrated);
  lines.push_back(first_step_text(records));
  return lines;
}

}  // namespace initlab::init
