#include "report/gnuplot.hpp"

#include <algorithm>
#include <cmath>

#include "base/text.hpp"

namespace initlab::report {
namespace {

// As the light colours of page/report.css.
constexpr const char* kColours[] = {"#0072b2", "#c04d00", "#007a5a", "#a8327f", "#7a6000", "#5b53c2", "#5c5c5c"};
constexpr std::size_t kMostBands = 5;  // as on the page: the bands of more series hide each other
constexpr std::size_t kColourCount = std::size(kColours);

std::string colour(std::size_t index) { return "'" + std::string(kColours[index % kColourCount]) + "'"; }
std::string dash(std::size_t index) { return std::to_string(1 + index / kColourCount % 4); }

constexpr std::size_t kMostInNames = 28;  // characters of an arm's name beside or below a picture

// A single-quoted string: nothing in it means anything but the quote itself, which becomes an apostrophe, since gnuplot
// reads a doubled one at the beginning as an empty string. Long names are cut: they would leave no room for the
// picture.
std::string quoted(const std::string& text, std::size_t most_characters = 80) {
  std::string out = "'";
  std::size_t characters = 0;
  for (const char c : base::is_valid_utf8(text) ? text : std::string("?")) {
    const bool begins = (static_cast<unsigned char>(c) & 0xc0) != 0x80;
    if (begins && characters++ == most_characters) {
      out += "...";
      break;
    }
    if (c == '\'')
      out += "\xe2\x80\x99";
    else
      out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
  }
  return out + "'";
}

// Labels of tics are formats, too.
std::string tic_label(const std::string& text) {
  std::string out;
  for (const char c : quoted(text, kMostInNames)) out += c == '%' ? std::string("%%") : std::string(1, c);
  return out;
}

std::string value(double x) { return std::isfinite(x) ? base::number_text(x) : "NaN"; }

std::string comment(const std::string& text) {
  std::string out = "# ";
  for (const char c : text) out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  return out + "\n";
}

std::string head(const Legend& legend) {
  return comment(legend.title) + comment(legend.caption) +
         "reset\nset encoding utf8\nset datafile missing 'NaN'\nset title " + quoted(legend.title) +
         " noenhanced\nset border 3\nset tics nomirror out\n";
}

// Sizes in pixels of the screen; the paper's are in the same ratio, 640 pixels a column of 12 cm.
std::string both(const Legend& legend, int width, int height, const std::string& plot) {
  const auto centimetres = [](int pixels) { return base::fixed(pixels * 12.0 / 640, 2) + "cm"; };
  return "set terminal svg size " + std::to_string(width) + "," + std::to_string(height) +
         " dynamic font 'DejaVu Sans,12'\nset output " + quoted(legend.id + ".svg") + "\n" + plot +
         "set terminal pdfcairo size " + centimetres(width) + "," + centimetres(height) +
         " font 'DejaVu Sans,8'\nset output " + quoted(legend.id + ".pdf") + "\nreplot\nset output\n";
}

std::string tics(const char* axis, const std::vector<std::string>& names, const char* more) {
  std::string out = std::string("set ") + axis + "tics noenhanced " + more + " (";
  for (std::size_t i = 0; i < names.size(); ++i)
    out += (i > 0 ? ", " : "") + tic_label(names[i]) + " " + std::to_string(i + 1);
  return out + ")\n";
}

std::string row(const CurvePoint& place, const CurvePoint& values) {
  return value(place.x) + " " + value(values.y) + " " + value(values.low) + " " + value(values.high) + "\n";
}

bool has_band(const CurveSeries& series) {
  return std::any_of(series.points.begin(), series.points.end(),
                     [](const auto& point) { return std::isfinite(point.low); });
}

std::string script_of(const Curves& figure) {
  std::string out = head(figure.legend);
  for (std::size_t s = 0; s < figure.series.size(); ++s) {
    out += "$s" + std::to_string(s) + " << EOD\n";
    const auto& points = figure.series[s].points;
    for (std::size_t i = 0; i < points.size(); ++i) {
      if (figure.stairs && i > 0) out += row(points[i], points[i - 1]);
      out += row(points[i], points[i]);
    }
    out += "EOD\n";
  }
  const Range range = range_of(figure);
  out += "set xlabel " + quoted(figure.x_label) + " noenhanced\nset ylabel " + quoted(figure.y_label) +
         " noenhanced\nset yrange [" + value(range.low) + ":" + value(range.high) +
         "]\nset key outside bottom center horizontal noenhanced\n";
  if (figure.log_x) out += "set logscale x\n";
  std::vector<std::string> parts;
  for (std::size_t s = 0; s < figure.series.size(); ++s)
    if (figure.series.size() <= kMostBands && has_band(figure.series[s]))
      parts.push_back("$s" + std::to_string(s) +
                      " using 1:3:4 with filledcurves fs transparent solid 0.14 noborder lc rgb " +
                      colour(figure.series[s].colour) + " notitle");
  for (std::size_t s = 0; s < figure.series.size(); ++s)
    parts.push_back("$s" + std::to_string(s) + " using 1:2 with " +
                    (figure.markers ? "linespoints pt 7 ps 0.6" : "lines") + " lw 2 dt " +
                    dash(figure.series[s].colour) + " lc rgb " + colour(figure.series[s].colour) + " title " +
                    quoted(figure.series[s].name, kMostInNames));
  for (std::size_t i = 0; i < figure.references.size(); ++i)
    parts.push_back(value(figure.references[i].value) + " with lines dt " + std::to_string(2 + i % 3) +
                    " lc rgb '#777777' title " + quoted(figure.references[i].name));
  return out + both(figure.legend, 640, 420, "plot " + base::join(parts, ", \\\n     ") + "\n");
}

std::string script_of(const DotPlot& figure) {
  std::string out = head(figure.legend), dots = "$dots << EOD\n", bars = "$bars << EOD\n";
  std::vector<std::string> names;
  for (std::size_t r = 0; r < figure.rows.size(); ++r) {
    const DotRow& row = figure.rows[r];
    names.push_back(row.name);
    const double y = static_cast<double>(r + 1);
    const std::string rgb = std::to_string(std::stoul(kColours[row.colour % kColourCount] + 1, nullptr, 16));
    for (std::size_t i = 0; i < row.dots.size(); ++i)
      dots += value(row.dots[i].value) + " " + value(y - 0.05 - 0.1 * static_cast<double>(i % 3)) + " " + rgb + "\n";
    // A mean without an interval still gets its mark.
    bars += value(row.mean) + " " + value(y + 0.2) + " " + value(std::isfinite(row.low) ? row.low : row.mean) + " " +
            value(std::isfinite(row.high) ? row.high : row.mean) + " " + rgb + "\n";
  }
  out += dots + "EOD\n" + bars + "EOD\n";
  const Range range = range_of(figure);
  out += "set xlabel " + quoted(figure.x_label) + " noenhanced\nset xrange [" + value(range.low) + ":" +
         value(range.high) + "]\nset yrange [" + value(static_cast<double>(figure.rows.size()) + 0.6) +
         ":0.4]\nunset key\nset grid xtics lt 1 lc rgb '#dddddd'\n" + tics("y", names, "");
  for (std::size_t i = 0; i < figure.references.size(); ++i)
    out += "set arrow from " + value(figure.references[i].value) + ", graph 0 to " + value(figure.references[i].value) +
           ", graph 1 nohead dt " + std::to_string(2 + i % 3) + " lc rgb '#777777'\n" +
           comment(figure.references[i].name);
  const bool any_dot =
      std::any_of(figure.rows.begin(), figure.rows.end(), [](const DotRow& row) { return !row.dots.empty(); });
  const std::string plot = std::string("plot ") +
                           (any_dot ? "$dots using 1:2:3 with points pt 7 ps 0.5 lc rgb variable, \\\n     " : "") +
                           "$bars using 1:2:3:4:5 with xerrorbars pt 2 ps 0.8 lw 2 lc rgb variable\n";
  return out +
         both(figure.legend, 640, 120 + 34 * static_cast<int>(std::min<std::size_t>(figure.rows.size(), 1000)), plot);
}

std::string script_of(const HeatMap& figure) {
  std::string out = head(figure.legend) + "$cells << EOD\n";
  for (std::size_t r = 0; r < figure.rows.size(); ++r)
    for (std::size_t c = 0; c < figure.columns.size(); ++c)
      out += std::to_string(c + 1) + " " + std::to_string(r + 1) + " " + value(figure.values[r][c]) + "\n";
  out += "EOD\n";
  const Range range = range_of(figure);
  const bool flat = !(range.high > range.low);
  out +=
      "set palette defined (0 '#00224e', 1 '#123570', 2 '#3b496c', 3 '#575d6d', 4 '#6b6c70', 5 '#8e8a78', 6 '#a59c74', "
      "7 '#c3b369', 8 '#e1cc55', 9 '#fee838')\nset cbrange [" +
      value(flat ? range.low - 0.5 : range.low) + ":" + value(flat ? range.high + 0.5 : range.high) + "]\n" +
      (is_logarithmic(figure) ? "set logscale cb\n" : "") + "set xlabel " + quoted(figure.x_label) +
      " noenhanced\nset xrange [0.5:" + value(static_cast<double>(figure.columns.size()) + 0.5) + "]\nset yrange [" +
      value(static_cast<double>(figure.rows.size()) + 0.5) + ":0.5]\nunset key\nset border 0\n" +
      tics("x", figure.columns, "rotate by -35") + tics("y", figure.rows, "");
  const std::string plot =
      "plot $cells using 1:2:($1-0.5):($1+0.5):($2-0.5):($2+0.5):3 with boxxyerror fs solid 1 noborder lc palette\n";
  return out +
         both(figure.legend, 640, 170 + 22 * static_cast<int>(std::min<std::size_t>(figure.rows.size(), 1000)), plot);
}

}  // namespace

std::string gnuplot_script(const Figure& figure) {
  return std::visit([](const auto& f) { return script_of(f); }, figure);
}

}  // namespace initlab::report
