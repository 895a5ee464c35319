// A strategy's options: one field list drives the declared list, the strict parser and its messages.
//
//   struct Options {
//     double stddev = 0.02;
//     template <class Self, class Visitor>
//     static void fields(Self& self, Visitor&& visit) {
//       visit("stddev", self.stddev, "standard deviation", sdk::at_least(0));
//     }
//   };
//
// A member is double, std::int64_t, bool or std::string and starts with its default, or std::optional of one of these:
// then it has no default and must be given. Every fault is a Refusal that names the key.
#pragma once

#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <deque>
#include <initializer_list>
#include <limits>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "abi/initlab_plugin.h"

namespace initlab::sdk {

// What a strategy throws when it cannot do its work: a sentence for the person who wrote the spec.
struct Refusal : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Which numbers an option takes: low <= x <= high, without an end that is open.
struct Range {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool low_open = false;
};
constexpr Range positive() { return {.low = 0, .low_open = true}; }
constexpr Range at_least(double low) { return {.low = low}; }
constexpr Range between(double low, double high) { return {.low = low, .high = high}; }

// For a strategy without options.
struct NoOptions {
  template <class Self, class Visitor>
  static void fields(Self&, Visitor&&) {}
};

namespace detail {

template <class T>
struct OptionType {
  using Value = T;
  static constexpr bool kRequired = false;
};
template <class T>
struct OptionType<std::optional<T>> {
  using Value = T;
  static constexpr bool kRequired = true;
};

template <class T>
constexpr const char* type_name() {
  if constexpr (std::is_same_v<T, double>) return "number";
  if constexpr (std::is_same_v<T, std::int64_t>) return "integer";
  if constexpr (std::is_same_v<T, bool>) return "flag";
  if constexpr (std::is_same_v<T, std::string>) return "text";
}

// Shortest text that reads back to the same number.
template <class Number>
std::string number_text(Number value) {
  char buffer[40];
  const auto [end, fault] = std::to_chars(buffer, buffer + sizeof buffer, value);
  return fault == std::errc{} ? std::string(buffer, end) : std::string();
}

template <class T>
std::string value_text(const T& value) {
  if constexpr (std::is_same_v<T, std::string>) return value;
  if constexpr (std::is_same_v<T, bool>) return value ? "true" : "false";
  if constexpr (std::is_same_v<T, double> || std::is_same_v<T, std::int64_t>) return number_text(value);
}

// The whole text is a finite number, or nothing: no leading zeros, no hex, no inf or nan, no spaces.
template <class Number>
std::optional<Number> strict_number(std::string_view text) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  const std::string_view digits = text.substr(text.starts_with('-') ? 1 : 0);
  if (digits.empty() || !(is_digit(digits[0]) || digits[0] == '.')) return std::nullopt;
  if (digits.size() > 1 && digits[0] == '0' && is_digit(digits[1])) return std::nullopt;
  Number value{};
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (fault != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  if (!std::isfinite(static_cast<double>(value))) return std::nullopt;
  return value;
}

template <class T>
std::optional<T> read_value(std::string_view text) {
  if constexpr (std::is_same_v<T, std::string>) return std::string(text);
  if constexpr (std::is_same_v<T, bool>) {
    if (text == "true") return true;
    if (text == "false") return false;
    return std::nullopt;
  }
  if constexpr (std::is_same_v<T, double> || std::is_same_v<T, std::int64_t>) return strict_number<T>(text);
}

inline bool is_inside(const Range& range, double value) {
  return (range.low_open ? value > range.low : value >= range.low) && value <= range.high;
}

// "a number above 0", "an integer from 1 to 12", "true or false", "text".
template <class T>
std::string expectation(const Range& range) {
  if constexpr (std::is_same_v<T, bool>) return "true or false";
  if constexpr (std::is_same_v<T, std::string>) return "text";
  std::string text = std::is_same_v<T, double> ? "a number" : "an integer";
  const bool low = std::isfinite(range.low), high = std::isfinite(range.high);
  if (low && high) return text + " from " + number_text(range.low) + " to " + number_text(range.high);
  if (low) text += (range.low_open ? " above " : " of at least ") + number_text(range.low);
  if (high) text += " of at most " + number_text(range.high);
  return text;
}

// Quoted for a message, with control characters as '?', cut after 80 bytes.
inline std::string in_quotes(std::string_view text) {
  constexpr std::size_t kMost = 80;
  std::string out = "\"";
  for (const char c : text.substr(0, kMost)) out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
  return out + (text.size() > kMost ? "...\"" : "\"");
}

// Reads one field of an options struct, if the spec gives it.
class Reader {
 public:
  explicit Reader(std::span<const il_option> given) : given_(given) {}

