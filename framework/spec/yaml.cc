#include "spec/yaml.hpp"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <sstream>
#include <unordered_set>

#include "base/error.hpp"
#include "base/text.hpp"

namespace initlab::spec {
namespace {

using base::Error;
using base::quote;

// What a subtree costs.
struct Extent {
  std::size_t nodes = 0;
  std::size_t bytes = 0;
  std::size_t height = 0;  // 1 for a scalar
};

Extent extent(const Node& node) {
  Extent total{1, node.text.size(), 0};
  const auto add = [&total](const Extent& part) {
    total.nodes += part.nodes;
    total.bytes += part.bytes;
    total.height = std::max(total.height, part.height);
  };
  for (const Node& item : node.items) add(extent(item));
  for (const Entry& entry : node.entries) {
    add(extent(entry.value));
    total.bytes += entry.key.size();
  }
  ++total.height;
  return total;
}

// Builds the Node tree from yaml-cpp's events and enforces every bound while it grows.
class Builder : public YAML::EventHandler {
 public:
  Builder(std::shared_ptr<const std::string> source, const Mark* fixed) : source_(std::move(source)), fixed_(fixed) {}

  bool has_document() const { return has_document_; }
  Node take() { return std::move(root_); }
  Mark mark(const YAML::Mark& at) const {
    if (fixed_ != nullptr) return *fixed_;
    return {source_, at.is_null() ? 1 : at.line + 1, at.is_null() ? 1 : at.column + 1};
  }

  void OnDocumentStart(const YAML::Mark& at) override {
    if (has_document_) fail(at, "", "one YAML document", "a second one", "remove the \"---\" or split the file");
    has_document_ = true;
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& at, YAML::anchor_t anchor) override {
    Node node;
    node.mark = mark(at);
    deliver(at, std::move(node), anchor);
  }

  void OnScalar(const YAML::Mark& at, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    refuse_tag(at, tag);
    if (value.size() > kMostScalarBytes)
      fail(at, "", "a text of at most " + std::to_string(kMostScalarBytes) + " bytes", std::to_string(value.size()),
           "");
    Node node = make_scalar(value, mark(at));
    node.quoted = tag == "!";  // yaml-cpp marks quoted and block scalars so
    deliver(at, std::move(node), anchor);
  }

  void OnAlias(const YAML::Mark& at, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) fail(at, "", "an alias of a finished value", "one that contains itself", "");
    const Extent cost = extent(found->second);
    if (open_.size() + cost.height > kMostDepth) fail_depth(at);
    spend(at, cost);
    Node copy = found->second;
    place(at, std::move(copy));
  }

