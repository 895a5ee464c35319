// Fills the parameter table, tensor by tensor, lets those calibrate that want to, and measures what came out. No
// strategy writes into the model: it fills a guarded buffer, and only what passed is copied.
#include <algorithm>
#include <cassert>
#include <map>
#include <memory>
#include <tuple>

#include "base/text.hpp"
#include "init/audit.hpp"
#include "init/buffer.hpp"
#include "init/calibrate.hpp"
#include "init/host.hpp"
#include "init/init.hpp"
#include "init/measure.hpp"
#include "init/strategy.hpp"

namespace initlab::init {
namespace {

std::string place_of(const Assignment& a) { return a.rule == nullptr ? "default rule" : a.rule->place; }

std::string rule_text(const Assignment& a) {
  if (a.rule == nullptr) return "default";
  return a.rule->text + " (" + a.rule->place + ")" + (a.missing ? std::string(kMissingMark) : "");
}

}  // namespace

std::vector<record::InitRecord> apply(const Catalog& catalog, const std::vector<Assignment>& assignments,
                                      const config::RunPlan& plan, const config::ModelConfig& model,
                                      const checkpoint::Checkpoint* checkpoint, std::span<float> values,
                                      const ForwardPass& forward) {
  std::vector<const params::Parameter*> table;
  for (const Assignment& a : assignments) table.push_back(a.parameter);
  std::map<std::pair<const config::InitRule*, const CatalogEntry*>, std::unique_ptr<Strategy>> strategies;
  const auto strategy_of = [&](const Assignment& a) -> const Strategy& {
    auto& strategy = strategies[{a.rule, a.entry}];
    // The rule's options are its own strategy's; `missing` and the default have none but defaults.
    const bool own = a.rule != nullptr && !a.missing;
    if (!strategy)
      strategy = std::make_unique<Strategy>(catalog, *a.entry, own ? a.rule->options : OptionTexts{}, place_of(a));
    return *strategy;
  };
  const auto subject_of = [&](const Assignment& a) {
    return describe(catalog, *a.entry) + ": tensor " + a.parameter->name;
  };

  GuardedBuffer buffer;
  std::vector<record::InitRecord> records;
  for (const Assignment& a : assignments) {
    const params::Parameter& p = *a.parameter;
    const Strategy& strategy = strategy_of(a);
    const il_param param = describe_parameter(p, model);
    const Host host(plan.seeds, table, model, checkpoint, p);
    const std::string refusal = strategy.fill(param, host.lend(), buffer.prepare(static_cast<std::size_t>(p.size)));
    host.rethrow();
    check_written(buffer, refusal, place_of(a), subject_of(a));

    assert(static_cast<std::size_t>(p.offset + p.size) <= values.size());
    std::ranges::copy(buffer.values(), values.begin() + p.offset);
    record::InitRecord record;
    record.name = p.name;
    record.role = params::to_text(p.role);
    record.shape = p.shape;
    record.rule = rule_text(a);
    if (a.rule != nullptr) record.place = a.rule->place;
    record.strategy = a.entry->strategy->id;
    record.options = base::json_text(options_json(*a.entry->strategy, strategy.options()));
    if (!host.keys().empty()) {
      record.source_file = checkpoint->weights_file().string();
      record.source_key = base::join(host.keys(), kListSeparator);
      record.source_sha256 = base::join(host.source_hashes(), kListSeparator);
    }
    record.stream = base::join(host.streams(), kListSeparator);
    // What fill promises is no longer so after a calibration.
    if (const auto moments = strategy.moments(param); moments && !strategy.calibrates())
      std::tie(record.requested_mean, record.requested_stddev) = *moments;
    records.push_back(std::move(record));
  }

  Calibrator calibrator(forward, values);
  for (std::size_t i = 0; i < assignments.size(); ++i) {
    const Assignment& a = assignments[i];
    if (!strategy_of(a).calibrates()) continue;
    const auto result = calibrator.calibrate(strategy_of(a), *a.parameter, model, place_of(a), subject_of(a));
    records[i].calibration_rounds = result.rounds;
    records[i].calibrated_stddev = result.stddev;
  }

  for (std::size_t i = 0; i < assignments.size(); ++i) {
    const params::Parameter& p = *assignments[i].parameter;
    measure(values.subspan(static_cast<std::size_t>(p.offset), static_cast<std::size_t>(p.size)), records[i]);
  }
  return records;
}

}  // namespace initlab::init
