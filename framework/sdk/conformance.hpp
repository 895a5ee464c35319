// What a plugin promises, checked: run it on every plugin, ours and yours. Needs no test framework; returns what is
// wrong.
//
// Descriptor complete; unknown and malformed options refused with the key named; every element written and none beyond;
// finite; the same bits on repeat, in any order, from several threads, whatever was in the buffer; draws taken from the
// host; declared moments within 5 standard errors and all values inside the declared bounds; a strategy that needs the
// checkpoint says so and fails cleanly without one; what it says before a run is what fill does; a calibration writes
// nothing beyond the buffer and finite values, gives the same bits on the same statistics, and ends; a failed create
// leaves its output alone.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "abi/initlab_plugin.h"
#include "sdk/descriptor.hpp"
#include "sdk/synthetic.hpp"

namespace initlab::sdk {

// Options to create a strategy with, beyond its defaults. An option without a default that is not given here is tried
// with "1" (number, integer), "true" (flag) or "text".
using OptionTexts = std::vector<std::pair<std::string, std::string>>;

namespace detail {

struct FilledBuffer {
  int status = 0;
  std::string error;
  bool inside = true;         // no guard element changed
  std::vector<float> values;  // without the guards
  std::uint32_t rounds = 0;   // of a calibration
};

// Values with guards on both sides.
class GuardedValues {
 public:
  GuardedValues(std::size_t n, float value) : all_(n + 2 * kGuard, std::bit_cast<float>(kBits)) {
    std::ranges::fill(values(), value);
  }
  explicit GuardedValues(const std::vector<float>& start) : GuardedValues(start.size(), 0) {
    std::ranges::copy(start, values().begin());
  }
  std::span<float> values() { return {all_.data() + kGuard, all_.size() - 2 * kGuard}; }
  bool guards_hold() const {
    const auto is_guard = [](float x) { return std::bit_cast<std::uint32_t>(x) == kBits; };
    const std::span<const float> all(all_);
    return std::ranges::all_of(all.first(kGuard), is_guard) && std::ranges::all_of(all.last(kGuard), is_guard);
  }

 private:
  static constexpr std::size_t kGuard = 64;
  static constexpr std::uint32_t kBits = 0x7fe5c3e1;
  std::vector<float> all_;
};

class StrategyCheck {
 public:
  StrategyCheck(const il_strategy& strategy, OptionTexts options)
      : strategy_(strategy), subject_("strategy " + in_quotes(strategy.id)), options_(std::move(options)) {
    for (std::uint32_t i = 0; i < strategy.num_options; ++i) {
      const il_option_info& info = strategy.options[i];
      const bool given = std::ranges::any_of(options_, [&](const auto& o) { return o.first == info.key; });
      if (info.default_value == nullptr && !given) options_.emplace_back(info.key, sample(info.type));
    }
  }

  std::vector<Finding> run() {
    check_refusals();
    void* self = create(options_);
    if (self == nullptr) return findings_;
    choose_model(self);
    for (const SyntheticParameter& p : small_) check_buffer(self, p);
    if (findings_.empty()) {  // the rest compares buffers, so they must be whole
      check_order(self);
      check_threads(self);
      check_source(self);
      check_large(self);
      check_calibrations(self);
    }
    strategy_.destroy(self);
    return findings_;
  }

 private:
  static constexpr const char* kNoExtension = "initlab.no_such_extension/1";
  static constexpr std::uint32_t kFillBits = 0x7fc1d2e3, kOtherFillBits = 0x3f9d70a4;

  static std::string sample(const std::string& type) { return type == "flag" ? "true" : type == "text" ? "text" : "1"; }

  bool extends(const char* id) const { return strategy_.extension != nullptr && strategy_.extension(id) != nullptr; }
  bool is_natural(const SyntheticParameter& p) const { return (strategy_.natural_roles & p.role()) != 0; }
  void report(const std::string& what, const std::string& expected, const std::string& got) {
    findings_.push_back({subject_ + ", " + what, expected, got});
  }

