// Series: uPlot draws them. All have one time axis, one zoom and one cursor.
const TIMES = (() => {
  const count = Math.ceil(DATA.isps / DATA.every), found = new Float64Array(count + 1);
  for (let k = 0; k < count; k++) found[k] = secondOf(k * DATA.every);
  found[count] = secondOf(DATA.isps);
  return found;
})();
const DASHES = [[], [9, 4], [3, 3], [12, 3, 3, 3], [6, 2], [2, 5]];
const CHARTS = new Map();
const sync = uPlot.sync("time");
let zooming = false;

function zoom(from, to) {
  if (zooming) return;
  zooming = true;
  for (const chart of CHARTS.values()) chart.setScale("x", { min: from, max: to });
  zooming = false;
}
const everything = () => zoom(TIMES[0], TIMES[TIMES.length - 1]);

// Decimals that a step between ticks needs: 0.025 needs three.
function decimals(step) {
  let digits = 0;
  while (digits < 8 && Math.abs(step * 10 ** digits - Math.round(step * 10 ** digits)) > 1e-6) digits++;
  return digits;
}

function axes(unit) {
  const ink = colour("--soft"), grid = { stroke: colour("--rule"), width: 1 };
  const ticks = (u, splits, axis, space, step) => splits.map((at, k) => {
    if (step >= 86400) return step > 20 * 86400 ? yearTime(at) : dayTime(at);
    const hour = hourTime(at);
    return hour === "00:00" || k === 0 ? `${hour}\n${dayTime(at)}` : hour;
  });
  return [
    { stroke: ink, grid, ticks: grid, values: ticks, space: 74, size: 46 },
    { stroke: ink, grid, ticks: grid, size: 62, label: unit, labelSize: 18, labelFont: "12px system-ui", font: "12px system-ui",
      values: (u, splits, axis, space, step) => splits.map(v => shown(v, decimals(step))) },
  ];
}

function seriesOf(line, digits, unit) {
  const own = line.run === null ? (line.look === "before" && unit === "EUR/MWh" ? "--soft" : `--shade${line.shade}`) : `--run${line.run}`;
  const before = line.look === "before";
  return {
    label: line.label, class: line.edge ? "edge" : undefined, stroke: line.edge ? "transparent" : colour(own), width: before ? 1.2 : 1.6, points: { show: false }, alpha: before ? 0.85 : 1,
    dash: before ? [2, 3] : DASHES[line.run === null ? 0 : line.run % DASHES.length],
    paths: uPlot.paths.stepped({ align: 1 }), value: (u, v) => `${shown(v, digits)} ${unit}`,
  };
}

function limitLines(limits) {
  return u => {
    const { ctx, bbox } = u;
    ctx.save();
    ctx.strokeStyle = ctx.fillStyle = colour("--ink");
    ctx.setLineDash([6, 4]);
    ctx.textAlign = "left";
    ctx.textBaseline = "bottom";
    ctx.font = `${11 * devicePixelRatio}px system-ui`;
    for (const { at, label } of limits) {
      const y = u.valToPos(at, "y", true);
      if (y < bbox.top || y > bbox.top + bbox.height) continue;
      ctx.beginPath();
      ctx.moveTo(bbox.left, y);
      ctx.lineTo(bbox.left + bbox.width, y);
      ctx.stroke();
      ctx.fillText(label, bbox.left + 4, y - 2);
    }
    ctx.restore();
  };
}

function padded(values) {  // the last value holds until the end of its ISP
  const found = Array.from(values, v => (Number.isFinite(v) ? v : null));
  found.push(found.length ? found[found.length - 1] : null);
  return found;
}

function legendByKeys(chart) {
  for (const head of chart.root.querySelectorAll(".u-legend .u-series th")) {
    head.tabIndex = 0;
    head.setAttribute("role", "button");
    head.addEventListener("keydown", event => {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); event.stopPropagation(); head.click(); }
    });
  }
}

// A line with a band is followed by the lowest and the highest seed, without a stroke and an entry of the legend.
function withBands(lines) {
  const all = [], bands = [];
  for (const line of lines) {
    all.push(line);
    if (!line.lowest) continue;
    const edge = { run: line.run, look: line.look, shade: line.shade, edge: true };
    all.push({ ...edge, label: "lowest seed", numbers: line.lowest }, { ...edge, label: "highest seed", numbers: line.highest });
    bands.push({ series: [all.length, all.length - 1], fill: `${seriesOf(line, 0, "").stroke}38` });
  }
  return [all, bands];
}

