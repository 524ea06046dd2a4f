// Maps: branches by loading, nodes by voltage, of every run side by side at one time.
const MAPS = DATA.maps, HOST = document.getElementById("maps");
let goTo;

const loadingClass = v => (Number.isFinite(v) ? (v > 100 ? 3 : v > 80 ? 2 : v > 50 ? 1 : 0) : -1);
const voltageClass = v => (Number.isFinite(v) ? (v < 0.9 ? 0 : v < 0.95 ? 1 : v <= 1.05 ? 2 : v <= 1.1 ? 3 : 4) : -1);

function branchName(grid, branch) {
  const ends = branch.buses.filter(bus => bus !== null).join("\u2013");
  return `${branch.element}${branch.name ? ` ${branch.name}` : ""} (bus ${ends})`;
}

function nodeName(node) {
  if (!node.buses.length) return node.name;
  return `bus ${node.buses.join(", ")}${node.name && node.name !== String(node.buses[0]) ? ` (${node.name})` : ""}, ${node.kv} kV`;
}

// Places of nodes in a drawing 1000 wide; a tall map is made lower, a flat one keeps room for its circles.
function placed(grid) {
  const xs = grid.nodes.map(n => n.x), ys = grid.nodes.map(n => n.y);
  const [x0, x1, y0, y1] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const wide = 940, across = x1 - x0 || 1, down = y1 - y0 || 0;
  const fx = wide / across, fy = grid.given ? Math.min(fx, 620 / (down || 1)) : Math.min(58, 620 / (down || 1));
  const sx = grid.given ? fy : fx, shift = grid.given ? (wide - across * fy) / 2 : 0;
  return { height: down * fy + 90, at: grid.nodes.map(n => [30 + shift + (n.x - x0) * sx, 55 + (n.y - y0) * fy]) };
}

function pathOf(grid, at, branch) {
  const [a, b] = branch.ends, [p, q] = [at[a], at[b]];
  if (!grid.given && (grid.parent[b] === a || grid.parent[a] === b)) {  // a right angle: down at the parent, then across
    const [from, to] = grid.parent[b] === a ? [p, q] : [q, p];
    return `M${from[0]} ${from[1]}V${to[1]}H${to[0]}`;
  }
  return `M${p[0]} ${p[1]}L${q[0]} ${q[1]}`;
}

class GridMap {
  constructor(grid, of, host) {
    this.grid = grid;
    this.loading = unpacked(of.loading);
    this.voltage = unpacked(of.voltage);
    this.rated = of.rated;
    this.nodes = grid.nodes.filter(n => n.buses.length).length;
    this.run = of.run;
    const { height, at } = placed(grid), thick = grid.nodes.length > 400 ? 3 : 5;
    this.thick = thick;
    this.radius = Math.max(2.5, Math.min(9, 240 / Math.sqrt(grid.nodes.length) / 3));
    this.svg = drawn("svg", { viewBox: `0 0 1000 ${height}`, role: "img" });
    this.pick = drawn("path", { class: "picked", "stroke-width": 4 * thick, d: "M0 0" });
    this.svg.append(this.pick);
    this.paths = grid.branches.map((branch, k) => {
      const path = drawn("path", { d: pathOf(grid, at, branch), class: "b-none", "stroke-width": 1.6 });
      this.svg.append(path);
      return path;
    });
    this.circles = at.slice(0, this.nodes).map(([x, y]) => {
      const circle = drawn("circle", { cx: x, cy: y, r: this.radius, class: "v-none" });
      this.svg.append(circle);
      return circle;
    });
    this.ring = drawn("circle", { class: "picked", r: 0 });
    this.mark = drawn("text", { class: "mark", "text-anchor": "middle" });
    this.svg.append(this.ring, this.mark);
    grid.branches.forEach((branch, k) => this.title(this.svg.appendChild(
      drawn("path", { d: pathOf(grid, at, branch), class: "hit", "stroke-width": 16, "data-branch": k })), () => this.branchSays(k)));
    this.circles.forEach((circle, k) => this.title(circle, () => this.nodeSays(k)));
    this.at = at;
    this.says = make("p", null, { class: "says" });
    host.append(make("h3", DATA.runs[of.run]), this.svg, this.says);
  }

  // The text of a pointer at rest, made when it comes.
  title(element, says) {
    const title = element.appendChild(drawn("title", {}));
    element.addEventListener("pointerenter", () => { title.textContent = says(); });
  }

  branchSays(k) {
    const column = this.rated.indexOf(k), name = branchName(this.grid, this.grid.branches[k]);
    return column < 0 ? `${name}: no rating` : `${name}: ${shown(this.loading[this.step * this.rated.length + column], 1)} % of rating`;
  }