  // create() with these options. Returns null and keeps the text in error_ where it fails.
  void* create(const OptionTexts& texts, bool must_work = true) {
    std::vector<il_option> options;
    for (const auto& [key, value] : texts) options.push_back({key.c_str(), value.c_str()});
    il_error error{};
    error.size = sizeof error;
    void* self = &findings_;  // any address that a plugin cannot know
    const int status = strategy_.create(options.data(), static_cast<std::uint32_t>(options.size()), &self, &error);
    error.text[sizeof error.text - 1] = '\0';
    error_ = error.text;
    if (status == 0) return self;
    if (self != &findings_) report("create", "the output left alone where it fails", "another value");
    if (must_work) report("create with good options", "success", in_quotes(error_));
    return nullptr;
  }

  void check_refused(const char* key, const char* value, const char* kind) {
    OptionTexts texts = options_;
    std::erase_if(texts, [&](const auto& option) { return option.first == key; });
    texts.emplace_back(key, value);
    const std::string what = std::string(kind) + " option " + key + "=" + in_quotes(value);
    if (void* self = create(texts, false)) {
      report(what, "a refusal", "success");
      strategy_.destroy(self);
    } else if (error_.find(key) == std::string::npos) {
      report(what, "an error that names the key", in_quotes(error_));
    }
  }

  void check_refusals() {
    check_refused("no_such_option", "1", "unknown");
    for (std::uint32_t i = 0; i < strategy_.num_options; ++i) {
      const il_option_info& info = strategy_.options[i];
      const std::string_view type(info.type);
      if (type == "text") continue;
      for (const char* value : {"", "12abc", "nan", "fast"}) check_refused(info.key, value, "malformed");
      if (type == "integer") check_refused(info.key, "1.5", "malformed");
    }
  }

  // A strategy may be made for models of one kind of residual sums alone, and must then refuse all others: it is
  // checked in the first model in which it fills all natural parameters, else in BERT's.
  void choose_model(const void* self) {
    for (const SyntheticModel& model : synthetic_models()) {
      enter(model);
      const il_host host = with_checkpoint_->host();
      std::size_t natural = 0, filled = 0;
      for (const SyntheticParameter& p : small_) {
        if (!is_natural(p)) continue;
        ++natural;
        filled += fill(self, p, host, kFillBits).status == 0 ? 1 : 0;
      }
      if (natural > 0 && filled == natural) return;
    }
    enter({});
  }
  void enter(const SyntheticModel& model) {
    model_ = model;
    small_ = parameters_in(model, small_parameters());
    with_checkpoint_ = std::make_unique<SyntheticHost>(1, SyntheticHost::Checkpoint::like_the_parameters, small_);
  }

  FilledBuffer fill(const void* self, const SyntheticParameter& p, const il_host& host, std::uint32_t before) const {
    GuardedValues buffer(p.size(), std::bit_cast<float>(before));
    const il_param param = p.param();
    il_error error{};
    error.size = sizeof error;
    FilledBuffer result;
    result.status = strategy_.fill(self, &param, &host, buffer.values().data(), p.size(), &error);
    error.text[sizeof error.text - 1] = '\0';
    result.error = error.text;
    result.inside = buffer.guards_hold();
    result.values.assign(buffer.values().begin(), buffer.values().end());
    return result;
  }

  static bool same_bits(const FilledBuffer& a, const FilledBuffer& b) {
    return a.status == b.status && a.values.size() == b.values.size() &&
           std::memcmp(a.values.data(), b.values.data(), a.values.size() * sizeof(float)) == 0;
  }

