#include "report/markup.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <set>

#include "base/json.hpp"
#include "base/text.hpp"
#include "report/page.hpp"
#include "report/parts.hpp"

namespace initlab::report {
namespace {

constexpr std::size_t kColours = 7;         // of page/report.css
constexpr int kHeatLevels = 10;             // likewise
constexpr std::size_t kMostTableSteps = 8;  // columns of the table below curves
constexpr std::size_t kWideText = 40;       // cells with longer text may be broken

std::string colour_class(std::size_t colour) { return "c" + std::to_string(colour % kColours); }

std::string cell(const char* tag, const std::string& text, bool right, const std::string& more = {}) {
  const bool wide = text.size() > kWideText || text.find('\n') != std::string::npos;
  std::string out = "<";
  out += tag;
  out += more;
  if (right || wide) out += std::string(" class=\"") + (right ? "right" : "wide") + "\"";
  return out + ">" + escaped(text) + "</" + tag + ">";
}

std::string scrolled(const std::string& table, const std::string& name) {
  return "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"" + escaped(name) + "\">" + table +
         "</div>\n";
}

std::string figure_head(const Legend& legend, const char* kind) {
  return "<figure class=\"" + std::string(kind) + "\" id=\"f" + escaped(legend.id) + "\">\n<figcaption><h4>" +
         escaped(legend.title) + "</h4><p class=\"caption\">" + escaped(legend.caption) + "</p></figcaption>\n";
}

// --- dots
// -------------------------------------------------------------------------------------------------------------

std::string at_percent(double value, const Range& range) {
  const double share = std::clamp((value - range.low) / (range.high - range.low), -0.5, 1.5);
  return base::fixed(100 * share, 2) + "%";
}

std::string vertical(const std::string& kind, const std::string& x) {
  return "<line class=\"" + kind + "\" x1=\"" + x + "\" x2=\"" + x + "\" y1=\"0\" y2=\"100%\"/>";
}

std::string rulers(const DotPlot& plot, const Range& range) {
  std::string out;
  for (const double tick : ticks(range, 6)) out += vertical("grid", at_percent(tick, range));
  for (std::size_t i = 0; i < plot.references.size(); ++i)
    out += vertical("at r" + std::to_string(std::min<std::size_t>(i, 1)), at_percent(plot.references[i].value, range));
  return out;
}

// Dots above, in three lanes so that equal ones can be told apart; mean and interval below.
std::string strip(const DotPlot& plot, const DotRow& row, const Range& range) {
  const std::string name = row.name + ": " + with_interval(row.mean, row.low, row.high);
  std::string out =
      "<svg width=\"100%\" height=\"34\" role=\"img\" aria-label=\"" + escaped(name) + "\">" + rulers(plot, range);
  out += "<g class=\"" + colour_class(row.colour) + "\">";
  for (std::size_t i = 0; i < row.dots.size(); ++i) {
    const DotRow::Dot& dot = row.dots[i];
    if (!std::isfinite(dot.value)) continue;
    out += "<circle class=\"dot\" cx=\"" + at_percent(dot.value, range) + "\" cy=\"" + std::to_string(6 + 5 * (i % 3)) +
           "\" r=\"4\"><title>" + escaped(dot.name) + ": " + short_number(dot.value) + "</title></circle>";
  }
  if (std::isfinite(row.low) && std::isfinite(row.high))
    out += "<line class=\"bar\" x1=\"" + at_percent(row.low, range) + "\" x2=\"" + at_percent(row.high, range) +
           "\" y1=\"27\" y2=\"27\"><title>" + escaped(name) + "</title></line>";
  if (std::isfinite(row.mean))
    out += "<line class=\"bar\" x1=\"" + at_percent(row.mean, range) + "\" x2=\"" + at_percent(row.mean, range) +
           "\" y1=\"22\" y2=\"32\"><title>" + escaped(name) + "</title></line>";
  return out + "</g></svg>";
}

std::string tick_text(double value) { return base::number_text(std::abs(value) < 1e-12 ? 0 : value); }

std::string axis_row(const DotPlot& plot, const Range& range) {
  std::string out =
      "<tr class=\"axis\" role=\"row\"><td role=\"cell\" class=\"name\"></td><td role=\"cell\" class=\"strip\"><svg "
      "width=\"100%\" height=\"18\" aria-hidden=\"true\">";
  for (const double tick : ticks(range, 6)) {
    char text[32];
    std::snprintf(text, sizeof text, "%.6g", tick);
    out += "<text x=\"" + at_percent(tick, range) + "\" y=\"13\">" + tick_text(std::strtod(text, nullptr)) + "</text>";
  }
  out += "</svg></td>";
  for (std::size_t i = 0; i < plot.columns.size(); ++i) out += "<td role=\"cell\"></td>";
  return out + "</tr>\n";
}

std::string reference_note(const std::vector<Reference>& references) {
  std::string out;
  for (std::size_t i = 0; i < references.size(); ++i)
    out += (i == 0   ? "Dashed: "
            : i == 1 ? " Dotted: "
                     : " ") +
           escaped(references[i].name) + " (" + short_number(references[i].value) + ").";
  return out;
}

std::string markup_of(const DotPlot& plot) {
  const Range range = range_of(plot);
  std::string out = figure_head(plot.legend, "dotplot");
  // Roles are said, since the narrow layout takes the table's display away.
  out += "<table class=\"dots\" role=\"table\" aria-label=\"" + escaped(plot.legend.title) +
         "\"><thead role=\"rowgroup\"><tr role=\"row\"><th role=\"columnheader\" class=\"name\">arm</th><th "
         "role=\"columnheader\">" +
         escaped(plot.x_label) + "</th>";
  for (const std::string& column : plot.columns)
    out += "<th role=\"columnheader\" class=\"right\">" + escaped(column) + "</th>";
  out += "</tr></thead><tbody role=\"rowgroup\">\n";
  for (const DotRow& row : plot.rows) {
    out += "<tr role=\"row\"><th role=\"rowheader\" scope=\"row\" class=\"name\">" + escaped(row.name) +
           "</th><td role=\"cell\" class=\"strip\">" + strip(plot, row, range) + "</td>";
    for (std::size_t i = 0; i < row.cells.size(); ++i)
      out += "<td role=\"cell\" class=\"right\" data-head=\"" + escaped(plot.columns[i]) + "\">" +
             escaped(row.cells[i]) + "</td>";
    out += "</tr>\n";
  }
  out += axis_row(plot, range) + "</tbody></table>\n";
  if (!plot.references.empty()) out += "<p class=\"caption\">" + reference_note(plot.references) + "</p>\n";
  return out + "</figure>\n";
}

// --- heat maps
// ----------------------------------------------------------------------------------------------------------

std::string heat_class(double value, const Range& range, bool logarithmic) {
  if (!std::isfinite(value)) return "";
  double share = 0.5;
  if (range.high > range.low)
    share = logarithmic ? std::log(value / range.low) / std::log(range.high / range.low)
                        : (value - range.low) / (range.high - range.low);
  return " class=\"h" + std::to_string(std::clamp(static_cast<int>(share * kHeatLevels), 0, kHeatLevels - 1)) + "\"";
}

std::string heat_number(double value) {
  if (!std::isfinite(value)) return "-";
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", value);
  return text;
}

// A name that may be broken after each underscore, and not within a word.
std::string breakable(std::string_view name) {
  std::string out;
  for (const char c : escaped(name)) out += c == '_' ? "_<wbr>" : std::string(1, c);
  return out;
}

std::string markup_of(const HeatMap& map) {
  const Range range = range_of(map);
  const bool logarithmic = is_logarithmic(map);
  std::string table = "<table class=\"heat\"><thead><tr><th class=\"corner\">" + escaped(map.y_label) + " \\ " +
                      escaped(map.x_label) + "</th>";
  for (const std::string& column : map.columns) table += "<th scope=\"col\">" + breakable(column) + "</th>";
  table += "</tr></thead><tbody>\n";
  for (std::size_t r = 0; r < map.rows.size(); ++r) {
    table += "<tr><th scope=\"row\">" + escaped(map.rows[r]) + "</th>";
    for (const double value : map.values[r])
      table += "<td" + heat_class(value, range, logarithmic) + ">" + heat_number(value) + "</td>";
    table += "</tr>\n";
  }
  table += "</tbody></table>";
  Legend legend = map.legend;
  legend.caption += " Colours from " + heat_number(range.low) + " (dark) to " + heat_number(range.high) + " (light)" +
                    (logarithmic ? ", spread over logarithms." : ".");
  return figure_head(legend, "heatmap") + scrolled(table, map.legend.title) + "</figure>\n";
}

// --- curves
// -------------------------------------------------------------------------------------------------------------

std::string json_number(double value) {
  if (!std::isfinite(value)) return "null";
  char text[32];
  std::snprintf(text, sizeof text, "%.5g", value);
  return text;
}

// Steps are whole numbers, and must stay different from each other.
std::string json_place(double x) {
  if (x == std::floor(x) && std::abs(x) < 1e15) return base::fixed(x, 0);
  return base::number_text(x);
}

// JSON within a script element: "<" could end it.
std::string json_string(const std::string& text) {
  std::string out;
  for (const char c : base::json_text(base::Json(text))) out += c == '<' ? std::string("\\u003c") : std::string(1, c);
  return out;
}

std::string curve_json(const Curves& figure) {
  const Range range = range_of(figure);
  std::string out = "{\"x\":" + json_string(figure.x_label) + ",\"stairs\":" + (figure.stairs ? "true" : "false") +
                    ",\"markers\":" + (figure.markers ? "true" : "false") +
                    ",\"log\":" + (figure.log_x ? "true" : "false") + ",\"range\":[" + json_number(range.low) + "," +
                    json_number(range.high) + "],\"references\":[";
  for (std::size_t i = 0; i < figure.references.size(); ++i)
    out += (i > 0 ? ",{\"name\":" : "{\"name\":") + json_string(figure.references[i].name) +
           ",\"value\":" + json_number(figure.references[i].value) + "}";
  out += "],\"series\":[";
  for (std::size_t s = 0; s < figure.series.size(); ++s) {
    const CurveSeries& series = figure.series[s];
    out += (s > 0 ? ",\n{\"name\":" : "\n{\"name\":") + json_string(series.name) +
           ",\"colour\":" + std::to_string(series.colour) + ",\"points\":[";
    for (std::size_t i = 0; i < series.points.size(); ++i) {
      const CurvePoint& p = series.points[i];
      out += (i > 0 ? ",[" : "[") + json_place(p.x) + "," + json_number(p.y) + "," + json_number(p.low) + "," +
             json_number(p.high) + "," + std::to_string(p.n) + "]";
    }
    out += "]}";
  }
  return out + "]}";
}

// Some of the places that curves have points at: the first and last, and between them evenly on the logarithm.
std::vector<double> table_places(const Curves& figure) {
  std::set<double> all;
  for (const CurveSeries& series : figure.series)
    for (const CurvePoint& point : series.points) all.insert(point.x);
  const std::vector<double> places(all.begin(), all.end());
  if (places.size() <= kMostTableSteps) return places;
  std::set<std::size_t> picked{0, places.size() - 1};
  const double n = static_cast<double>(places.size() - 1);
  for (std::size_t i = 1; i + 1 < kMostTableSteps; ++i)
    picked.insert(static_cast<std::size_t>(
        std::lround(std::pow(n, static_cast<double>(i) / static_cast<double>(kMostTableSteps - 1)))));
  std::vector<double> some;
  for (const std::size_t i : picked) some.push_back(places[i]);
  return some;
}

std::string curve_table(const Curves& figure) {
  const std::vector<double> places = table_places(figure);
  std::string table = "<table><caption>" + escaped(figure.y_label) + " by " + escaped(figure.x_label) +
                      ": mean [interval]</caption><thead><tr><th scope=\"col\">arm</th>";
  for (const double x : places) table += "<th scope=\"col\" class=\"right\">" + base::number_text(x) + "</th>";
  table += "</tr></thead><tbody>\n";
  for (const CurveSeries& series : figure.series) {
    table += "<tr>" + cell("th", series.name, false, " scope=\"row\"");
    for (const double x : places) {
      const auto found = std::lower_bound(series.points.begin(), series.points.end(), x,
                                          [](const CurvePoint& point, double at) { return point.x < at; });
      const bool here = found != series.points.end() && found->x == x;
      table += cell("td", here ? with_interval(found->y, found->low, found->high) : "", true);
    }
    table += "</tr>\n";
  }
  return table + "</tbody></table>";
}

std::string markup_of(const Curves& figure) {
  std::string out = figure_head(figure.legend, "curves");
  out += "<p class=\"y-label\">" + escaped(figure.y_label) + "</p><div class=\"plot\" role=\"img\" aria-label=\"" +
         escaped(figure.legend.title + "; the numbers are in the table below") + "\"></div><div class=\"x-label\">" +
         escaped(figure.x_label) +
         "</div>\n<div class=\"readout\" aria-hidden=\"true\"></div><ul class=\"key\"></ul><div "
         "class=\"tools\"></div>\n<script type=\"application/json\">" +
         curve_json(figure) + "</script>\n<details><summary>Numbers behind this figure</summary>" +
         scrolled(curve_table(figure), figure.legend.title + ": numbers") + "</details>\n";
  return out + "</figure>\n";
}

}  // namespace

std::vector<double> ticks(Range range, int most) {
  const double width = range.high - range.low;
  if (!(width > 0) || !std::isfinite(width)) return {};
  const double raw = width / most;
  const double power = std::pow(10, std::floor(std::log10(raw)));
  double step = 10 * power;
  for (const double factor : {1.0, 2.0, 5.0})
    if (factor * power >= raw) {
      step = factor * power;
      break;
    }
  std::vector<double> found;
  for (double i = std::ceil(range.low / step); i * step <= range.high && found.size() < 100; ++i)
    found.push_back(i * step);
  return found;
}

std::string markup(const Figure& figure) {
  return std::visit([](const auto& f) { return markup_of(f); }, figure);
}

std::string markup(const Grid& grid) {
  std::string out;
  if (!grid.title.empty()) out += "<h4>" + escaped(grid.title) + "</h4>\n";
  if (!grid.caption.empty()) out += "<p class=\"caption\">" + escaped(grid.caption) + "</p>\n";
  if (grid.rows.empty()) return out;
  const auto is_right = [&grid](std::size_t column) { return column < grid.right.size() && grid.right[column]; };
  std::string table = "<table><thead><tr>";
  for (std::size_t c = 0; c < grid.head.size(); ++c) table += cell("th", grid.head[c], is_right(c), " scope=\"col\"");
  table += "</tr></thead><tbody>\n";
  for (const std::vector<std::string>& row : grid.rows) {
    table += "<tr>";
    for (std::size_t c = 0; c < row.size(); ++c) table += cell("td", row[c], is_right(c));
    table += "</tr>\n";
  }
  return out + scrolled(table + "</tbody></table>", grid.title);
}

}  // namespace initlab::report
