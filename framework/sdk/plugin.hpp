// The C++ face of the plugin boundary: a strategy is a small class, and the rest is done here.
//
//   class Flat {
//    public:
//     static constexpr sdk::Facts kFacts{.id = "flat/1", .summary = "...", .source = "...", .natural_roles =
//     IL_ROLE_MATRIX}; struct Options { ... };                                    // options.hpp; sdk::NoOptions where
//     there are none explicit Flat(const Options& options);                     // throw sdk::Refusal on a combination
//     that makes no sense void fill(const il_param& param, const sdk::Host& host, std::span<float> values) const;
//     sdk::Moments moments(const il_param& param) const;         // optional: what fill promises
//     static constexpr bool kNeedsSource = true;                 // optional: fill reads the checkpoint's tensor of
//     that name
//     void check(const il_param& param, const sdk::Sources& sources) const;  // optional: before a run, throw Refusal
//     or Missing where fill could not; with kNeedsSource it replaces the host's look at name and shape
//     sdk::Round calibrate(const il_param& param, const sdk::Activations& activations, std::span<float> values) const;
//     optional: after all fills, look at a forward pass and change the values; Round::another asks for a fresh pass
//     std::uint32_t batches() const;                              // optional, beside calibrate: of a pass; else 1
//   };
//   const il_plugin* initlab_plugin() { return sdk::plugin<Flat>("my_plugin", "1.0.0"); }
//
// fill() computes in double and rounds to float once, with + - * / and sqrt alone, so that initial bits are equal on
// every CPU. It may run on one object from several threads. Not for: the host side (framework/init).
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "abi/initlab_plugin.h"
#include "sdk/options.hpp"

namespace initlab::sdk {

// What a strategy says about itself.
struct Facts {
  const char* id;               // "name/revision"; raise the revision when the bits change
  const char* summary;          // one line
  const char* source;           // paper or code
  std::uint32_t natural_roles;  // IL_ROLE_ bits: what a rule covers when it names no role
};

// What fill promises for one parameter: mean, standard deviation (not variance) and hard bounds of the values.
struct Moments {
  double mean = 0;
  double stddev = 0;
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
};

// A tensor of the checkpoint; borrowed from the host until fill returns.
struct SourceTensor {
  std::span<const std::int64_t> shape;
  std::span<const float> values;  // row-major
};

inline std::span<const std::int64_t> shape_of(const il_param& param) { return {param.dims, param.rank}; }

inline std::string shape_text(std::span<const std::int64_t> shape) {
  std::string text;
  for (const std::int64_t dim : shape) text += (text.empty() ? "" : ", ") + std::to_string(dim);
  return "(" + text + ")";
}

inline std::uint64_t elements(std::span<const std::int64_t> shape) {
  std::uint64_t n = 1;
  for (const std::int64_t dim : shape) n *= static_cast<std::uint64_t>(dim);
  return n;
}

// What check() throws where the checkpoint lacks the tensor of that name: the rule's `missing` may say what then.
struct Missing : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// What the checkpoint has, without its values.
class Sources {
 public:
  explicit Sources(const il_sources* sources) : sources_(sources) {}
  // The shape of the checkpoint's tensor of that name, or nothing. Borrowed from the host until check returns.
  std::optional<std::span<const std::int64_t>> shape(const char* tensor) const {
    il_view view{};
    view.size = sizeof view;
    if (sources_ == nullptr || sources_->source(sources_->context, tensor, &view) != 0) return std::nullopt;
    return std::span<const std::int64_t>(view.dims, view.rank);
  }
  // Throws Missing where there is no such tensor.
  std::span<const std::int64_t> shape_or_missing(const char* tensor) const {
    const auto found = shape(tensor);
    if (!found) throw Missing(tensor);
    return *found;
  }
  // The host's own look, for a check() that adds to it: throws Missing, or Refusal where the shape differs from
  // param's.
  void require_like(const il_param& param) const {
    const auto found = shape_or_missing(param.name);
    if (!std::ranges::equal(found, shape_of(param)))
      throw Refusal("expected shape " + shape_text(shape_of(param)) + ", got " + shape_text(found) +
                    " in the checkpoint");
  }

 private:
  const il_sources* sources_;
};

// What the host lends during fill. Draw i of a tensor's stream is a pure function of (seed, tensor, i).
class Host {
 public:
  explicit Host(const il_host& host) : host_(host) {}

