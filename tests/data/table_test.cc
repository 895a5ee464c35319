// Tables: what is tolerated, what is an error, and the texts of the errors.
#include "data/table.hpp"

#include <gtest/gtest.h>

#include "error_of.hpp"

namespace initlab::data {
namespace {

const std::string kStsbHeader =
    "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore\n";

std::vector<Row> parse(const std::string& task, const std::string& bytes) {
  return parse_table(bytes, table_format(task), "train.tsv");
}

std::string error_of(const std::string& task, const std::string& bytes) {
  return initlab::error_of([&] { parse(task, bytes); });
}

TEST(Table, EveryFormatReadsItsColumns) {
  EXPECT_EQ(parse("cola", "gj04\t0\t*\tThey drank the pub.\n")[0].first, "They drank the pub.");
  EXPECT_EQ(parse("cola", "gj04\t1\t\tYes.\n")[0].label, 1);
  EXPECT_EQ(parse("sst2", "sentence\tlabel\na fine film \t1\n")[0].first, "a fine film");
  const Row mrpc = parse("mrpc", "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n1\t7\t8\tFirst.\tSecond.\n")[0];
  EXPECT_EQ(mrpc.first + mrpc.second, "First.Second.");
  EXPECT_EQ(mrpc.label, 1);
  const Row stsb = parse("stsb", kStsbHeader + "0\tg\tf\ty\t0001\tnone\tnone\tA plane.\tAn air plane.\t3.800\n")[0];
  EXPECT_EQ(stsb.first + stsb.second, "A plane.An air plane.");
  EXPECT_FLOAT_EQ(stsb.target, 3.8F);
  const auto rte = parse("rte", "index\tsentence1\tsentence2\tlabel\n0\ta\tb\tentailment\n1\tc\td\tnot_entailment\n");
  EXPECT_EQ(rte[0].label, 0);
  EXPECT_EQ(rte[1].label, 1);
  EXPECT_EQ(rte[1].first + rte[1].second, "cd");
}

TEST(Table, MarkCrlfQuotesBlankEndAndAnOpenEndAreTolerated) {
  const auto rows = parse("sst2", "\xEF\xBB\xBFsentence\tlabel\r\n\"unbalanced\t1\r\nlast, \"open\t0");
  EXPECT_EQ(parse("sst2", "sentence\tlabel\na\t1\n\r\n\n").size(), 1U);
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].first, "\"unbalanced");
  EXPECT_EQ(rows[0].label, 1);
  EXPECT_EQ(rows[1].first, "last, \"open");
  EXPECT_EQ(rows[1].label, 0);
}

TEST(Table, WrongNumberOfColumns) {
  EXPECT_EQ(error_of("cola", "gj04\t1\t\tGood.\ngj04\t1\tBad.\n"),
            "train.tsv:2: expected 4 columns separated by tabs, got 3\n"
            "  hint: the columns of cola are source, label, mark, sentence");
  EXPECT_NE(error_of("sst2", "sentence\tlabel\na\tb\t1\n").find("train.tsv:2: expected 2 columns"), std::string::npos);
}

TEST(Table, LineNumbersCountTheHeader) {
  EXPECT_EQ(error_of("sst2", "sentence\tlabel\na\t0\nb\t2\n"), "train.tsv:3: label: expected 0 or 1, got \"2\"");
}

TEST(Table, BlankLineAmongExamples) {
  EXPECT_EQ(error_of("sst2", "sentence\tlabel\na\t0\n\nb\t1\n"),
            "train.tsv:3: expected an example on every line up to the last, got a blank line\n"
            "  hint: was a line lost? remove the blank one, or fetch the file again");
}

TEST(Table, LabelOutOfRange) {
  EXPECT_EQ(error_of("cola", "gj04\t-1\t\tx\n"), "train.tsv:1: label: expected 0 or 1, got \"-1\"");
  EXPECT_EQ(error_of("cola", "gj04\t\t\tx\n"), "train.tsv:1: label: expected 0 or 1, got \"\"");
  EXPECT_EQ(error_of("rte", "index\tsentence1\tsentence2\tlabel\n0\ta\tb\tneutral\n"),
            "train.tsv:2: label: expected entailment or not_entailment, got \"neutral\"");
}

TEST(Table, ScoreThatIsNoNumber) {
  const std::string row = "0\tg\tf\ty\to\ts\ts\ta\tb\t";
  EXPECT_EQ(error_of("stsb", kStsbHeader + row + "high\n"),
            "train.tsv:2: score: expected a number from 0 to 5, got \"high\"");
  for (const char* bad : {"5.1", "-0.5", "nan", "inf", "1e999", "", "3 "})
    EXPECT_NE(error_of("stsb", kStsbHeader + row + bad + "\n").find("score: expected a number from 0 to 5"),
              std::string::npos)
        << bad;
}

TEST(Table, HeaderThatIsMissing) {
  EXPECT_EQ(error_of("sst2", "a fine film\t1\nanother\t0\n"),
            "train.tsv:1: header, column 1: expected \"sentence\", got \"a fine film\"\n"
            "  hint: the first line of a sst2 file names its columns");
}

TEST(Table, NoExamples) {
  const std::string expected =
      "train.tsv: examples: expected at least one, got none\n  hint: the file is empty or holds a header alone";
  EXPECT_EQ(error_of("cola", ""), expected);
  EXPECT_EQ(error_of("sst2", "sentence\tlabel\n"), expected);
  EXPECT_EQ(error_of("sst2", "\xEF\xBB\xBF"), expected);
}

TEST(Table, NotUtf8) {
  EXPECT_EQ(error_of("cola", "gj04\t1\t\tcaf\xE9\n"),
            "train.tsv:1: text: expected UTF-8, got bytes that are not\n  hint: convert the file to UTF-8");
}

TEST(Table, HostileBytesAreErrorsOrRows) {
  EXPECT_NE(error_of("cola", std::string(1 << 20, '\t')).find("expected 4 columns"), std::string::npos);
  EXPECT_NE(error_of("cola", std::string(1 << 20, 'x')).find("got 1\n"), std::string::npos);
  EXPECT_EQ(parse("cola", std::string("a\t1\t\tx\0y\n", 9))[0].first, std::string("x\0y", 3));
}

TEST(Table, WrittenExamplesReadBack) {
  const std::vector<LabelledText> examples = {{"a b", "c", 1}, {"d", "e f", 0}};
  const auto rows = parse("entailment", table_text(examples, table_format("entailment")));
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].first + "|" + rows[0].second, "a b|c");
  EXPECT_EQ(rows[0].label, 1);
  EXPECT_EQ(rows[1].first + "|" + rows[1].second, "d|e f");
  EXPECT_EQ(rows[1].label, 0);
  EXPECT_EQ(table_text({{"x", "", 1}}, table_format("sentiment")), "sentence\tlabel\nx\t1\n");
}

}  // namespace
}  // namespace initlab::data