  nodeSays(k) {
    return `${nodeName(this.grid.nodes[k])}: ${shown(this.voltage[this.step * this.nodes + k], 4)} p.u.`;
  }

  show(step) {
    this.step = step;
    let worst = -1, highest = -Infinity, low = -1, high = -1;
    this.rated.forEach((branch, column) => {
      const value = this.loading[step * this.rated.length + column], kind = loadingClass(value);
      this.paths[branch].setAttribute("class", kind < 0 ? "b-gap" : `b${kind}`);
      this.paths[branch].setAttribute("stroke-width", kind === 3 ? 2 * this.thick : kind < 0 ? 2 : this.thick + kind);
      if (value > highest) { highest = value; worst = branch; }
    });
    this.circles.forEach((circle, k) => {
      const value = this.voltage[step * this.nodes + k], kind = voltageClass(value), at = j => this.voltage[step * this.nodes + j];
      circle.setAttribute("class", kind < 0 ? "v-none" : `v${kind}`);
      circle.setAttribute("r", kind === 0 || kind === 4 ? 1.7 * this.radius : this.radius);
      if (Number.isFinite(value)) { if (low < 0 || value < at(low)) low = k; if (high < 0 || value > at(high)) high = k; }
    });
    const parts = [];
    if (worst >= 0) {
      parts.push(`Most loaded: ${branchName(this.grid, this.grid.branches[worst])}, ${shown(highest, 1)} % of rating.`);
      const ends = this.grid.branches[worst].ends.map(end => this.at[end]);
      const x = Math.min(Math.max((ends[0][0] + ends[1][0]) / 2, 60), 940), y = Math.min(ends[0][1], ends[1][1]);
      this.mark.setAttribute("x", x);
      this.mark.setAttribute("y", y - 16);
      this.mark.textContent = `${shown(highest, 0)} %`;
    } else { parts.push(this.rated.length ? "The power flow has no solution, or nothing was recorded." : "No branch of this grid has a rating."); this.mark.textContent = ""; }
    if (low >= 0) parts.push(`Lowest voltage ${this.nodeSays(low).replace(/: (?=[^:]*$)/, ", ")}; highest ${this.nodeSays(high).replace(/: (?=[^:]*$)/, ", ")}`);
    this.says.textContent = parts.join(" ");
    this.svg.setAttribute("aria-label", this.says.textContent);
  }

  choose(branch) {
    this.pick.setAttribute("d", branch === null ? "M0 0" : this.paths[branch].getAttribute("d"));
  }

  highest(branch) {
    const column = this.rated.indexOf(branch);
    let found = -Infinity;
    if (column >= 0) for (let k = column; k < this.loading.length; k += this.rated.length) if (this.loading[k] > found) found = this.loading[k];
    return found;
  }
}