  // One parameter alone: whole, inside, finite, repeatable. A role that is not natural may be refused.
  void check_buffer(const void* self, const SyntheticParameter& p) {
    const il_host host = with_checkpoint_->host();
    const FilledBuffer a = fill(self, p, host, kFillBits);
    const std::string what = "fill of " + p.name();
    if (!a.inside) report(what, "nothing written outside the buffer", "a guard element changed");
    check_foresight(self, p, a);
    if (a.status != 0) {
      if (is_natural(p)) report(what, "success", "error " + in_quotes(a.error));
      if (a.error.empty()) report(what, "a text where it fails", "none");
      return;
    }
    for (std::size_t i = 0; i < a.values.size(); ++i) {
      if (std::isfinite(a.values[i])) continue;
      const bool unwritten = std::bit_cast<std::uint32_t>(a.values[i]) == kFillBits;
      report(what, unwritten ? "every element written" : "finite values",
             (unwritten ? "element " : std::to_string(a.values[i]) + " at element ") + std::to_string(i) +
                 (unwritten ? " left alone" : ""));
      return;
    }
    if (!same_bits(a, fill(self, p, host, kOtherFillBits))) report(what, "the same bits on repeat", "others");
  }

  // What a strategy says before a run is what its fill then does.
  void check_foresight(const void* self, const SyntheticParameter& p, const FilledBuffer& filled) {
    // One that answers to anything is reported elsewhere; what it answers is not to be called.
    if (!extends(IL_EXT_CHECK) || extends(kNoExtension)) return;
    const auto* foresight = static_cast<const il_check*>(strategy_.extension(IL_EXT_CHECK));
    const il_param param = p.param();
    const il_sources sources = with_checkpoint_->sources();
    il_error error{};
    error.size = sizeof error;
    const int status = foresight->check(self, &param, &sources, &error);
    error.text[sizeof error.text - 1] = '\0';
    const std::string what = "check of " + p.name();
    if (status != IL_CHECK_OK && error.text[0] == '\0') report(what, "a text where it refuses", "none");
    if (status == IL_CHECK_OK && filled.status != 0) report(what, "a refusal, as of fill: " + filled.error, "success");
    if (status != IL_CHECK_OK && filled.status == 0 && is_natural(p))
      report(what, "success, as of fill", "a refusal: " + std::string(error.text));
  }

  std::vector<FilledBuffer> fill_all(const void* self, bool backwards) const {
    std::vector<FilledBuffer> all(small_.size());
    const il_host host = with_checkpoint_->host();
    for (std::size_t k = 0; k < small_.size(); ++k) {
      const std::size_t i = backwards ? small_.size() - 1 - k : k;
      all[i] = fill(self, small_[i], host, kFillBits);
    }
    return all;
  }

  void check_same(const std::vector<FilledBuffer>& a, const std::vector<FilledBuffer>& b, const std::string& what) {
    for (std::size_t i = 0; i < small_.size(); ++i) {
      if (same_bits(a[i], b[i])) continue;
      report("fill of " + small_[i].name(), "the same bits " + what, "others");
      return;
    }
  }

  void check_order(const void* self) {
    const auto forwards = fill_all(self, false);
    check_same(forwards, fill_all(self, true), "in any order");
    if (void* other = create(options_)) {
      check_same(forwards, fill_all(other, true), "from another object with the same options");
      strategy_.destroy(other);
    }
  }

  void check_threads(const void* self) {
    const auto alone = fill_all(self, false);
    std::vector<std::vector<FilledBuffer>> results(4);
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < results.size(); ++t)
      threads.emplace_back([&, t] {
        for (int repeat = 0; repeat < 3; ++repeat) results[t] = fill_all(self, t % 2 == 1);
      });
    for (std::thread& thread : threads) thread.join();
    for (const auto& result : results) check_same(alone, result, "from several threads");
  }

  // Without a checkpoint: a strategy that needs one says so and fails with a text; any other works.
  void check_source(const void* self) {
    const SyntheticHost empty(1, SyntheticHost::Checkpoint::none, small_);
    const il_host host = empty.host();
    for (const SyntheticParameter& p : small_) {
      if (!is_natural(p)) continue;
      const FilledBuffer result = fill(self, p, host, kFillBits);
      const std::string what = "fill of " + p.name() + " without a checkpoint";
      if (!result.inside) report(what, "nothing written outside the buffer", "a guard element changed");
      if (result.status != 0 && result.error.empty()) report(what, "a text where it fails", "none");
      if (extends(IL_EXT_NEEDS_SOURCE) && result.status == 0)
        report(what, "an error, as it says that it needs one", "success");
      if (!extends(IL_EXT_NEEDS_SOURCE) && result.status != 0)
        report(what, "success, or the extension " IL_EXT_NEEDS_SOURCE, "error " + in_quotes(result.error));
    }
  }