  // Draws first, first + 1, ... of the tensor's uniform stream, in [0, 1), or of its normal stream, N(0, 1).
  void uniform(const char* tensor, std::uint64_t first, std::span<float> draws) const {
    host_.uniform(host_.context, tensor, first, draws.data(), draws.size());
  }
  void normal(const char* tensor, std::uint64_t first, std::span<float> draws) const {
    host_.normal(host_.context, tensor, first, draws.data(), draws.size());
  }
  // The checkpoint's tensor of that name, or nothing.
  std::optional<SourceTensor> source(const char* tensor) const {
    il_view view{};
    view.size = sizeof view;
    if (host_.source(host_.context, tensor, &view) != 0) return std::nullopt;
    const std::span<const std::int64_t> shape(view.dims, view.rank);
    return SourceTensor{shape, {view.data, elements(shape)}};
  }
  // The same for a strategy that cannot do without. Throws Refusal where it is absent or has another shape than param.
  SourceTensor source_like(const il_param& param) const {
    const std::optional<SourceTensor> tensor = source(param.name);
    if (!tensor) throw Refusal("there is no checkpoint, or it has no such tensor");
    if (!std::ranges::equal(tensor->shape, shape_of(param))) throw Refusal("the checkpoint's tensor has another shape");
    return *tensor;
  }
  // The model's parameters, one after another; nothing past the last, or where the program is older than the plugin.
  std::optional<il_param> parameter(std::uint64_t i) const {
    il_param param{};
    param.size = sizeof param;
    if (host_.size < sizeof(il_host) || host_.parameter(host_.context, i, &param) != 0) return std::nullopt;
    return param;
  }
  // The shape of the checkpoint's tensor of that name, or nothing; does not read it.
  std::optional<std::span<const std::int64_t>> source_shape(const char* tensor) const {
    il_view view{};
    view.size = sizeof view;
    if (host_.size < sizeof(il_host) || host_.source_shape(host_.context, tensor, &view) != 0) return std::nullopt;
    return std::span<const std::int64_t>(view.dims, view.rank);
  }

 private:
  const il_host& host_;
};

// What the product of one weight gave in a forward pass; il_activation says of what exactly.
struct Activation {
  std::uint64_t count = 0;  // numbers measured
  double mean = 0, stddev = 0;
  double residual_mean = 0, residual_stddev = 0;  // of what it is added to; NaN where there is no residual
};

// What calibrate() sees: a forward pass on the present values of all parameters.
class Activations {
 public:
  explicit Activations(const il_activations& activations) : activations_(activations) {}
  // How often this parameter was calibrated before: 0, 1, ...
  std::uint32_t round() const { return activations_.round; }
  // The product of that weight, or nothing where the forward pass has none.
  std::optional<Activation> output(const char* weight) const {
    il_activation a{};
    a.size = sizeof a;
    if (activations_.output(activations_.context, weight, &a) != 0) return std::nullopt;
    return Activation{a.count, a.mean, a.stddev, a.residual_mean, a.residual_stddev};
  }
  // The same; throws Refusal where there is none.
  Activation output_or_refuse(const char* weight) const {
    const auto found = output(weight);
    if (!found) throw Refusal(std::string("the forward pass has no product of ") + weight);
    return *found;
  }

 private:
  const il_activations& activations_;
};

// What calibrate() answers: whether it wants to see a fresh pass.
enum class Round { done, another };

namespace detail {

inline void set_error(il_error* error, std::string_view text) {
  if (error == nullptr || error->size <= offsetof(il_error, text)) return;
  const std::size_t room = std::min(sizeof error->text, error->size - offsetof(il_error, text));
  std::size_t n = std::min(text.size(), room - 1);
  while (n < text.size() && n > 0 && (static_cast<unsigned char>(text[n]) & 0xc0) == 0x80) --n;  // no torn UTF-8
  std::copy_n(text.data(), n, error->text);
  error->text[n] = '\0';
}

// Runs a piece of C++ behind the C boundary: no exception passes.
template <class Work>
int guarded(il_error* error, Work&& work) noexcept {
  try {
    work();
    return 0;
  } catch (const std::exception& fault) {
    set_error(error, fault.what());
  } catch (...) {
    set_error(error, "an exception of an unknown type");
  }
  return 1;
}

template <class S>
concept HasCheck = requires(const S& strategy, const il_param& param, const Sources& sources) {
  strategy.check(param, sources);
};

template <class S>
concept HasMoments = requires(const S& strategy, const il_param& param) {
  { strategy.moments(param) } -> std::same_as<Moments>;
};

template <class S>
concept HasCalibrate = requires(const S& strategy, const il_param& param, const Activations& activations,
                                std::span<float> values) {
  { strategy.calibrate(param, activations, values) } -> std::same_as<Round>;
};

// The C functions of a strategy class.
template <class S>
struct Glue {
  static int create(const il_option* options, std::uint32_t n, void** self, il_error* error) {
    return guarded(error, [&] {
      *self = std::make_unique<S>(parse_options<typename S::Options>({options, n})).release();
    });
  }
  static int fill(const void* self, const il_param* param, const il_host* host, float* dst, std::uint64_t n,
                  il_error* error) {
    return guarded(error, [&] {
      if (param->size < sizeof(il_param) || host->size < offsetof(il_host, parameter))
        throw Refusal("the program is older than this plugin; rebuild the plugin against it");
      if (elements(shape_of(*param)) != n) throw Refusal("the buffer's length differs from the parameter's shape");
      static_cast<const S*>(self)->fill(*param, Host(*host), {dst, n});
    });
  }
  static void destroy(void* self) { delete static_cast<S*>(self); }

