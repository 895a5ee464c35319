// Draws the curves of a report with dygraphs, when they come into view, from the JSON beside each. Text from run files is only ever
// put into the page as text (textContent), and never given to the library.
"use strict";
(() => {
  const kColours = 7;
  const kMostBands = 5;  // with more series, bands are shown when asked for
  const kHint = matchMedia("(pointer: coarse)").matches
      ? "Tap the curves for numbers; the buttons zoom."
      : "Move the pointer over the curves for numbers; drag to zoom, double-click for all.";
  const kDashes = [null, [7, 3], [2, 3], [9, 3, 2, 3]];
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const colour = (index) => style("--k" + (index % kColours));
  const dash = (index) => kDashes[Math.floor(index / kColours) % kDashes.length];
  const short = (x) => {
    if (x === null || !Number.isFinite(x)) return "-";
    const size = Math.abs(x);
    if (size !== 0 && (size < 1e-3 || size >= 1e6)) return Number(x.toPrecision(3)).toExponential().replace("e+", "e");
    return String(Number(x.toPrecision(4)));
  };

  const element = (name, attributes, ...children) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) made.setAttribute(key, value);
    made.append(...children);
    return made;
  };

  const drawn = (name, attributes) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) if (value !== null) made.setAttribute(key, value);
    return made;
  };

  // A sample of a series' line for the key.
  const swatch = (series) => {
    const svg = drawn("svg", {width: 28, height: 8, "aria-hidden": "true"});
    const pattern = dash(series.colour);
    svg.append(drawn("line", {x1: 0, x2: 28, y1: 4, y2: 4, "stroke-width": 3, class: "c" + (series.colour % kColours),
                              "stroke-dasharray": pattern && pattern.join(" ")}));
    return svg;
  };

  // The curves as vectors, where dygraphs has them: a canvas that was painted for a print shows only when the screen next does.
  const copyForPaper = (figure) => {
    const {graph, data, showsBands} = figure.report;
    const area = graph.getArea();
    const svg = drawn("svg", {class: "copy", x: 0, width: area.w, height: area.h, "aria-hidden": "true"});
    svg.style.left = area.x + "px";
    svg.style.top = area.y + "px";
    const at = (x, y) => (graph.toDomXCoord(x) - area.x).toFixed(1) + "," + (graph.toDomYCoord(y) - area.y).toFixed(1);
    const path = (points, column) => points.flatMap((p, i) => {
      const stair = data.stairs && i > 0 ? [at(p[0], points[i - 1][column])] : [];
      return [...stair, at(p[0], p[column])];
    });
    for (const reference of data.references) {
      const y = (graph.toDomYCoord(reference.value) - area.y).toFixed(1);
      svg.append(drawn("line", {class: "level", x1: 0, x2: area.w, y1: y, y2: y, "stroke-dasharray": "6 3"}));
    }
    data.series.forEach((series, index) => {
      if (!graph.visibility()[index]) return;
      const kind = "c" + (series.colour % kColours), pattern = dash(series.colour);
      const inside = series.points.filter((p) => !graph.getOptionForAxis("logscale", "x") || p[0] > 0);
      const banded = inside.filter((p) => p[2] !== null);
      if (showsBands() && banded.length > 1)
        svg.append(drawn("polygon", {class: kind + " band", points: [...path(banded, 2), ...path(banded, 3).reverse()].join(" ")}));
      svg.append(drawn("polyline", {class: kind + " curve", points: path(inside, 1).join(" "),
                                    "stroke-dasharray": pattern && pattern.join(" ")}));
    });
    figure.querySelector(".plot").append(svg);
  };

  // dygraphs' table: one row for each x that any series has; a series has [low, middle, high] or null there.
  const table = (series) => {
    const rows = new Map();
    series.forEach((s, index) => {
      for (const [x, y, low, high] of s.points) {
        if (!rows.has(x)) rows.set(x, Array(series.length).fill(null));
        rows.get(x)[index] = [low === null ? y : low, y, high === null ? y : high];
      }
    });
    const all = [...rows.entries()].sort((a, b) => a[0] - b[0]).map(([x, values]) => [x, ...values]);
    // The library wants at least two rows for a line.
    return all.length === 1 ? [all[0], [all[0][0] + 1, ...Array(series.length).fill(null)]] : all;
  };

  const drawReferences = (data) => (context, area, graph) => {
    context.save();
    context.strokeStyle = context.fillStyle = style("--faint");
    context.font = "12px system-ui, sans-serif";
    context.beginPath();
    context.rect(area.x, area.y, area.w, area.h);
    context.clip();
    data.references.forEach((reference, index) => {
      const y = graph.toDomYCoord(reference.value);
      context.setLineDash(index === 0 ? [6, 3] : [2, 3]);
      context.beginPath();
      context.moveTo(area.x, y);
      context.lineTo(area.x + area.w, y);
      context.stroke();
      const below = y - area.y < 16;
      context.fillText(reference.name, area.x + 4, below ? y + 13 : y - 4);
    });
    context.restore();
  };

  // Mouse alone: a finger scrolls the page, and the buttons zoom.
  const mouseOnly = (whole) => {
    const model = Object.assign({}, Dygraph.defaultInteractionModel);
    for (const name of Object.keys(model)) if (name.startsWith("touch")) delete model[name];
    model.dblclick = whole;
    return model;
  };

  const draw = (figure) => {
    const data = JSON.parse(figure.querySelector("script").textContent);
    // As in the page's own text: characters that turn the direction of writing are shown as unknown ones.
    for (const series of data.series) series.name = series.name.replace(/[\u202a-\u202e\u2066-\u2069]/g, "\ufffd");
    const plot = figure.querySelector(".plot");
    const rows = table(data.series);
    const first = rows[0][0], last = rows[rows.length - 1][0];
    const firstPositive = (rows.find((row) => row[0] > 0) || [1])[0];
    const counts = data.series.map((s) => new Map(s.points.map((p) => [p[0], p])));
    let log = data.log && last > firstPositive;
    const whole = () => {
      if (log) return [firstPositive / 1.02, last * 1.02];
      const margin = (last - first) * 0.02;
      return [first - margin, last + margin];
    };
    let bands = data.series.length <= kMostBands;
    const readout = figure.querySelector(".readout");
    const values = data.series.map(() => element("span", {class: "value"}));
    const showAt = (x) => {
      readout.textContent = x === null ? kHint : data.x + " " + short(x);
      counts.forEach((points, index) => {
        const p = x === null ? undefined : points.get(x);
        values[index].textContent = !p ? "" :
          short(p[1]) + (p[2] === null ? "" : " [" + short(p[2]) + ", " + short(p[3]) + "]") + ", n = " + p[4];
      });
    };
    const axis = (tick) => ({
      axisLineColor: style("--line"), gridLineColor: style("--line"), axisLabelFontSize: 12,
      axisLabelFormatter: (x) => short(x), ...tick,
    });
    const looks = () => ({
      fillAlpha: bands ? 0.14 : 0,
      colors: data.series.map((s) => colour(s.colour)),
      axes: {x: axis({logscale: log, pixelsPerLabel: 60}), y: axis({axisLabelWidth: 52, pixelsPerLabel: 36})},
    });
    const names = data.series.map((s, index) => "s" + index);
    const options = {
      labels: ["x", ...names],
      customBars: true, connectSeparatedPoints: true, legend: "never", stepPlot: data.stairs,
      drawPoints: data.markers, pointSize: 4, strokeWidth: 2, highlightCircleSize: 4, animatedZooms: false,
      valueRange: data.range, dateWindow: whole(), underlayCallback: drawReferences(data),
      interactionModel: mouseOnly(() => reset()), xRangePad: 0, rightGap: 12,
      highlightCallback: (event, x) => showAt(x), unhighlightCallback: () => showAt(null),
      series: Object.fromEntries(data.series.map((s, index) => [names[index], {strokePattern: dash(s.colour)}])),
      ...looks(),
    };
    const graph = new Dygraph(plot, rows, options);
    plot.querySelectorAll("canvas").forEach((canvas) => canvas.setAttribute("aria-hidden", "true"));

    const reset = () => graph.updateOptions({dateWindow: whole(), valueRange: data.range, ...looks()});
    const zoom = (factor, shift) => {
      const map = log ? Math.log : (x) => x, back = log ? Math.exp : (x) => x;
      const [a, b] = graph.xAxisRange().map(map), [least, most] = whole().map(map);
      const width = Math.min((b - a) * factor, most - least);
      const middle = (a + b) / 2 + shift * (b - a);
      const from = Math.min(Math.max(middle - width / 2, least), most - width);
      graph.updateOptions({dateWindow: [back(from), back(from + width)]});
    };
    const button = (text, label, action) => {
      const made = element("button", {type: "button", "aria-label": label}, text);
      made.addEventListener("click", action);
      return made;
    };
    const tools = figure.querySelector(".tools");
    if (last > firstPositive) {
      const box = element("input", {type: "checkbox"});
      box.checked = log;
      box.addEventListener("change", () => { log = box.checked; reset(); });
      tools.append(element("label", {}, box, first <= 0 ? "logarithmic x (leaves out 0)" : "logarithmic x"));
    }
    if (data.series.some((s) => s.points.some((p) => p[2] !== null))) {
      const box = element("input", {type: "checkbox"});
      box.checked = bands;
      box.addEventListener("change", () => { bands = box.checked; graph.updateOptions(looks()); });
      tools.append(element("label", {}, box, "bands"));
    }
    tools.append(button("+", "zoom in", () => zoom(0.5, 0)), button("\u2212", "zoom out", () => zoom(2, 0)),
                 button("\u2190", "to the left", () => zoom(1, -0.4)), button("\u2192", "to the right", () => zoom(1, 0.4)),
                 button("all", "show everything", reset));
    const key = figure.querySelector(".key");
    data.series.forEach((series, index) => {
      const box = element("input", {type: "checkbox"});
      box.checked = true;
      box.addEventListener("change", () => graph.setVisibility(index, box.checked));
      key.append(element("li", {}, element("label", {}, box, swatch(series), element("span", {}, series.name), values[index])));
    });
    showAt(null);
    figure.report = {graph, data, looks, showsBands: () => bands};
  };

  const figures = [...document.querySelectorAll("figure.curves")];
  const drawOnce = (figure) => { if (!figure.report && figure.offsetParent !== null) draw(figure); };
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) drawOnce(entry.target);
  }, {rootMargin: "600px"});
  figures.forEach((figure) => watcher.observe(figure));

  // Colours are painted, so they are painted again where the scheme changes. Before a print everything is drawn, in light colours
  // and the paper's width.
  const repaint = () => figures.forEach((figure) => figure.report && figure.report.graph.updateOptions(figure.report.looks()));
  const prepare = (paper) => {
    if (paper) figures.forEach(drawOnce);
    document.documentElement.classList.toggle("paper", paper);
    figures.forEach((figure) => figure.report && figure.report.graph.resize());
    repaint();
    document.querySelectorAll("svg.copy").forEach((copy) => copy.remove());
    if (paper) figures.forEach((figure) => figure.report && copyForPaper(figure));
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
  addEventListener("beforeprint", () => prepare(true));
  addEventListener("afterprint", () => prepare(false));
  // Links into the page open what they point at.
  const reveal = () => {
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
  };
  addEventListener("hashchange", reveal);
  reveal();
})();