function mapsPage() {
  const steps = MAPS.isps.length;
  let grid = null, maps = [], step = 0, playing = null;
  const slider = make("input", null, { type: "range", min: 0, max: steps - 1, step: 1, value: 0, id: "time", "aria-label": "Time of the maps" });
  const out = make("output", "", { for: "time", id: "when" }), play = make("button", "Play", { type: "button", id: "play" });
  const worst = make("button", "Go to the worst ISP", { type: "button", id: "worst" });
  const named = MAPS.grids.map((g, k) => make("option", `${g.system}${MAPS.grids.filter(o => o.system === g.system).length > 1 ? `, ${g.runs.map(r => DATA.runs[r.run]).join(", ")}` : ""}`, { value: k }));
  const chooserOfGrid = make("select", named, { id: "system", "aria-label": "Grid" });
  const branches = make("select", null, { id: "branch", "aria-label": "Branch shown over time" });
  const host = make("div", null, { class: "maps" }), below = make("figure"), place = make("div", null, { class: "plot", tabindex: 0, role: "img", id: "branch-plot" });
  const caption = make("figcaption");
  below.append(caption, place);
  const legend = make("p", null, { class: "legend" });
  const entry = (kind, text) => [make("span", null, { class: `key ${kind}` }), text];
  legend.append("Branch, % of rating:", ...entry("k0", "to 50"), ...entry("k1", "50 to 80"), ...entry("k2", "80 to 100"), ...entry("k3", "above 100 (thick)"), ...entry("kn", "no rating"),
    make("br"), "Node, p.u.:", ...entry("w0", "below 0.90 (large)"), ...entry("w1", "0.90 to 0.95"), ...entry("w2", "0.95 to 1.05"), ...entry("w3", "1.05 to 1.10"), ...entry("w4", "above 1.10 (large)"));
  HOST.append(make("div", [make("label", ["Grid ", chooserOfGrid]), slider, out, play, worst], { class: "controls" }), legend, host, make("label", ["Branch over time ", branches]), below);

  function show(next) {
    step = Math.min(Math.max(next, 0), steps - 1);
    slider.value = step;
    out.textContent = longTime(secondOf(MAPS.isps[step]));
    slider.setAttribute("aria-valuetext", out.textContent);
    for (const map of maps) map.show(step);
  }
  function chosen(branch) {
    branches.value = branch;
    for (const map of maps) map.choose(branch);
    const lines = maps.map(map => {
      const column = map.rated.indexOf(branch), numbers = new Float64Array(TIMES.length - 1).fill(NaN);
      if (column >= 0) MAPS.isps.forEach((isp, k) => {
        const last = k + 1 < steps ? MAPS.isps[k + 1] : Math.min(isp + DATA.every, DATA.isps);
        const value = map.loading[k * map.rated.length + column];
        const first = Math.floor(isp / DATA.every), end = Math.max(first + 1, Math.floor(Math.min(last, isp + 96) / DATA.every));
        for (let j = first; j < end && j < numbers.length; j++) if (!(numbers[j] > value)) numbers[j] = value;
      });
      return { label: DATA.runs[map.run], run: map.run, look: "line", shade: 0, numbers };
    });
    const name = branch === null ? "" : branchName(grid, grid.branches[branch]);
    caption.replaceChildren(make("b", `Loading of ${name} of ${grid.system} (% of rating)`));
    place.setAttribute("aria-label", caption.textContent);
    chartIn(place, "branch", lines, { unit: "% of rating", digits: 1, limits: [{ at: 100, label: "rating" }] });
  }
  let current = null;
  function pick(branch) { current = branch; below.hidden = branch === null; if (branch !== null) chosen(branch); }
  function open(k) {
    grid = MAPS.grids[k];
    host.replaceChildren();
    maps = grid.runs.map(of => { const part = make("div", null, { class: "map" }); host.append(part); return new GridMap(grid, of, part); });
    const rated = [...new Set(maps.flatMap(map => map.rated))].map(branch => [branch, Math.max(...maps.map(map => map.highest(branch)))]);
    rated.sort((a, b) => b[1] - a[1] || a[0] - b[0]);
    branches.replaceChildren(...rated.map(([branch, high]) => make("option", `${branchName(grid, grid.branches[branch])}, at most ${shown(high, 1)} %`, { value: branch })));
    branches.disabled = !rated.length;
    pick(rated.length ? rated[0][0] : null);
    show(step);
  }
  function worstStep() {
    let found = [-Infinity, step];
    for (const map of maps) for (let k = 0; k < map.loading.length; k++) if (map.loading[k] > found[0]) found = [map.loading[k], Math.floor(k / map.rated.length)];
    return found[1];
  }
  function toggle() {
    if (playing) { clearInterval(playing); playing = null; } else playing = setInterval(() => { if (step >= steps - 1) toggle(); else show(step + 1); }, 200);
    play.textContent = playing ? "Stop" : "Play";
  }
  const day = Math.max(1, Math.round(86400 / DATA.step * steps / Math.max(DATA.isps, 1)));
  slider.addEventListener("input", () => show(Number(slider.value)));
  HOST.addEventListener("keydown", event => {
    const free = event.target === slider || event.target.tagName === "DIV" || event.target === HOST;
    const move = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageDown: day, PageUp: -day, Home: -steps, End: steps }[event.key];
    if (!free || event.target === place) return;
    if (move) show(step + move);
    else if (event.key === " ") toggle();
    else return;
    event.preventDefault();
  });
  play.addEventListener("click", toggle);
  worst.addEventListener("click", () => show(worstStep()));
  chooserOfGrid.addEventListener("change", () => open(Number(chooserOfGrid.value)));
  branches.addEventListener("change", () => pick(Number(branches.value)));
  host.addEventListener("click", event => {
    const branch = event.target.dataset ? event.target.dataset.branch : undefined;
    if (branch !== undefined && maps.some(map => map.rated.includes(Number(branch)))) pick(Number(branch));
  });
  keysOf(place, "branch");
  redrawn.push(() => { if (current !== null) chosen(current); });
  goTo = seconds => {
    const isp = Math.round((seconds - DATA.start) / DATA.step);
    let near = 0;
    MAPS.isps.forEach((at, k) => { if (at <= isp) near = k; });
    show(near);
    HOST.scrollIntoView();
  };
  MAPS.isps.forEach((at, k) => { if (at <= DATA.chosen) step = k; });
  // First the area with the most loaded branch.
  const tops = MAPS.grids.map(g => (g.system === "T" ? -2 : Math.max(-1, ...g.runs.map(of => unpacked(of.loading).reduce((a, b) => (b > a ? b : a), -1)))));
  const first = tops.indexOf(Math.max(...tops));
  chooserOfGrid.value = first;
  open(first);
}
if (HOST && MAPS.isps.length) mapsPage();