  // On forward passes whose outputs follow the values (small and large ones at the start), and on one whose outputs
  // nothing moves: there it may refuse, but must not go on for ever.
  void check_calibrations(const void* self) {
    if (!extends(IL_EXT_CALIBRATE) || extends(kNoExtension)) return;
    const auto* extension = static_cast<const il_calibrate*>(strategy_.extension(IL_EXT_CALIBRATE));
    const std::uint32_t batches = extension->batches(self);
    if (batches < 1 || batches > IL_MOST_CALIBRATION_BATCHES)
      report("batches of a calibration", "1 to " + std::to_string(IL_MOST_CALIBRATION_BATCHES),
             std::to_string(batches));
    const il_host host = with_checkpoint_->host();
    for (const SyntheticParameter& p : small_) {
      if (!is_natural(p)) continue;
      const FilledBuffer start = fill(self, p, host, kFillBits);
      check_calibration(self, *extension, p, start.values, {.gain = 0.25, .rest = 0}, true);
      check_calibration(self, *extension, p, start.values, {.gain = 16, .rest = 0}, true);
      check_calibration(self, *extension, p, start.values, {.gain = 0, .rest = 5}, false);
    }
  }

  struct Response {
    double gain, rest;  // of SyntheticActivations
  };

  void check_calibration(const void* self, const il_calibrate& extension, const SyntheticParameter& p,
                         const std::vector<float>& start, const Response& response, bool must_work) {
    const FilledBuffer a = calibrate(self, extension, p, start, response);
    const std::string what = "calibration of " + p.name();
    if (!a.inside) report(what, "nothing written outside the buffer", "a guard element changed");
    if (a.status != 0) {
      if (must_work) report(what, "success", "error " + in_quotes(a.error));
      if (a.error.empty()) report(what, "a text where it fails", "none");
      return;
    }
    if (!std::ranges::all_of(a.values, [](float x) { return std::isfinite(x); }))
      report(what, "finite values", "others");
    else if (a.rounds > IL_MOST_CALIBRATION_ROUNDS)
      report(what, "an end within " + std::to_string(IL_MOST_CALIBRATION_ROUNDS) + " rounds", "a wish for another one");
    else if (const FilledBuffer b = calibrate(self, extension, p, start, response);
             !same_bits(a, b) || a.rounds != b.rounds)
      report(what, "the same bits from the same statistics", "others");
  }

  // Round after round on what fill wrote, until the strategy is satisfied, fails or breaks a promise.
  FilledBuffer calibrate(const void* self, const il_calibrate& extension, const SyntheticParameter& p,
                         const std::vector<float>& start, const Response& response) const {
    FilledBuffer result;
    GuardedValues buffer(start);
    const il_param param = p.param();
    const SyntheticActivations pass(p, buffer.values(), response.gain, response.rest);
    int again = 1;
    while (again != 0 && result.status == 0 && result.inside && result.rounds <= IL_MOST_CALIBRATION_ROUNDS) {
      const il_activations activations = pass.round(result.rounds++);
      il_error error{};
      error.size = sizeof error;
      again = 0;
      result.status =
          extension.calibrate(self, &param, &activations, buffer.values().data(), start.size(), &again, &error);
      error.text[sizeof error.text - 1] = '\0';
      result.error = error.text;
      result.inside = buffer.guards_hold();
    }
    result.values.assign(buffer.values().begin(), buffer.values().end());
    return result;
  }