  static int moments(const void* self, const il_param* param, double* mean, double* stddev, double* low, double* high) {
    if constexpr (HasMoments<S>) {
      return guarded(nullptr, [&] {
        const Moments m = static_cast<const S*>(self)->moments(*param);
        *mean = m.mean;
        *stddev = m.stddev;
        *low = m.low;
        *high = m.high;
      });
    }
    return 1;
  }
  static int check(const void* self, const il_param* param, const il_sources* sources, il_error* error) {
    if constexpr (HasCheck<S>) {
      try {
        static_cast<const S*>(self)->check(*param, Sources(sources));
        return IL_CHECK_OK;
      } catch (const Missing& missing) {
        set_error(error, missing.what());
        return IL_CHECK_MISSING;
      } catch (const std::exception& fault) {
        set_error(error, fault.what());
      } catch (...) {
        set_error(error, "an exception of an unknown type");
      }
    }
    return IL_CHECK_REFUSED;
  }
  static std::uint32_t batches(const void* self) {
    if constexpr (requires(const S& s) { s.batches(); }) return static_cast<const S*>(self)->batches();
    return 1;
  }
  static int calibrate(const void* self, const il_param* param, const il_activations* activations, float* dst,
                       std::uint64_t n, int* again, il_error* error) {
    if constexpr (HasCalibrate<S>) {
      return guarded(error, [&] {
        const Round round = static_cast<const S*>(self)->calibrate(*param, Activations(*activations), {dst, n});
        *again = round == Round::another ? 1 : 0;
      });
    }
    return 1;
  }
  static const void* extension(const char* id) {
    static constexpr il_check kCheck{sizeof(il_check), &check};
    static constexpr il_moments kMoments{sizeof(il_moments), &moments};
    static constexpr il_needs_source kNeeds{sizeof(il_needs_source)};
    const std::string_view wanted(id);
    if constexpr (HasMoments<S>)
      if (wanted == IL_EXT_MOMENTS) return &kMoments;
    if constexpr (requires { S::kNeedsSource; })
      if (S::kNeedsSource && wanted == IL_EXT_NEEDS_SOURCE) return &kNeeds;
    if constexpr (HasCheck<S>)
      if (wanted == IL_EXT_CHECK) return &kCheck;
    if constexpr (HasCalibrate<S>) {
      static constexpr il_calibrate kCalibrate{sizeof(il_calibrate), &batches, &calibrate};
      if (wanted == IL_EXT_CALIBRATE) return &kCalibrate;
    }
    return nullptr;
  }
};

}  // namespace detail

// The static descriptor of a strategy class.
template <class S>
const il_strategy* strategy() {
  static const auto& options = *new OptionList<typename S::Options>;  // lives as long as the library: for ever
  static const il_strategy descriptor{sizeof(il_strategy),
                                      S::kFacts.id,
                                      S::kFacts.summary,
                                      S::kFacts.source,
                                      S::kFacts.natural_roles,
                                      options.size(),
                                      options.data(),
                                      &detail::Glue<S>::create,
                                      &detail::Glue<S>::fill,
                                      &detail::Glue<S>::destroy,
                                      &detail::Glue<S>::extension};
  return &descriptor;
}

// The library's table: every strategy class that it offers. name and version are literals.
template <class... S>
const il_plugin* plugin(const char* name, const char* version) {
  static const il_strategy* const strategies[] = {strategy<S>()...};
  static const il_plugin table{sizeof(il_plugin), IL_ABI_MAJOR, IL_ABI_MINOR, name, version, sizeof...(S), strategies};
  return &table;
}

}  // namespace initlab::sdk