  void OnSequenceStart(const YAML::Mark& at, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(at, tag, anchor, Node::Kind::sequence);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& at, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(at, tag, anchor, Node::Kind::map);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Open {
    Node node;
    YAML::Mark at;
    YAML::anchor_t anchor = 0;
    bool has_key = false;
    std::string key;
    Mark key_mark;
    std::unordered_set<std::string> keys;
  };

  [[noreturn]] void fail(const YAML::Mark& at, const std::string& subject, const std::string& expected,
                         const std::string& got, const std::string& hint) const {
    throw Error({mark(at).text(), subject, expected, got, hint});
  }
  [[noreturn]] void fail_depth(const YAML::Mark& at) const {
    fail(at, "", "lists and maps nested at most " + std::to_string(kMostDepth) + " deep", "deeper", "");
  }

  void refuse_tag(const YAML::Mark& at, const std::string& tag) const {
    if (tag.empty() || tag == "?" || tag == "!") return;
    fail(at, "", "a value without a tag", quote(tag), "remove the tag; quotes make a text, plain digits a number");
  }

  void spend(const YAML::Mark& at, const Extent& cost) {
    nodes_ += cost.nodes;
    bytes_ += cost.bytes;
    if (nodes_ > kMostNodes)
      fail(at, "", "at most " + std::to_string(kMostNodes) + " values, aliases expanded", "more", "");
    if (bytes_ > kMostTextBytes)
      fail(at, "", "at most " + std::to_string(kMostTextBytes) + " bytes of text, aliases expanded", "more", "");
  }

  void open(const YAML::Mark& at, const std::string& tag, YAML::anchor_t anchor, Node::Kind kind) {
    refuse_tag(at, tag);
    if (open_.size() >= kMostDepth) fail_depth(at);
    spend(at, {1, 0, 0});
    Open level;
    level.node.kind = kind;
    level.node.mark = mark(at);
    level.at = at;
    level.anchor = anchor;
    open_.push_back(std::move(level));
  }

  void close() {
    Open level = std::move(open_.back());
    open_.pop_back();
    remember(level.at, level.node, level.anchor);
    place(level.at, std::move(level.node));
  }

  void deliver(const YAML::Mark& at, Node node, YAML::anchor_t anchor) {
    spend(at, {1, node.text.size(), 0});
    remember(at, node, anchor);
    place(at, std::move(node));
  }

  // The stored copy is paid for as well, so nested anchors cannot multiply memory.
  void remember(const YAML::Mark& at, const Node& node, YAML::anchor_t anchor) {
    if (anchor == 0) return;
    spend(at, extent(node));
    anchors_[anchor] = node;
  }

  void place(const YAML::Mark& at, Node node) {
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& top = open_.back();
    if (top.node.is_sequence()) {
      top.node.items.push_back(std::move(node));
    } else if (!top.has_key) {
      take_key(at, top, node);
    } else {
      top.has_key = false;
      top.node.entries.push_back({std::move(top.key), top.key_mark, std::move(node)});
    }
  }

  void take_key(const YAML::Mark& at, Open& top, const Node& node) const {
    if (!node.is_scalar()) fail(at, "a key", "text", node.got(), "");
    if (node.text.size() > kMostKeyBytes)
      fail(at, "key " + quote(node.text), "at most " + std::to_string(kMostKeyBytes) + " bytes",
           std::to_string(node.text.size()), "");
    if (node.text == "<<" && !node.quoted)
      fail(at, "key \"<<\"", "no merge keys", "one", "compose files with \"extends:\", or write the keys out");
    if (!top.keys.insert(node.text).second)
      fail(at, "key " + quote(node.text), "once in a map", "a second time", "remove one of the two");
    top.has_key = true;
    top.key = node.text;
    top.key_mark = mark(at);
  }

  std::shared_ptr<const std::string> source_;
  const Mark* fixed_;
  bool has_document_ = false;
  Node root_;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, Node> anchors_;
  std::size_t nodes_ = 0;
  std::size_t bytes_ = 0;
};

// CR LF becomes LF, a byte order mark goes; what no YAML may contain is refused before yaml-cpp guesses an encoding.
std::string clean(std::string_view text, const Builder& builder) {
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  if (text.size() > kMostFileBytes)
    throw Error({builder.mark(YAML::Mark::null_mark()).text(), "",
                 "at most " + std::to_string(kMostFileBytes) + " bytes", std::to_string(text.size()), ""});
  if (text.substr(0, kByteOrderMark.size()) == kByteOrderMark) text.remove_prefix(kByteOrderMark.size());
  std::string out;
  out.reserve(text.size());
  YAML::Mark at;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\r' && i + 1 < text.size() && text[i + 1] == '\n') continue;
    if ((byte < 0x20 && c != '\n' && c != '\t') || byte == 0x7f)
      throw Error({builder.mark(at).text(), "", "text", "the control character " + quote(std::string_view(&c, 1)), ""});
    out += c;
    ++at.column;
    if (c == '\n') {
      ++at.line;
      at.column = 0;
    }
  }
  if (!base::is_valid_utf8(out))
    throw Error({builder.mark(YAML::Mark::null_mark()).text(), "", "UTF-8 text", "other bytes", ""});
  return out;
}

std::string hint_for(const std::string& text, const YAML::Mark& at) {
  std::istringstream lines(text);
  std::string line;
  for (int i = 0; i <= at.line && std::getline(lines, line); ++i) continue;
  if (line.find("${") != std::string::npos) return "put quotes around a value with ${...}";
  for (std::size_t i = 1; i < line.size(); ++i)
    if (line[i] == '[' && std::isalnum(static_cast<unsigned char>(line[i - 1])))
      return "put quotes around a path with [N]";
  const std::size_t first = line.find_first_not_of(' ');
  if (first != std::string::npos && line[first] == '\t') return "indent with spaces, not tabs";
  return {};
}

Node parse(std::string_view raw, std::shared_ptr<const std::string> source, const Mark* fixed) {
  Builder builder(std::move(source), fixed);
  const std::string text = clean(raw, builder);
  std::istringstream stream(text);
  try {
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) continue;
  } catch (const YAML::Exception& error) {
    throw Error({builder.mark(error.mark).text(), "not YAML: " + error.msg, "", "", hint_for(text, error.mark)});
  }
  if (!builder.has_document())
    throw Error({builder.mark(YAML::Mark::null_mark()).text(), "", "a YAML document", "an empty text", ""});
  return builder.take();
}

}  // namespace

