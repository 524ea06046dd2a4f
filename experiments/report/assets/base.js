"use strict";
// Data of the page, colours, times. Texts from runs are set as text, never as HTML.
const DATA = JSON.parse(document.getElementById("data").textContent);
const NONE = -32768;

function bytesOf(text) {
  const raw = atob(text), found = new Uint8Array(raw.length);
  for (let k = 0; k < raw.length; k++) found[k] = raw.charCodeAt(k);
  return found.buffer;
}

// Numbers of a packed array; NaN where there is none.
function unpacked(array) {
  const view = new DataView(bytesOf(array.data)), small = array.kind === "i2", size = small ? 2 : 4;
  const found = new Float64Array(view.byteLength / size);
  for (let k = 0; k < found.length; k++) {
    const value = small ? view.getInt16(2 * k, true) : view.getFloat32(4 * k, true);
    found[k] = small ? (value === NONE ? NaN : value * array.step) : value;
  }
  return found;
}

const colour = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const secondOf = isp => DATA.start + isp * DATA.step;

function format(options) {
  const made = new Intl.DateTimeFormat("en-GB", { timeZone: DATA.zone, hourCycle: "h23", ...options });
  return seconds => made.format(new Date(seconds * 1000));
}
const longTime = format({ weekday: "short", day: "2-digit", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" });
const hourTime = format({ hour: "2-digit", minute: "2-digit" });
const dayTime = format({ weekday: "short", day: "2-digit", month: "short" });
const yearTime = format({ day: "2-digit", month: "short", year: "2-digit" });

function shown(value, digits) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "\u2013";
  const text = value.toFixed(digits);
  return (Number(text) === 0 ? (0).toFixed(digits) : text).replace("-", "\u2212");
}

function make(name, content, attributes) {
  const found = document.createElement(name);
  if (content !== undefined && content !== null) found.append(...[content].flat());
  for (const [key, value] of Object.entries(attributes || {})) found.setAttribute(key, value);
  return found;
}

function drawn(name, attributes) {
  const found = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) found.setAttribute(key, value);
  return found;
}

// What is drawn on canvases is drawn anew with other colours.
const redrawn = [];
function themed(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
  for (const draw of redrawn) draw();
}
const chooser = document.getElementById("theme");
chooser.addEventListener("change", () => themed(chooser.value));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => themed(chooser.value));

// On paper: light colours, everything unfolded, plots as wide as a page between its margins (A4, 182 mm).
const unfolded = [], PAPER = 680;
addEventListener("beforeprint", () => {
  for (const part of document.querySelectorAll("details:not([open])")) { part.open = true; unfolded.push(part); }
  themed("light");
  for (const chart of CHARTS.values()) chart.setSize({ width: PAPER, height: 230 });
});
addEventListener("afterprint", () => {
  while (unfolded.length) unfolded.pop().open = false;
  themed(chooser.value);
});

// A box that is wider than the screen says that it scrolls.
const watched = new ResizeObserver(entries => {
  for (const { target } of entries) target.classList.toggle("wide", target.scrollWidth > target.clientWidth + 1);
});
for (const box of document.querySelectorAll(".scroll")) watched.observe(box);
