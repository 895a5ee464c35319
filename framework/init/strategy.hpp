// One strategy with its options read: the C calls create, fill and destroy behind a C++ object. Internal to init/.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "abi/initlab_plugin.h"
#include "base/json.hpp"
#include "init/init.hpp"

namespace initlab::init {

// Key and text of every option, in the strategy's own order, defaults filled in.
using OptionTexts = std::vector<std::pair<std::string, std::string>>;

// Throws Error at `place` on a key that the strategy does not have, or on one that has no default and is not given.
OptionTexts complete_options(const il_strategy& strategy, const OptionTexts& given, const std::string& place);

// The options as understood: numbers, integers and flags as JSON values, text as text.
base::Json options_json(const il_strategy& strategy, const OptionTexts& options);

// The parameter table's roles and the boundary's bits are one list.
constexpr std::uint32_t role_bit(params::Role role) { return 1u << static_cast<unsigned>(role); }
static_assert(role_bit(params::Role::matrix) == IL_ROLE_MATRIX &&
              role_bit(params::Role::embedding) == IL_ROLE_EMBEDDING);
static_assert(role_bit(params::Role::bias) == IL_ROLE_BIAS && role_bit(params::Role::norm_scale) == IL_ROLE_NORM_SCALE);
static_assert(role_bit(params::Role::norm_shift) == IL_ROLE_NORM_SHIFT &&
              role_bit(params::Role::residual_scale) == IL_ROLE_RESIDUAL_SCALE);

// One parameter as a strategy sees it. Points into p.
il_param describe_parameter(const params::Parameter& p, const config::ModelConfig& model);

// What a message calls a strategy: "strategy normal/1 of plugins/normal.so".
std::string describe(const Catalog& catalog, const CatalogEntry& entry);

class Strategy {
 public:
  // Throws Error at `place` where the strategy refuses the options.
  Strategy(const Catalog& catalog, const CatalogEntry& entry, const OptionTexts& given, const std::string& place);
  ~Strategy();
  Strategy(const Strategy&) = delete;
  Strategy& operator=(const Strategy&) = delete;

  const OptionTexts& options() const { return options_; }
  // Empty on success, else the strategy's own words.
  std::string fill(const il_param& param, const il_host& host, std::span<float> values) const;
  // Mean and standard deviation that the strategy declares for a parameter; nothing where it declares none.
  std::optional<std::pair<double, double>> moments(const il_param& param) const;

  // Whether the strategy says before a run if it can fill a parameter, and what it says.
  bool checks() const;
  struct Answer {
    int status = IL_CHECK_OK;  // one of IL_CHECK_
    std::string text;          // the tensor that the checkpoint lacks, or the reason of a refusal
  };
  Answer check(const il_param& param, const il_sources* sources) const;

  // Whether the strategy calibrates, on how many batches, and one round of it: empty on success, else its own words.
  bool calibrates() const;
  std::int64_t calibration_batches() const;
  std::string calibrate(const il_param& param, const il_activations& activations, std::span<float> values,
                        bool& again) const;

 private:
  const il_strategy& strategy_;
  OptionTexts options_;
  void* self_ = nullptr;
};

// Whether a strategy has an optional power (IL_EXT_).
bool extends(const CatalogEntry& entry, const char* id);

}  // namespace initlab::init
