// Pictures as data: what is drawn, without how. The page (page.hpp) and the plots for a paper (gnuplot.hpp) show the
// same ones. Colours are indices into a palette that both hold; an arm has one colour in a whole report.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace initlab::report {

inline constexpr double kNoNumber = std::numeric_limits<double>::quiet_NaN();

// A level that a figure is read against: a threshold, the constant-class score, zero.
struct Reference {
  std::string name;
  double value = 0;
};

// What every figure has.
struct Legend {
  std::string id;     // "1-metric": unique in a report, lower-case letters, digits and hyphens; names files and anchors
  std::string title;  // one line
  std::string caption;  // what is seen, in sentences; what was thinned
};

// One point of a curve: mean over runs with its band. low and high are NaN where there is no interval.
struct CurvePoint {
  double x = 0, y = 0;
  double low = kNoNumber, high = kNoNumber;
  std::int64_t n = 0;  // runs behind it
};

struct CurveSeries {
  std::string name;
  std::size_t colour = 0;
  std::vector<CurvePoint> points;  // x ascending
};

struct Curves {
  Legend legend;
  std::string x_label, y_label;
  bool stairs = false;   // y keeps its value until the next point
  bool markers = false;  // a mark at each point: few points, each one a measurement
  bool log_x = false;    // how it is first shown; a reader may switch
  std::vector<CurveSeries> series;
  std::vector<Reference> references;
};

// A row of dots, one a run, and their mean with its interval.
struct DotRow {
  std::string name;
  std::size_t colour = 0;
  struct Dot {
    double value = 0;
    std::string name;  // "replicate 3"
  };
  std::vector<Dot> dots;
  double mean = kNoNumber, low = kNoNumber, high = kNoNumber;  // NaN: not known
  std::vector<std::string> cells;                              // under DotPlot::columns
};

struct DotPlot {
  Legend legend;
  std::string x_label;
  std::vector<std::string> columns;  // heads of the numbers beside the dots
  std::vector<DotRow> rows;
  std::vector<Reference> references;
};

struct HeatMap {
  Legend legend;
  std::string x_label, y_label;
  std::vector<std::string> columns, rows;
  std::vector<std::vector<double>> values;  // (rows, columns); NaN: not known
};

using Figure = std::variant<Curves, DotPlot, HeatMap>;
inline const Legend& legend_of(const Figure& figure) {
  return std::visit([](const auto& f) -> const Legend& { return f.legend; }, figure);
}

// Rows and columns of text, for what is not drawn.
struct Grid {
  std::string title;
  std::string caption;
  std::vector<std::string> head;
  std::vector<std::vector<std::string>> rows;
  std::vector<bool> right;  // columns of numbers
};

// Lowest and highest finite number that a picture must hold; {0, 1} where there is none, and wider than nothing.
struct Range {
  double low = 0, high = 1;
};
Range range_of(const Curves& figure);
Range range_of(const DotPlot& figure);
Range range_of(const HeatMap& figure);
// True where numbers span so many orders of magnitude that colours are spread over their logarithms.
bool is_logarithmic(const HeatMap& figure);

}  // namespace initlab::report
