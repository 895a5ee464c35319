// `initlab report` as a user runs it, on generated run files: what is written, and what is refused without writing.
#include <gtest/gtest.h>

#include "../integration/program.hpp"

namespace initlab::integration {
namespace {

class ReportProgram : public ProgramTest {
 protected:
  std::string runs() const { return (folder_ / "runs").string(); }
  fs::path page() const { return folder_ / "report.html"; }
  void generate(const std::vector<std::string>& options) const {
    std::vector<std::string> words{initlab::paths::binary_dir() + "/tests/generate_runs", runs()};
    words.insert(words.end(), options.begin(), options.end());
    ASSERT_EQ(command(words).code, 0);
  }
  Said report(std::vector<std::string> more = {}) const {
    more.insert(more.begin(), {"report", runs(), "--out", page().string()});
    return initlab(more);
  }
  // Exit code 2 with those words, and no page.
  void expect_refused(const Said& said, const std::string& words) const {
    EXPECT_EQ(said.code, 2) << said.out << said.err;
    EXPECT_NE(said.err.find(words), std::string::npos) << said.err;
    EXPECT_FALSE(fs::exists(page()));
  }
};

TEST_F(ReportProgram, WritesOnePageWithItsCommand) {
  generate({"32", "50"});
  const Said said = report({"--threshold", "0.7"});
  ASSERT_EQ(said.code, 0) << said.err;
  EXPECT_NE(said.out.find("1 experiment, 32 runs"), std::string::npos) << said.out;
  const std::string text = slurp(page());
  EXPECT_NE(text.find("<h2 id=\"e1-title\">generated</h2>"), std::string::npos);
  EXPECT_NE(text.find("initlab report " + runs() + " --out " + page().string() + " --threshold 0.7"),
            std::string::npos);
  EXPECT_NE(text.find("runs that have reached accuracy 0.7"), std::string::npos);
  EXPECT_NE(text.find("the loss is not a number"), std::string::npos) << "the failed run's reason";
}

TEST_F(ReportProgram, NamesWhatItLeavesOut) {
  generate({"32", "50"});
  write(folder_ / "runs" / "damaged.h5", "no HDF5");
  ASSERT_EQ(report().code, 0);
  const std::string text = slurp(page());
  EXPECT_NE(text.find("Left out"), std::string::npos);
  EXPECT_NE(text.find("damaged.h5"), std::string::npos);
}

TEST_F(ReportProgram, RefusesWhatCannotBeReported) {
  expect_refused(report(), "runs: expected a run file or a folder of them");
  fs::create_directories(runs());
  expect_refused(report(), "expected run files (*.h5), got none");
  generate({"8", "20"});
  expect_refused(report({"--experiment", "genrated"}), "did you mean \"generated\"?");
  expect_refused(report({"--metric", "acuracy"}), "did you mean \"accuracy\"?");
  expect_refused(initlab({"report", runs(), "--out", (folder_ / "x.h5").string()}), "a name that does not end in .h5");
  expect_refused(initlab({"report", runs(), "--out", folder_.string()}), "a folder");
  EXPECT_FALSE(fs::exists(folder_ / "x.h5"));
}

TEST_F(ReportProgram, SaysWhereGnuplotComesFromWhereItIsAbsent) {
  generate({"8", "20"});
  expect_refused(command({"env", "PATH=" + folder_.string(), program(), "report", runs(), "--out", page().string(),
                          "--figures", (folder_ / "figures").string()}),
                 "Debian has it as gnuplot-nox");
  EXPECT_FALSE(fs::exists(folder_ / "figures"));
}

TEST_F(ReportProgram, DrawsEachFigureForAPaper) {
  if (command({"gnuplot", "--version"}).code != 0) GTEST_SKIP() << "skipped: no gnuplot (Debian: gnuplot-nox)";
  generate({"64", "50", "--hostile"});
  const Said said = report({"--figures", (folder_ / "figures").string()});
  ASSERT_EQ(said.code, 0) << said.err;
  EXPECT_EQ(said.err.find("error"), std::string::npos) << said.err;
  std::size_t figures = 0;
  for (const auto& entry : fs::directory_iterator(folder_ / "figures")) {
    if (entry.path().extension() != ".gp") {
      EXPECT_TRUE(entry.path().extension() == ".svg" || entry.path().extension() == ".pdf") << entry.path();
      continue;
    }
    ++figures;
    fs::path picture = entry.path();
    const std::string svg = slurp(picture.replace_extension(".svg")), pdf = slurp(picture.replace_extension(".pdf"));
    EXPECT_NE(svg.find("</svg>"), std::string::npos) << picture;
    EXPECT_EQ(pdf.substr(0, 5), "%PDF-") << picture;
  }
  EXPECT_GT(figures, 20U);
  const std::string metric = slurp(folder_ / "figures" / "1-1-metric.svg");
  EXPECT_NE(metric.find("`touch broken`"), std::string::npos) << "the name, not what it would run";
}

}  // namespace
}  // namespace initlab::integration
