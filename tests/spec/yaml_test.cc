// YAML text -> Node: values keep their place, and hostile text is refused before it costs anything.
#include "spec/yaml.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <functional>

#include "spec/support.hpp"

namespace initlab::spec {
namespace {

std::string repeat(const std::string& text, std::size_t times) {
  std::string out;
  for (std::size_t i = 0; i < times; ++i) out += text;
  return out;
}

TEST(Yaml, ValuesKeepKindQuotesOrderAndPlace) {
  const Node root = parse_yaml("b: [1, '2']\na: {c: ~, d: \"x\\ty\"}\n", "f.yaml");
  ASSERT_TRUE(root.is_map());
  ASSERT_EQ(root.entries.size(), 2u);
  EXPECT_EQ(root.entries[0].key, "b");
  EXPECT_EQ(root.entries[1].mark.text(), "f.yaml:2:1");
  const Node& list = root.entries[0].value;
  ASSERT_TRUE(list.is_sequence());
  EXPECT_FALSE(list.items[0].quoted);
  EXPECT_TRUE(list.items[1].quoted);
  EXPECT_EQ(list.items[1].mark.text(), "f.yaml:1:8");
  EXPECT_TRUE(root.find("a")->find("c")->is_null());
  EXPECT_EQ(root.find("a")->find("d")->text, "x\ty");
}

TEST(Yaml, AliasIsACopyWithThePlaceOfItsAnchor) {
  const Node root = parse_yaml("a: &x {k: 1}\nb: *x\n", "f.yaml");
  EXPECT_EQ(root.find("b")->find("k")->text, "1");
  EXPECT_EQ(root.find("b")->find("k")->mark.text(), "f.yaml:1:11");
}

TEST(Yaml, WindowsLineEndsAndByteOrderMarkChangeNothing) {
  const Node plain = parse_yaml("a: 1\nb: x\n", "f.yaml");
  const Node windows = parse_yaml(
      "\xef\xbb\xbf"
      "a: 1\r\nb: x\r\n",
      "f.yaml");
  EXPECT_EQ(to_flow(plain), to_flow(windows));
  EXPECT_EQ(windows.find("b")->mark.text(), "f.yaml:2:4");
}

bool same(const Node& a, const Node& b) {
  if (a.kind != b.kind || a.text != b.text || a.items.size() != b.items.size() || a.entries.size() != b.entries.size())
    return false;
  for (std::size_t i = 0; i < a.items.size(); ++i)
    if (!same(a.items[i], b.items[i])) return false;
  for (std::size_t i = 0; i < a.entries.size(); ++i)
    if (a.entries[i].key != b.entries[i].key || !same(a.entries[i].value, b.entries[i].value)) return false;
  return true;
}

TEST(Yaml, WhatIsWrittenReadsBackTheSame) {
  const std::vector<std::string> texts = {
      "plain", "two words", "a: b",     "# no comment", "- x", "5",   "1e-5", "true", "null", "~",  "",  "\"q\"", "'",
      "a\nb",  "\t",        "\x01\x7f", "{x}",          "[x",  "&a",  "*a",   "!t",   "%x",   "@x", "`", "m?n",   "a,b",
      "-5",    "-",         "--- x",    "...",          "\\",  "é€😀", "$ {",  "<<",   "=",    "|"};
  for (const std::string& text : texts) {
    for (const bool quoted : {true, false}) {
      Node scalar = make_scalar(text, {});
      scalar.quoted = quoted;
      Node root = make_map({});
      root.entries.push_back({"k " + text, {}, scalar});
      Node list;
      list.kind = Node::Kind::sequence;
      list.items = {scalar, scalar, Node{}, root};
      root.entries.push_back({"list", {}, list});
      EXPECT_TRUE(same(parse_yaml(to_flow(root), "f"), root)) << to_flow(root);
      EXPECT_TRUE(same(parse_yaml(to_block(root), "f"), root)) << to_block(root);
    }
  }
}

TEST(Yaml, QuotedNumberStaysText) {
  const Node root = parse_yaml("{a: '5', b: 5, c: 'true', d: 'word'}", "f.yaml");
  EXPECT_EQ(to_flow(root), "{a: \"5\", b: 5, c: \"true\", d: word}");
}

struct Hostile {
  const char* name;
  std::string text;
  const char* error;  // the start of the message
};

TEST(Yaml, HostileTextIsRefusedQuickly) {
  const std::size_t n = kMostFileBytes;
  std::string laughs = "a: &a [x, x, x, x, x, x, x, x, x]\n";
  for (char c = 'b'; c < 'p'; ++c) {
    const std::string one = "*" + std::string(1, static_cast<char>(c - 1)) + " ";
    laughs += std::string(1, c) + ": &" + c + " [" + repeat(one + ",", 8) + one + "]\n";
  }
  std::string deep_alias = "a0: &a0 " + repeat("[", 40) + repeat("]", 40) + "\n";
  deep_alias += "a1: " + repeat("[", 40) + "*a0" + repeat("]", 40);
  const std::vector<Hostile> cases = {
      {"alias bomb", laughs, "h:5:"},
      {"alias of long text", "a: &a \"" + std::string(60'000, 'x') + "\"\nb: [" + repeat("*a,", 1000) + "]", "h:2:"},
      {"nested anchors", repeat("&a [", 60) + repeat("1,", 90'000) + repeat("]", 60), "h:1:"},
      {"alias of itself", "a: &a [*a]", "h:1:8: expected an alias of a finished value"},
      {"deep through aliases", deep_alias, "h:2:45: expected lists and maps nested at most 64 deep"},
      {"deep lists", repeat("[", n), "h:1:"},
      {"deep maps", repeat("{a: ", n / 4), "h:1:"},
      {"deep blocks", repeat("- ", n / 2), "h:1:129: expected lists and maps nested at most 64 deep"},
      {"deep keys", repeat("? ", n / 2), "h:1:129: expected lists and maps"},
      {"long text", "a: " + std::string(n - 3, 'x'), "h:1:4: expected a text of at most 65536 bytes, got 1048573"},
      {"long block text", "a: |\n" + repeat("  x\n", n / 5), "h:1:4: expected a text of at most 65536 bytes"},
      {"long key", std::string(500, 'k') + ": 1", "h:1:1: key \"kkk"},
      {"many values", "[" + repeat("1,", n / 2 - 1) + "]", "h:1:200000: expected at most 100000 values"},
      {"too many bytes", std::string(n + 1, ' '), "h:1:1: expected at most 1048576 bytes, got 1048577"},
      {"no document", repeat("# x\n", n / 4), "h:1:1: expected a YAML document, got an empty text"},
      {"empty", "", "h:1:1: expected a YAML document, got an empty text"},
      {"two documents", "a: 1\n---\nb: 2\n", "h:2:1: expected one YAML document, got a second one"},
      {"NUL byte", std::string("a: \0b", 5), "h:1:4: expected text, got the control character \"\\x00\""},
      {"UTF-16",
       std::string("\xff\xfe"
                   "a\0:\0",
                   6),
       "h:1:4: expected text, got the control character"},
      {"not UTF-8", "a: \xff\xfe", "h:1:1: expected UTF-8 text, got other bytes"},
      {"carriage return", "a: 1\rb: 2", "h:1:5: expected text, got the control character \"\\x0d\""},
      {"tag", "a: !!int 5", "h:1:4: expected a value without a tag, got \"tag:yaml.org,2002:int\""},
      {"own tag", "a: !x {b: 1}", "h:1:4: expected a value without a tag, got \"!x\""},
      {"duplicate key", "a: 1\nb: 2\na: 3", "h:3:1: key \"a\": expected once in a map, got a second time"},
      {"duplicate key, quoted", "{a: 1, \"a\": 2}", "h:1:8: key \"a\": expected once in a map, got a second time"},
      {"duplicate key, inside", "x: [{a: 1, a: 2}]", "h:1:12: key \"a\": expected once in a map"},
      {"list as key", "? [a]\n: 1", "h:1:3: a key: expected text, got a list"},
      {"null as key", "~: 1", "h:1:1: a key: expected text, got nothing"},
      {"merge key", "a: &a {x: 1}\nb: {<<: *a}", "h:2:5: key \"<<\": expected no merge keys, got one"},
      {"unknown alias", "a: *b", "h:1:4: not YAML: the referenced anchor is not defined"},
      {"open list", "a: [1, 2", "h:1:1: not YAML: end of sequence flow not found"},
      {"open text", "a: \"x", "h:1:6: not YAML: illegal EOF in scalar"},
      {"bad indent", "a: 1\n  b: 2", "h:2:4: not YAML: illegal map value"},
  };
  for (const Hostile& hostile : cases) {
    SCOPED_TRACE(hostile.name);
    const auto start = std::chrono::steady_clock::now();
    const std::string error = error_of([&] { parse_yaml(hostile.text, "h"); });
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    EXPECT_EQ(error.substr(0, std::string(hostile.error).size()), hostile.error);
    EXPECT_LT(error.size(), 500u);
    EXPECT_LT(took.count(), 5.0);  // measured: below 0.4 s; the rest is for a busy machine
  }
}

TEST(Yaml, ErrorsGiveHints) {
  EXPECT_EQ(error_of([] { parse_yaml("model: {checkpoint: ${HOME}/x}\n", "f"); }),
            "f:1:22: not YAML: end of map flow not found\n  hint: put quotes around a value with ${...}");
  EXPECT_EQ(error_of([] { parse_yaml("a:\n\tb: 1\n", "f"); }),
            "f:2:3: not YAML: illegal map value\n  hint: indent with spaces, not tabs");
}

TEST(Yaml, AtTheBoundsItStillReads) {
  EXPECT_EQ(parse_yaml(repeat("[", 64) + repeat("]", 64), "f").kind, Node::Kind::sequence);
  EXPECT_EQ(parse_yaml("a: " + std::string(kMostScalarBytes, 'x'), "f").find("a")->text.size(), kMostScalarBytes);
  EXPECT_EQ(parse_yaml(std::string(kMostKeyBytes, 'k') + ": 1", "f").entries.size(), 1u);
  EXPECT_EQ(parse_yaml("[" + repeat("1,", kMostNodes - 1) + "]", "f").items.size(), kMostNodes - 1);
}

}  // namespace
}  // namespace initlab::spec