  template <class T>
  void operator()(const char* key, T& member, const char* summary, const Range& range = {}) {
    using Type = OptionType<T>;
    using Value = typename Type::Value;
    const il_option* found = nullptr;
    for (const il_option& option : given_) {
      if (std::strcmp(option.key, key) != 0) continue;
      if (found != nullptr) throw Refusal("option " + in_quotes(key) + " is given twice");
      found = &option;
    }
    if (found == nullptr) {
      if (Type::kRequired) throw Refusal("option " + in_quotes(key) + " must be given: " + summary);
      return;
    }
    std::optional<Value> value = read_value<Value>(found->value);
    if constexpr (std::is_same_v<Value, double> || std::is_same_v<Value, std::int64_t>)
      if (value && !is_inside(range, static_cast<double>(*value))) value.reset();
    if (!value)
      throw Refusal("option " + in_quotes(key) + ": expected " + expectation<Value>(range) + ", got " +
                    in_quotes(found->value));
    member = *std::move(value);
  }

 private:
  std::span<const il_option> given_;
};

// Finds a given key that the struct does not have.
class KeyCheck {
 public:
  explicit KeyCheck(std::string_view key) : key_(key) {}
  template <class T>
  void operator()(const char* key, const T&, const char*, const Range& = {}) {
    known_ = known_ || key_ == key;
    keys_ += (keys_.empty() ? "" : ", ") + std::string(key);
  }
  bool known() const { return known_; }
  const std::string& keys() const { return keys_; }

 private:
  std::string_view key_;
  bool known_ = false;
  std::string keys_;
};

}  // namespace detail

// The spec's options as a struct. Throws Refusal on an unknown, repeated, missing, malformed or out-of-range option.
template <class Options>
Options parse_options(std::span<const il_option> given) {
  Options options;
  for (const il_option& option : given) {
    if (option.key == nullptr || option.value == nullptr) throw Refusal("an option without a key or a value");
    detail::KeyCheck check(option.key);
    Options::fields(options, check);
    if (check.known()) continue;
    throw Refusal("unknown option " + detail::in_quotes(option.key) +
                  (check.keys().empty() ? " (there are none)" : " (known: " + check.keys() + ")"));
  }
  Options::fields(options, detail::Reader(given));
  return options;
}

// Where the text of an option stands in a list of words. Throws Refusal that names the key and the words.
inline std::size_t one_of(const char* key, std::string_view text, std::initializer_list<std::string_view> words) {
  std::string known;
  std::size_t i = 0;
  for (const std::string_view word : words) {
    if (word == text) return i;
    known += (i == 0 ? "" : i + 1 == words.size() ? " or " : ", ") + std::string(word);
    ++i;
  }
  throw Refusal("option " + detail::in_quotes(key) + ": expected " + known + ", got " + detail::in_quotes(text));
}

// The declared list. Owns its texts; il_option_info points into them.
template <class Options>
class OptionList {
 public:
  OptionList() {
    const Options defaults;
    Options::fields(defaults,
                    [this]<class T>(const char* key, const T& member, const char* summary, const Range& = {}) {
                      using Type = detail::OptionType<T>;
                      const char* text = nullptr;
                      if constexpr (!Type::kRequired) text = texts_.emplace_back(detail::value_text(member)).c_str();
                      infos_.push_back({key, detail::type_name<typename Type::Value>(), text, summary});
                    });
  }
  OptionList(const OptionList&) = delete;
  OptionList& operator=(const OptionList&) = delete;
  const il_option_info* data() const { return infos_.data(); }
  std::uint32_t size() const { return static_cast<std::uint32_t>(infos_.size()); }

 private:
  std::deque<std::string> texts_;  // a deque: elements never move
  std::vector<il_option_info> infos_;
};

}  // namespace initlab::sdk
