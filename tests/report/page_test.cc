// The page itself: nothing of a run file gets out of where it stands, and nothing is asked of a network.
#include "report/page.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <regex>

#include "../compare/runs.hpp"
#include "base/hash.hpp"
#include "base/json.hpp"
#include "report/markup.hpp"

namespace initlab::report {
namespace {

const std::string kHostile = "</script><script>alert(1)</script><img src=x onerror='alert(2)'>\" & ]]>";

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++n;
  return n;
}

// A page whose every text from a run is hostile.
Page hostile_page() {
  std::vector<record::Run> runs = initlab::testing::eight_pairs();
  for (record::Run& run : runs) {
    run.header.experiment = kHostile;
    run.header.arm += kHostile;
    run.header.baseline = "pretrained" + kHostile;
    run.header.settings = base::json_text(base::Json{{kHostile, kHostile}});
    run.header.command = kHostile;
    run.header.spec = kHostile;
    run.header.cpu = kHostile;
    run.header.checkpoint = kHostile;
    run.header.plugins = {{kHostile, kHostile, kHostile, kHostile}};
    run.file += kHostile;
    run.diagnostics.layers.push_back({.step = 0, .layer = 0, .stddev = 1});
    record::InitRecord tensor;
    tensor.name = tensor.rule = tensor.strategy = tensor.options = tensor.source_key = tensor.sha256 = kHostile;
    run.init = {tensor};
  }
  runs[2].state = record::State::failed;
  runs[2].reason = kHostile;
  Study study;
  study.comparison = compare::compare(runs, {});
  for (record::Run& run : runs) {
    Observed seen = thin(run);
    seen.findings = seen.explanation = {kHostile};
    study.observed.emplace(run.file, std::move(seen));
  }
  study.runs = std::move(runs);
  return {kHostile, kHostile, kHostile, kHostile, {chapter(study, 1, 0)}, {kHostile}};
}

TEST(Page, TextFromRunFilesStaysText) {
  const std::string text = html(hostile_page());
  EXPECT_EQ(count(text, "alert(1)</script>"), 0U);
  EXPECT_EQ(count(text, "<img"), 0U);
  EXPECT_EQ(count(text, "<script>"), 2U) << "the library's and ours";
  EXPECT_EQ(count(text, "<script"), 2 + count(text, "<script type=\"application/json\">"));
  EXPECT_EQ(count(text, "<script"), count(text, "</script>"));
  EXPECT_GT(count(text, "&lt;/script&gt;&lt;script&gt;alert(1)"), 20U) << "and it is shown";
}

TEST(Page, FigureDataAreJson) {
  const std::string text = html(hostile_page());
  const std::string open = "<script type=\"application/json\">";
  std::size_t seen = 0;
  for (std::size_t at = text.find(open); at != std::string::npos; at = text.find(open, at + 1)) {
    const std::size_t from = at + open.size();
    const base::Json data = base::parse_json(text.substr(from, text.find("</script>", from) - from), "figure");
    ASSERT_FALSE(data.at("series").empty());
    const std::string name = data.at("series").at(0).at("name");
    EXPECT_NE(name.find(kHostile), std::string::npos);
    ++seen;
  }
  EXPECT_GE(seen, 3U);
}

TEST(Page, AsksNoNetworkAndItsPolicyForbidsIt) {
  const std::string text = html(hostile_page());
  EXPECT_NE(text.find("default-src 'none'"), std::string::npos);
  EXPECT_EQ(count(text, "'unsafe-"), 1U) << "the library sets styles; scripts are named by their hashes";
  EXPECT_NE(text.find("style-src 'unsafe-inline'; script-src 'sha256-"), std::string::npos);
  EXPECT_EQ(text.find("sourceMappingURL"), std::string::npos);
  EXPECT_EQ(text.find("@import"), std::string::npos);
  // What could load something: only anchors into the page, and data that stand in it.
  const std::regex address("(?:src|href|srcset|action|data)=\"([^\"]*)\"");
  for (std::sregex_iterator it(text.begin(), text.end(), address), end; it != end; ++it)
    EXPECT_TRUE((*it)[1].str().starts_with("#") || (*it)[1].str().starts_with("data:")) << it->str();
}

// Each of the page's own scripts is allowed by its hash, and no other.
TEST(Page, PolicyNamesTheHashesOfItsScripts) {
  const std::string text = html(hostile_page());
  const std::string open = "<script>";
  std::size_t seen = 0;
  for (std::size_t at = text.find(open); at != std::string::npos; at = text.find(open, at + 1)) {
    const std::size_t from = at + open.size();
    const std::string body = text.substr(from, text.find("</script>", from) - from);
    EXPECT_NE(text.find("'sha256-" + base::sha256_base64(body) + "'"), std::string::npos);
    ++seen;
  }
  EXPECT_EQ(seen, 2U);
}

TEST(Page, HasNoPlaceholderLeftAndFillsNoneOfOthers) {
  Page page = hostile_page();
  page.title = "{{js}}";
  const std::string text = html(page);
  EXPECT_NE(text.find("<title>{{js}}</title>"), std::string::npos);
  EXPECT_EQ(text.find("{{chapters}}"), std::string::npos);
}

TEST(Escaping, MakesMarkupTextAndHidesWhatMisleads) {
  EXPECT_EQ(escaped("<a href=\"x\">'&'</a>"), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;");
  EXPECT_EQ(escaped("größe 乱数"), "größe 乱数");
  EXPECT_EQ(escaped("a\tb\nc"), "a\tb\nc");
  EXPECT_EQ(escaped(std::string("a\0b\x1b", 4)),
            "a\xef\xbf\xbd"
            "b\xef\xbf\xbd");
  EXPECT_EQ(escaped("\xff<\xe2\x80"), "\xef\xbf\xbd&lt;\xef\xbf\xbd\xef\xbf\xbd");
  EXPECT_EQ(escaped("\xe2\x80\xae"
                    "abc"),
            "\xef\xbf\xbd"
            "abc");
}

TEST(Markup, TicksAreRoundAndWithin) {
  EXPECT_EQ(ticks({0, 1}, 5), (std::vector<double>{0, 0.2, 0.4, 0.6000000000000001, 0.8, 1}));
  EXPECT_EQ(ticks({-130, 240}, 4), (std::vector<double>{-100, 0, 100, 200}));
  EXPECT_TRUE(ticks({1, 1}, 4).empty());
  EXPECT_TRUE(ticks({std::nan(""), 1}, 4).empty());
}

TEST(Markup, NamesOverAHeatMapBreakAfterUnderscoresOnly) {
  HeatMap map;
  map.columns = {"truncated_normal", "a<b"};
  map.rows = {"layer_0"};
  map.values = {{1, 2}};
  const std::string html = markup(Figure(map));
  EXPECT_NE(html.find(">truncated_<wbr>normal</th>"), std::string::npos) << html;
  EXPECT_NE(html.find(">a&lt;b</th>"), std::string::npos) << html;
  EXPECT_NE(html.find(">layer_0</th>"), std::string::npos) << html;
}

TEST(Markup, DrawsWhatHasNoNumbers) {
  DotPlot dots;
  dots.rows.push_back({"a", 9, {{std::nan(""), "r"}}, kNoNumber, kNoNumber, kNoNumber, {}});
  EXPECT_EQ(markup(Figure(dots)).find("nan"), std::string::npos) << markup(Figure(dots));
  HeatMap map;
  map.columns = {"x"};
  map.rows = {"y"};
  map.values = {{kNoNumber}};
  EXPECT_NE(markup(Figure(map)).find("<td>-</td>"), std::string::npos) << markup(Figure(map));
  Curves curves;
  curves.series.push_back({"a", 0, {{1, 2, kNoNumber, std::numeric_limits<double>::infinity(), 1}}});
  EXPECT_NE(markup(Figure(curves)).find("[1,2,null,null,1]"), std::string::npos) << markup(Figure(curves));
}

}  // namespace
}  // namespace initlab::report
