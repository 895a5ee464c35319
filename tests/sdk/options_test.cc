// Options are read whole or refused with the key and the text.
#include "sdk/options.hpp"

#include <gtest/gtest.h>

namespace initlab::sdk {
namespace {

struct Options {
  double stddev = 0.02;
  std::int64_t steps = 3;
  bool flag = false;
  std::string name = "x";
  std::optional<double> needed;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("stddev", self.stddev, "a width", positive());
    visit("steps", self.steps, "a count", between(1, 12));
    visit("flag", self.flag, "yes or no");
    visit("name", self.name, "a word");
    visit("needed", self.needed, "the value");
  }
};

Options read(std::vector<il_option> given) { return parse_options<Options>(given); }

std::string refusal(std::vector<il_option> given) {
  try {
    read(std::move(given));
  } catch (const Refusal& fault) {
    return fault.what();
  }
  return "accepted";
}

TEST(Options, ReadsEveryTypeAndKeepsDefaults) {
  const Options o = read({{"needed", "-1.5e-3"}, {"steps", "12"}, {"flag", "true"}, {"name", ""}});
  EXPECT_EQ(o.stddev, 0.02);
  EXPECT_EQ(o.steps, 12);
  EXPECT_TRUE(o.flag);
  EXPECT_EQ(o.name, "");
  EXPECT_EQ(o.needed, -1.5e-3);
}

TEST(Options, RefusalsNameTheKeyAndSayWhatWasExpected) {
  EXPECT_EQ(refusal({{"needed", "1"}, {"sttdev", "1"}}),
            "unknown option \"sttdev\" (known: stddev, steps, flag, name, needed)");
  EXPECT_EQ(refusal({}), "option \"needed\" must be given: the value");
  EXPECT_EQ(refusal({{"needed", "1"}, {"needed", "1"}}), "option \"needed\" is given twice");
  EXPECT_EQ(refusal({{"needed", "1"}, {"stddev", "fast"}}),
            "option \"stddev\": expected a number above 0, got \"fast\"");
  EXPECT_EQ(refusal({{"needed", "1"}, {"stddev", "0"}}), "option \"stddev\": expected a number above 0, got \"0\"");
  EXPECT_EQ(refusal({{"needed", "1"}, {"steps", "13"}}),
            "option \"steps\": expected an integer from 1 to 12, got \"13\"");
  EXPECT_EQ(refusal({{"needed", "1"}, {"steps", "2.0"}}),
            "option \"steps\": expected an integer from 1 to 12, got \"2.0\"");
  EXPECT_EQ(refusal({{"needed", "1"}, {"flag", "yes"}}), "option \"flag\": expected true or false, got \"yes\"");
}

TEST(Options, ANumberIsReadWholeOrNotAtAll) {
  for (const char* text : {"", " 1", "1 ", "1x", "010", "0x10", "nan", "inf", "-inf", "1e999", "+1", "--1", "e5", "\n"})
    EXPECT_NE(refusal({{"needed", text}}).find("option \"needed\": expected a number, got"), std::string::npos) << text;
  EXPECT_EQ(read({{"needed", "1e-5"}}).needed, 1e-5);
  EXPECT_EQ(read({{"needed", "0.5"}}).needed, 0.5);
  EXPECT_EQ(read({{"needed", "-0"}}).needed, 0.0);
}

TEST(Options, DeclaredListHasDefaultsThatReadBack) {
  const OptionList<Options> list;
  ASSERT_EQ(list.size(), 5u);
  EXPECT_STREQ(list.data()[0].default_value, "0.02");
  EXPECT_STREQ(list.data()[0].type, "number");
  EXPECT_STREQ(list.data()[1].type, "integer");
  EXPECT_STREQ(list.data()[2].default_value, "false");
  EXPECT_STREQ(list.data()[3].type, "text");
  EXPECT_EQ(list.data()[4].default_value, nullptr);
}

TEST(Options, AStrategyWithoutOptionsRefusesAnyOption) {
  const std::vector<il_option> given = {{"stddev", "1"}};
  try {
    parse_options<NoOptions>(given);
    FAIL();
  } catch (const Refusal& fault) {
    EXPECT_STREQ(fault.what(), "unknown option \"stddev\" (there are none)");
  }
}

}  // namespace
}  // namespace initlab::sdk
