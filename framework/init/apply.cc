// Fills the parameter table, tensor by tensor, and audits what came out. No strategy writes into the model: it fills a
// guarded buffer, and only what passed is copied.
#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>
#include <map>
#include <memory>
#include <tuple>

#include "base/error.hpp"
#include "base/text.hpp"
#include "init/audit.hpp"
#include "init/host.hpp"
#include "init/init.hpp"
#include "init/measure.hpp"
#include "init/strategy.hpp"

namespace initlab::init {
namespace {

// A buffer with guards on both sides, filled with a NaN that no arithmetic makes.
class GuardedBuffer {
 public:
  std::span<float> prepare(std::size_t n) {
    buffer_.assign(n + 2 * kGuard, std::bit_cast<float>(kPattern));
    return values();
  }
  std::span<float> values() { return {buffer_.data() + kGuard, buffer_.size() - 2 * kGuard}; }

  bool guards_hold() const {
    const std::span<const float> all(buffer_);
    return std::ranges::all_of(all.first(kGuard), is_pattern) && std::ranges::all_of(all.last(kGuard), is_pattern);
  }
  static bool is_pattern(float x) { return std::bit_cast<std::uint32_t>(x) == kPattern; }

 private:
  static constexpr std::size_t kGuard = 64;
  static constexpr std::uint32_t kPattern = 0x7fe5c3e1;
  std::vector<float> buffer_;
};

std::string place_of(const Assignment& a) { return a.rule == nullptr ? "default rule" : a.rule->place; }

std::string rule_text(const Assignment& a) {
  if (a.rule == nullptr) return "default";
  return a.rule->text + " (" + a.rule->place + ")" + (a.missing ? std::string(kMissingMark) : "");
}

// What a strategy did wrong with one tensor, or nothing.
void check_fill(GuardedBuffer& buffer, const std::string& refusal, const std::string& place,
                const std::string& subject) {
  if (!buffer.guards_hold())
    throw base::Error({place, subject, "nothing written outside the buffer", "a write beyond its end",
                       "this is a fault of the plugin; its conformance test would show it"});
  if (!refusal.empty()) throw base::Error({place, subject + ": " + refusal, "", "", ""});
  const std::span<const float> values = buffer.values();
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::isfinite(values[i])) continue;
    const bool unwritten = GuardedBuffer::is_pattern(values[i]);
    throw base::Error({place, subject, unwritten ? "every element written" : "finite values",
                       (unwritten ? "nothing" : base::number_text(static_cast<double>(values[i]))) + " at element " +
                           std::to_string(i) + " of " + std::to_string(values.size()),
                       unwritten ? "this is a fault of the plugin; its conformance test would show it"
                                 : "look at the strategy's options"});
  }
}

}  // namespace

std::vector<record::InitRecord> apply(const Catalog& catalog, const std::vector<Assignment>& assignments,
                                      const config::RunPlan& plan, const config::ModelConfig& model,
                                      const checkpoint::Checkpoint* checkpoint, std::span<float> values) {
  std::vector<const params::Parameter*> table;
  for (const Assignment& a : assignments) table.push_back(a.parameter);
  std::map<std::pair<const config::InitRule*, const CatalogEntry*>, std::unique_ptr<Strategy>> strategies;
  GuardedBuffer buffer;
  std::vector<record::InitRecord> records;
  for (const Assignment& a : assignments) {
    const params::Parameter& p = *a.parameter;
    auto& strategy = strategies[{a.rule, a.entry}];
    // The rule's options are its own strategy's; `missing` and the default have none but defaults.
    const bool own = a.rule != nullptr && !a.missing;
    if (!strategy)
      strategy = std::make_unique<Strategy>(catalog, *a.entry, own ? a.rule->options : OptionTexts{}, place_of(a));

    const il_param param = describe_parameter(p, model);
    const Host host(plan.seeds, table, model, checkpoint, p);
    const std::string refusal = strategy->fill(param, host.lend(), buffer.prepare(static_cast<std::size_t>(p.size)));
    host.rethrow();
    check_fill(buffer, refusal, place_of(a), describe(catalog, *a.entry) + ": tensor " + p.name);

    assert(static_cast<std::size_t>(p.offset + p.size) <= values.size());
    std::ranges::copy(buffer.values(), values.begin() + p.offset);
    record::InitRecord record;
    record.name = p.name;
    record.role = params::to_text(p.role);
    record.shape = p.shape;
    record.rule = rule_text(a);
    if (a.rule != nullptr) record.place = a.rule->place;
    record.strategy = a.entry->strategy->id;
    record.options = base::json_text(options_json(*a.entry->strategy, strategy->options()));
    if (!host.keys().empty()) {
      record.source_file = checkpoint->weights_file().string();
      record.source_key = base::join(host.keys(), kListSeparator);
      record.source_sha256 = base::join(host.source_hashes(), kListSeparator);
    }
    record.stream = base::join(host.streams(), kListSeparator);
    if (const auto moments = strategy->moments(param))
      std::tie(record.requested_mean, record.requested_stddev) = *moments;
    measure(buffer.values(), record);
    records.push_back(std::move(record));
  }
  return records;
}

}  // namespace initlab::init