  void check_large(const void* self) {
    if (extends(kNoExtension)) report("extension", "null for an unknown id", "something");
    if (!extends(IL_EXT_MOMENTS)) return;
    const auto* moments = static_cast<const il_moments*>(strategy_.extension(IL_EXT_MOMENTS));
    const std::vector<SyntheticParameter> parameters = parameters_in(model_, large_parameters());
    const SyntheticHost host(1, SyntheticHost::Checkpoint::like_the_parameters, parameters);
    const SyntheticHost other(2, SyntheticHost::Checkpoint::like_the_parameters, parameters);
    for (const SyntheticParameter& p : parameters) {
      const il_param param = p.param();
      double mean = 0, stddev = 0, low = 0, high = 0;
      if (moments->moments(self, &param, &mean, &stddev, &low, &high) != 0) continue;
      if (stddev > 0 && p.size() < 32) continue;  // too few to say anything
      const FilledBuffer a = fill(self, p, host.host(), kFillBits);
      if (a.status != 0) continue;
      check_moments(p, a.values, mean, stddev, low, high);
      if (stddev > 0 && same_bits(a, fill(self, p, other.host(), kFillBits)))
        report("fill of " + p.name(), "other bits from another seed of the host", "the same");
    }
  }

  // Bounds: 5 standard errors, the standard deviation's from the sample's fourth moment, and the rounding to float.
  void check_moments(const SyntheticParameter& p, const std::vector<float>& values, double mean, double stddev,
                     double low, double high) {
    const double n = static_cast<double>(values.size());
    double sum = 0, largest = 0;
    for (const float x : values) {
      sum += x;
      largest = std::max(largest, std::fabs(static_cast<double>(x)));
    }
    const double sample_mean = sum / n;
    double second = 0, fourth = 0;
    for (const float x : values) {
      const double d2 = (x - sample_mean) * (x - sample_mean);
      second += d2;
      fourth += d2 * d2;
    }
    const double variance = second / n;
    const double rounding = largest * 0x1p-23;
    const double mean_bound = 5 * stddev / std::sqrt(n) + rounding;
    const double error_of_variance = std::sqrt(std::max(0.0, fourth / n - variance * variance) / n);
    const double stddev_bound = (stddev > 0 ? 5 * error_of_variance / (2 * stddev) : 0) + rounding;
    const auto check = [&](const char* what, double declared, double bound, double got) {
      if (!(std::fabs(got - declared) <= bound))
        report(std::string(what) + " of " + p.name(), number_text(declared) + " +- " + number_text(bound),
               number_text(got));
    };
    check("declared mean", mean, mean_bound, sample_mean);
    check("declared standard deviation", stddev, stddev_bound, std::sqrt(variance));
    const auto [least, most] = std::ranges::minmax(values);
    if (least < static_cast<float>(low) || most > static_cast<float>(high))
      report("declared bounds of " + p.name(), "values from " + number_text(low) + " to " + number_text(high),
             number_text(static_cast<double>(least)) + " to " + number_text(static_cast<double>(most)));
  }

  const il_strategy& strategy_;
  std::string subject_;
  OptionTexts options_;
  std::string error_;
  SyntheticModel model_;
  std::vector<SyntheticParameter> small_;
  std::unique_ptr<SyntheticHost> with_checkpoint_;  // what small_ needs
  std::vector<Finding> findings_;
};

}  // namespace detail

// Everything that is wrong with one strategy; nothing where it keeps its promises. Its descriptor must be complete.
inline std::vector<Finding> check_strategy(const il_strategy& strategy, const OptionTexts& options = {}) {
  return detail::StrategyCheck(strategy, options).run();
}

// Everything that is wrong with a plugin. `options`: strategy name without revision -> options to create it with.
inline std::vector<Finding> check_plugin(const il_plugin* plugin,
                                         const std::map<std::string, OptionTexts>& options = {}) {
  std::vector<Finding> findings = check_descriptor(plugin);
  if (!findings.empty()) return findings;
  for (std::uint32_t i = 0; i < plugin->num_strategies; ++i) {
    const std::string id = plugin->strategies[i]->id;
    const auto given = options.find(id.substr(0, id.find('/')));
    const auto found = check_strategy(*plugin->strategies[i], given == options.end() ? OptionTexts{} : given->second);
    findings.insert(findings.end(), found.begin(), found.end());
  }
  return findings;
}

}  // namespace initlab::sdk