Node parse_yaml(std::string_view text, const std::string& source) {
  return parse(text, std::make_shared<const std::string>(source), nullptr);
}

Node parse_yaml_value(std::string_view text, const Mark& mark) { return parse(text, mark.source, &mark); }

namespace {

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

// Text that every YAML reader takes for the same text without quotes. (yaml-cpp ends a plain text in [] or {} at "?".)
bool is_plain(std::string_view text) {
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  constexpr std::string_view kDigits = "0123456789";
  const auto in = [](std::string_view set, char c) { return set.find(c) != std::string_view::npos; };
  if (text.empty()) return false;
  if (base::to_number(text)) return true;
  if (!in(kLetters, text[0]) && !in(kDigits, text[0]) && !in("_./", text[0])) return false;
  return std::all_of(text.begin(), text.end(),
                     [&](char c) { return in(kLetters, c) || in(kDigits, c) || in("_./+()*-", c); });
}

// A text that would read as something else without its quotes.
bool reads_otherwise(std::string_view text) { return base::to_number(text) || is_one_of(text, {"true", "false"}); }

std::string in_quotes(std::string_view text, bool escape_variables) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      out += "\\x";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      if (escape_variables && c == '$' && i + 1 < text.size() && text[i + 1] == '{') out += '$';
      out += c;
    }
  }
  return out + "\"";
}

std::string key_text(const std::string& key) {
  const bool plain = is_plain(key) && !is_one_of(key, {"null", "Null", "NULL", "yes", "no", "on", "off"});
  return plain ? key : in_quotes(key, false);
}

std::string scalar_text(const Node& node) {
  const bool quotes = !is_plain(node.text) || is_one_of(node.text, {"null", "Null", "NULL"}) ||
                      (node.quoted && reads_otherwise(node.text));
  return quotes ? in_quotes(node.text, true) : node.text;
}

void write_block(const Node& node, std::size_t indent, std::string& out) {
  constexpr std::size_t kWidth = 110;
  if (node.is_sequence()) {
    for (const Node& item : node.items) out += std::string(indent, ' ') + "- " + to_flow(item) + "\n";
    return;
  }
  for (const Entry& entry : node.entries) {
    const std::string start = std::string(indent, ' ') + key_text(entry.key) + ":";
    const std::string flow = to_flow(entry.value);
    const bool nested = (entry.value.is_map() && !entry.value.entries.empty()) ||
                        (entry.value.is_sequence() && !entry.value.items.empty());
    if (!nested || start.size() + 1 + flow.size() <= kWidth) {
      out += start + " " + flow + "\n";
    } else {
      out += start + "\n";
      write_block(entry.value, indent + 2, out);
    }
  }
}

}  // namespace

std::string to_flow(const Node& node) {
  std::string out;
  switch (node.kind) {
    case Node::Kind::null:
      return "~";
    case Node::Kind::scalar:
      return scalar_text(node);
    case Node::Kind::sequence:
      for (const Node& item : node.items) out += (out.empty() ? "" : ", ") + to_flow(item);
      return "[" + out + "]";
    case Node::Kind::map:
      for (const Entry& entry : node.entries)
        out += (out.empty() ? "" : ", ") + key_text(entry.key) + ": " + to_flow(entry.value);
      return "{" + out + "}";
  }
  return out;
}

std::string to_block(const Node& node) {
  if (!node.is_map() && !node.is_sequence()) return to_flow(node) + "\n";
  std::string out;
  write_block(node, 0, out);
  return out;
}

}  // namespace initlab::spec
