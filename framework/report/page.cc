#include "report/page.hpp"

#include <functional>
#include <map>

#include "base/hash.hpp"
#include "base/text.hpp"
#include "report/assets.hpp"
#include "report/markup.hpp"

namespace initlab::report {
namespace {

constexpr const char* kAuditQuestion = "<p>Are the pre-trained weights being initialized?</p>\n";
constexpr std::size_t kMostOpenBlocks = 6;   // grid points whose figures stand open
constexpr std::size_t kOpenRows = 40;        // longer tables stand closed
constexpr std::size_t kOpenCharacters = 60;  // wider heads too

// "{{name}}" in the template becomes the value of that name; values are not looked into.
std::string filled(std::string_view text, const std::map<std::string, std::string, std::less<>>& values) {
  std::string out;
  while (true) {
    const std::size_t open = text.find("{{"), close = text.find("}}", open);
    if (open == std::string_view::npos || close == std::string_view::npos) return out.append(text);
    out += text.substr(0, open);
    const auto value = values.find(text.substr(open + 2, close - open - 2));
    if (value != values.end()) out += value->second;
    text.remove_prefix(close + 2);
  }
}

// A source map names a file that is not there; browsers' tools would ask for it.
std::string without_source_map(std::string_view text) {
  std::string out;
  for (const std::string_view line : base::split(text, '\n'))
    if (const std::size_t mark = line.find("# sourceMappingURL="); mark == std::string_view::npos || mark < 2) {
      out += line;
      out += '\n';
    } else {
      out += line.substr(0, mark - 2);  // "//" or "/*"
      out += '\n';
    }
  return out;
}

std::string hashes(const std::vector<std::string>& texts) {
  std::string out;
  for (const std::string& text : texts)
    out += (out.empty() ? "'sha256-" : " 'sha256-") + base::sha256_base64(text) + "'";
  return out;
}

std::string list(const std::vector<std::string>& sentences, const char* kind = "") {
  std::string out = "<ul" + std::string(kind) + ">\n";
  for (const std::string& sentence : sentences) out += "<li>" + escaped(sentence) + "</li>\n";
  return out + "</ul>\n";
}

std::string section(const std::string& id, const std::string& title, const std::string& body) {
  if (body.empty()) return {};
  return "<section aria-labelledby=\"" + id + "\">\n<h3 id=\"" + id + "\">" + escaped(title) + "</h3>\n" + body +
         "</section>\n";
}

std::string folded(const std::string& title, const std::string& body) {
  return "<details><summary>" + escaped(title) + "</summary>\n" + body + "</details>\n";
}

std::string markup_of(const std::vector<Figure>& figures) {
  std::string out;
  for (const Figure& figure : figures) out += markup(figure);
  return out;
}

std::string markup_of(const std::vector<Grid>& grids) {
  std::string out;
  for (const Grid& grid : grids) {
    std::size_t width = 0;
    for (const std::string& head : grid.head) width += head.size();
    const bool large = grid.rows.size() > kOpenRows || width > kOpenCharacters;
    out += large ? folded(grid.title + " (" + std::to_string(grid.rows.size()) + " rows)", markup(grid)) : markup(grid);
  }
  return out;
}

std::string results(const std::vector<Block>& blocks) {
  std::string out;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const std::string figures = markup_of(blocks[i].figures);
    if (blocks[i].title.empty())
      out += figures;
    else
      out += "<details" + std::string(i < kMostOpenBlocks ? " open" : "") + "><summary>" + escaped(blocks[i].title) +
             "</summary>\n" + figures + "</details>\n";
  }
  return out;
}

std::string diagnostics(const std::vector<Figure>& figures) {
  if (figures.empty()) return {};
  const auto is_course = [](const Figure& figure) {
    return legend_of(figure).id.find("-course-") != std::string::npos;
  };
  std::string start, course;
  for (const Figure& figure : figures) (is_course(figure) ? course : start) += markup(figure);
  std::string out;
  if (!start.empty()) out += "<div class=\"heats\">" + start + "</div>";
  if (!course.empty()) out += folded("How it went on, arm by arm", "<div class=\"heats\">" + course + "</div>");
  return out;
}

std::string specs(const std::vector<std::pair<std::string, std::string>>& specs) {
  std::string out;
  for (const auto& [title, yaml] : specs) out += folded(title, "<pre tabindex=\"0\">" + escaped(yaml) + "</pre>\n");
  return out;
}

std::string markup_of(const Chapter& chapter, std::size_t number) {
  const std::string id = "e" + std::to_string(number) + "-";
  std::string out = "<article aria-labelledby=\"" + id + "title\">\n<h2 id=\"" + id + "title\">" +
                    escaped(chapter.experiment) + "</h2>\n<p class=\"question\">" + escaped(chapter.question) +
                    "</p>\n";
  if (!chapter.verdicts.empty()) out += list(chapter.verdicts, " class=\"verdicts\"");
  for (const std::string& sentence : chapter.asked) out += "<p>" + escaped(sentence) + "</p>\n";
  if (!chapter.notes.empty()) out += section(id + "notes", "Notes", list(chapter.notes));
  out += section(id + "results", "Results", results(chapter.results));
  out += section(id + "statistics", "Statistics", markup_of(chapter.statistics));
  out += section(id + "sensitivity", "Sensitivity", markup_of(chapter.sensitivity) + markup_of(chapter.tables));
  out += section(id + "diagnostics", "Diagnostics by layer", diagnostics(chapter.diagnostics));
  out += section(id + "audit", "Initialization audit",
                 (chapter.audit_words.empty() ? std::string() : kAuditQuestion + list(chapter.audit_words)) +
                     markup_of(chapter.audit));
  out += section(id + "failures", "Failures", markup_of(chapter.failures));
  out += section(id + "provenance", "Provenance", markup_of(chapter.provenance) + specs(chapter.specs));
  return out + "</article>\n";
}

std::string contents(const std::vector<Chapter>& chapters) {
  if (chapters.size() < 2) return {};
  std::string out = "<nav aria-label=\"Experiments\"><ul>\n";
  for (std::size_t i = 0; i < chapters.size(); ++i)
    out += "<li><a href=\"#e" + std::to_string(i + 1) + "-title\">" + escaped(chapters[i].experiment) + "</a></li>\n";
  return out + "</ul></nav>\n";
}

std::string left_out(const std::vector<std::string>& sentences) {
  if (sentences.empty()) return {};
  return "<section aria-labelledby=\"left-out\"><h2 id=\"left-out\">Left out</h2>\n" + list(sentences) + "</section>\n";
}

// Length of the UTF-8 sequence at the front, 0 where there is none.
std::size_t sequence(std::string_view text) {
  for (std::size_t n = 1; n <= std::min<std::size_t>(4, text.size()); ++n)
    if (base::is_valid_utf8(text.substr(0, n))) return n;
  return 0;
}

// U+202A to U+202E and U+2066 to U+2069 turn the direction of what follows.
bool turns_direction(std::string_view character) {
  if (character.size() != 3 || character[0] != '\xe2') return false;
  const auto second = static_cast<unsigned char>(character[1]), third = static_cast<unsigned char>(character[2]);
  return (second == 0x80 && third >= 0xaa && third <= 0xae) || (second == 0x81 && third >= 0xa6 && third <= 0xa9);
}

}  // namespace