function chartIn(place, name, given, about) {
  const old = CHARTS.get(name), scale = old ? { min: old.scales.x.min, max: old.scales.x.max } : null;
  if (old) { old.destroy(); CHARTS.delete(name); }
  const limits = about.limits || [], [lines, bands] = withBands(given);
  const chart = new uPlot({
    width: Math.max(place.clientWidth, 240), height: 250, padding: [null, 44, null, null],
    tzDate: seconds => uPlot.tzDate(new Date(seconds * 1000), DATA.zone),
    cursor: { sync: { key: sync.key }, drag: { x: true, y: false, uni: 10 }, y: false },
    scales: { x: { time: true }, y: { range: (u, low, high) => {
      const all = [low, high].filter(Number.isFinite);
      if (!all.length) return [0, 1];
      for (const { at } of limits) if (at < 4 * Math.max(...all)) all.push(at);
      const a = Math.min(...all), b = Math.max(...all);
      if (a === 0 && b === 0) return [0, 1];
      const gap = (b - a || Math.abs(b) || 1) * 0.07;
      return [a >= 0 && a < 0.3 * b ? 0 : a - gap, b + gap];
    } } },
    axes: axes(about.unit),
    bands,
    series: [{ label: "time", value: (u, v) => (v === null ? "\u2013" : longTime(v)) }, ...lines.map(line => seriesOf(line, about.digits, about.unit))],
    hooks: { draw: [limitLines(limits)], setScale: [(u, key) => { if (key === "x") zoom(u.scales.x.min, u.scales.x.max); }] },
    legend: { live: true, markers: { dash: (u, k) => (lines[k - 1].look === "before" ? "dotted" : lines[k - 1].run > 0 ? "dashed" : "solid") } },
  }, [TIMES, ...lines.map(line => padded(line.numbers))], place);
  CHARTS.set(name, chart);
  if (scale && scale.min !== null) { zooming = true; chart.setScale("x", scale); zooming = false; }
  legendByKeys(chart);
  return chart;
}

function keysOf(place, name) {
  place.addEventListener("keydown", event => {
    const chart = CHARTS.get(name);
    if (!chart || event.ctrlKey || event.metaKey || event.altKey) return;
    const { min, max } = chart.scales.x, middle = (min + max) / 2, half = (max - min) / 2;
    const at = chart.cursor.idx === null || chart.cursor.idx === undefined ? chart.valToIdx(middle) : chart.cursor.idx;
    const move = { ArrowLeft: -1, ArrowRight: 1, PageUp: -96, PageDown: 96 }[event.key];
    if (move) {
      const next = Math.min(Math.max(at + move, 0), TIMES.length - 2);
      const time = TIMES[next];
      if (time < min || time > max) zoom(time - half, time + half);
      chart.setCursor({ left: chart.valToPos(time, "x") + 0.5, top: 10 });
    } else if (event.key === "+" || event.key === "=") zoom(TIMES[at] - half / 2, TIMES[at] + half / 2);
    else if (event.key === "-") zoom(Math.max(middle - 2 * half, TIMES[0]), Math.min(middle + 2 * half, TIMES[TIMES.length - 1]));
    else if (event.key === "0" || event.key === "Escape") everything();
    else if (event.key === "Enter" && typeof goTo === "function") goTo(TIMES[at]);
    else return;
    event.preventDefault();
  });
  place.addEventListener("dblclick", everything);
}

for (const plot of DATA.plots) for (const line of plot.lines) {
  line.numbers = unpacked(line.values);
  if (line.low) [line.lowest, line.highest] = [unpacked(line.low), unpacked(line.high)];
}
const PLACES = new Map(Array.from(document.querySelectorAll("[data-plot]"), place => [place.dataset.plot, place]));
function drawPlots() {
  for (const plot of DATA.plots) chartIn(PLACES.get(plot.name), plot.name, plot.lines, plot);
}
drawPlots();
for (const [name, place] of PLACES) keysOf(place, name);
redrawn.push(drawPlots);
new ResizeObserver(() => {
  for (const chart of CHARTS.values()) {
    const width = Math.max(chart.root.parentElement.clientWidth, 240);
    if (Math.abs(width - chart.width) > 1) chart.setSize({ width, height: 250 });
  }
}).observe(document.getElementById("main"));
