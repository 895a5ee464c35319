// Strict numbers, suggestions, patterns, messages.
#include "base/text.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/error.hpp"
#include "base/hash.hpp"
#include "base/json.hpp"

namespace initlab::base {
namespace {

TEST(Number, WholeTextOrNothing) {
  EXPECT_EQ(to_integer("42"), 42);
  EXPECT_EQ(to_integer("-1"), -1);
  EXPECT_EQ(to_number("1e-5"), 1e-5);
  EXPECT_EQ(to_number("5"), 5.0);
  EXPECT_EQ(to_number(".5"), 0.5);
  for (const char* bad :
       {"", "010", "0x10", "twelve", "1 ", " 1", "1e", "--1", "+1", "inf", "nan", "1e999", "9223372036854775808"})
    EXPECT_FALSE(to_integer(bad)) << bad;
  for (const char* bad : {"", "010", "0x10", "twelve", "1 ", "1e", "inf", "nan", ".inf", "1e999", "-", "1,5"})
    EXPECT_FALSE(to_number(bad)) << bad;
  EXPECT_FALSE(to_integer("3.0"));
}

TEST(NumberText, ReadsBackToTheSameDouble) {
  for (const double x : {0.1, 1.0 / 3, 5e-5, 1e300, -2.5, 0.0}) EXPECT_EQ(to_number(number_text(x)), x);
}

TEST(NumberText, NotANumberHasNoSign) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const double x : {nan, std::copysign(nan, -1.0)}) {
    EXPECT_EQ(number_text(x), "nan");
    EXPECT_EQ(fixed(x, 4), "nan");
  }
}

TEST(Suggestion, NearestOrTheList) {
  const std::vector<std::string> keys = {"learning_rate", "weight_decay", "name"};
  EXPECT_EQ(closest("learning_rat", keys), "learning_rate");
  EXPECT_EQ(closest("naem", keys), "name");
  EXPECT_EQ(closest("zzz", keys), "");
  EXPECT_EQ(did_you_mean("zzz", keys), "one of learning_rate, weight_decay, name");
  EXPECT_EQ(did_you_mean("wieght_decay", keys), "did you mean \"weight_decay\"?");
}

TEST(Glob, WholeNameMustMatch) {
  EXPECT_TRUE(glob_match("bert.encoder.*.weight", "bert.encoder.layer.0.output.dense.weight"));
  EXPECT_TRUE(glob_match("*", ""));
  EXPECT_TRUE(glob_match("a?c", "abc"));
  EXPECT_TRUE(glob_match("*a*b", "xxaxxbxxab"));
  EXPECT_FALSE(glob_match("bert", "bert.x"));
  EXPECT_FALSE(glob_match("a?c", "ac"));
}

TEST(Quote, EscapesAndCuts) {
  EXPECT_EQ(quote("a\"b\n"), "\"a\\\"b\\x0a\"");
  EXPECT_EQ(quote(std::string(200, 'x')).size(), 80u + 2 + 3);
}

TEST(Utf8, AcceptsOnlyWellFormed) {
  EXPECT_TRUE(is_valid_utf8("caf\xc3\xa9 \xe4\xb8\xad \xf0\x9f\x98\x80"));
  for (const char* bad : {"\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\xe0\x80\x80", "\xff"})
    EXPECT_FALSE(is_valid_utf8(bad));
}

TEST(Error, SaysPlaceExpectedGotHint) {
  const Error error({"x.yaml:3:5", "training.batch", "an integer", "\"fast\"", "try 32"});
  EXPECT_STREQ(error.what(), "x.yaml:3:5: training.batch: expected an integer, got \"fast\"\n  hint: try 32");
  EXPECT_STREQ(Error({"", "no runs", "", "", ""}).at("results").what(), "results: no runs");
}

TEST(Json, RefusesDuplicatesAndDepth) {
  EXPECT_EQ(json_text(parse_json(R"({"b":1,"a":[true,null]})", "x")), R"({"b":1,"a":[true,null]})");
  EXPECT_THROW(parse_json(R"({"a":1,"a":2})", "x"), Error);
  EXPECT_THROW(parse_json(std::string(1000, '['), "x"), Error);
  EXPECT_THROW(parse_json(std::string(100, '[') + std::string(100, ']'), "x"), Error);
  EXPECT_THROW(parse_json("{", "x"), Error);
}

TEST(Sha256, KnownAnswers) {  // FIPS 180-2
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

}  // namespace
}  // namespace initlab::base