std::string escaped(std::string_view text) {
  static constexpr std::string_view kReplacement = "\xef\xbf\xbd";
  std::string out;
  while (!text.empty()) {
    const std::size_t length = sequence(text);
    const std::string_view character = text.substr(0, std::max<std::size_t>(length, 1));
    const char c = text.front();
    if (length == 0 || turns_direction(character) ||
        (length == 1 && ((static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t') || c == 0x7f)))
      out += kReplacement;
    else if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '"')
      out += "&quot;";
    else if (c == '\'')
      out += "&#39;";
    else
      out += character;
    text.remove_prefix(character.size());
  }
  return out;
}

std::vector<const Figure*> figures_of(const Page& page) {
  std::vector<const Figure*> all;
  const auto add = [&all](const std::vector<Figure>& figures) {
    for (const Figure& figure : figures) all.push_back(&figure);
  };
  for (const Chapter& chapter : page.chapters) {
    for (const Block& block : chapter.results) add(block.figures);
    add(chapter.sensitivity);
    add(chapter.diagnostics);
  }
  return all;
}

std::string html(const Page& page) {
  const std::string library_css = without_source_map(assets::dygraphs_css()), css(assets::page_css());
  const std::string library = without_source_map(assets::dygraphs_js()), js(assets::page_js());
  std::string chapters;
  for (std::size_t i = 0; i < page.chapters.size(); ++i) chapters += markup_of(page.chapters[i], i + 1);
  return filled(assets::page_html(), {{"title", escaped(page.title)},
                                      {"made", escaped(page.made)},
                                      {"build", escaped(page.build)},
                                      {"command", escaped(page.command)},
                                      {"contents", contents(page.chapters)},
                                      {"chapters", chapters},
                                      {"left-out", left_out(page.left_out)},
                                      {"library-css", library_css},
                                      {"css", css},
                                      {"library", library},
                                      {"js", js},
                                      {"script-hashes", hashes({library, js})}});
}

}  // namespace initlab::report
