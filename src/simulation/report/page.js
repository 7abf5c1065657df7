"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const svgSpace = document.querySelector("svg").namespaceURI;
const whole = { from: 0, to: data.end };
const view = { from: 0, to: data.end, messages: false, node: null };
const messagesDrawn = 3000, linesShown = 500, left = 110, right = 12, curveHeight = 70;
const states = ["alive", "suspect", "dead", "left", "unknown"];

function make(parent, tag, attributes = {}, text = null) {
  const element = parent.namespaceURI === svgSpace || tag === "svg"
    ? document.createElementNS(svgSpace, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== null) element.textContent = text;
  parent.append(element);
  return element;
}

const seconds = (micros) => `${(micros / 1e6).toFixed(micros % 1e6 ? 3 : 0)} s`;
const nameOf = (node) => data.nodes[node];

/* The value that holds at a time, of steps in order. */
function valueAt(steps, at) {
  let low = 0, high = steps.length;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (steps[middle][0] <= at) low = middle; else high = middle;
  }
  return steps[low];
}

function header() {
  const verdict = byId("verdict");
  verdict.textContent = data.broken ? "FAIL" : "PASS";
  verdict.className = data.broken ? "fail" : "pass";
  byId("title").textContent = data.title;
  byId("about").textContent = data.about;
  if (data.broken) {
    const where = data.broken.node === null ? "" : ` at ${nameOf(data.broken.node)}`;
    byId("broken").textContent =
      `${data.broken.rule}, after ${seconds(data.broken.at)}${where}: ${data.broken.what}`;
    byId("broken").hidden = false;
    byId("failure").hidden = false;
  }
  const facts = byId("facts");
  const fact = (term, text, tag = null) => {
    make(facts, "dt", {}, term);
    const value = make(facts, "dd", {}, tag ? null : text);
    if (tag) make(value, tag, {}, text);
  };
  fact("Seed", data.seed);
  if (data.replay) fact("Replay", data.replay, "code");
  fact("Trace hash", data.trace_hash, "code");
  fact("Nodes", `${data.nodes.length}`);
  fact("Length", seconds(data.end));
}

function legend() {
  const words = [["alive", "alive"], ["suspect", "suspect"], ["dead", "dead"], ["left", "left"],
    ["unknown", "not known"], ["down", "not running"], ["still", "standing still"]];
  for (const [name, text] of words) {
    const item = make(byId("legend"), "li");
    make(item, "i", { class: name });
    item.append(text);
  }
}

/* What is drawn where: computed anew for each size of the window. */
function layout() {
  const width = Math.max(480, byId("chart").clientWidth);
  const lane = data.nodes.length <= 40 ? 20 : data.nodes.length <= 200 ? 8 : 3;
  const bars = 22 + 16 * data.faults.length;
  const curve = bars + 14;
  const lanes = curve + curveHeight + 18;
  const span = Math.max(1, view.to - view.from);
  const x = (at) => left + (width - left - right) * (at - view.from) / span;
  const at = (place) => view.from + span * (place - left) / (width - left - right);
  return { width, lane, curve, lanes, x, at, bottom: lanes + lane * data.nodes.length };
}

function draw() {
  const chart = byId("chart");
  const place = layout();
  chart.replaceChildren();
  const svg = make(chart, "svg", { height: place.bottom + 6, role: "img",
    "aria-label": "Faults, convergence and a lane for each node over time" });
  drawAxis(svg, place);
  drawCurve(svg, place);
  data.nodes.forEach((_, node) => drawLane(svg, place, node));
  data.faults.forEach((fault, row) => drawFault(svg, place, fault, row));
  drawBroken(svg, place);
  drawMessages(svg, place);
  listen(svg, place);
  byId("window").textContent = `${seconds(Math.round(view.from))} – ${seconds(Math.round(view.to))}`;
  list();
}

function drawAxis(svg, place) {
  const span = view.to - view.from;
  const rough = span / 10, power = 10 ** Math.floor(Math.log10(rough));
  const tick = [1, 2, 5, 10].map((times) => times * power).find((size) => size >= rough);
  for (let at = Math.ceil(view.from / tick) * tick; at <= view.to; at += tick) {
    make(svg, "line", { class: "axis", x1: place.x(at), x2: place.x(at), y1: 16, y2: place.bottom });
    if (place.x(at) < place.width - 60) {
      make(svg, "text", { class: "dim", x: place.x(at) + 3, y: 12 }, seconds(Math.round(at)));
    }
  }
}

function drawFault(svg, place, fault, row) {
  const to = fault.to ?? data.end;
  if (to < view.from || fault.from > view.to) return;
  const from = Math.max(left, place.x(fault.from));
  const width = Math.max(2, Math.min(place.width - right, place.x(to)) - from);
  const y = 20 + 16 * row;
  const bar = make(svg, "rect", { class: "bar", x: from, y, width, height: 13, rx: 2 });
  make(bar, "title", {}, `${fault.text}, ${seconds(fault.from)} to ${fault.to === null ? "the end" : seconds(to)}`);
  make(svg, "text", { x: from + 4, y: y + 11 }, fault.text);
  const touched = fault.nodes.length ? fault.nodes : [...data.nodes.keys()];
  for (const node of data.nodes.length > 200 ? [] : touched) {
    make(svg, "rect", { class: "band", x: from, y: place.lanes + place.lane * node, width, height: place.lane });
  }
}

function drawCurve(svg, place) {
  const y = (share) => place.curve + curveHeight * (1 - share);
  make(svg, "text", { class: "dim", x: 4, y: place.curve + curveHeight / 2 }, "views right");
  for (const share of [0, 1]) {
    make(svg, "line", { class: "axis", x1: left, x2: place.width - right, y1: y(share), y2: y(share) });
    make(svg, "text", { class: "dim", x: left - 38, y: y(share) + 4 }, `${100 * share} %`);
  }
  let path = `M${left},${y(valueAt(data.curve, view.from)[1])}`;
  for (const [at, share] of data.curve) {
    if (at > view.from && at <= view.to) path += `H${place.x(at)}V${y(share)}`;
  }
  make(svg, "path", { class: "curve", d: `${path}H${place.width - right}` });
}

function drawLane(svg, place, node) {
  const top = place.lanes + place.lane * node, height = place.lane - (place.lane > 4 ? 3 : 0);
  if (place.lane >= 8 || node % 50 === 0) {
    const name = make(svg, "text", { class: view.node === node ? "name chosen" : "name", x: 4,
      y: top + Math.min(14, height + 4), "font-size": place.lane < 20 ? 8 : 12, tabindex: 0, role: "button" }, nameOf(node));
    const choose = () => { view.node = view.node === node ? null : node; draw(); };
    name.addEventListener("click", choose);
    name.addEventListener("keydown", (event) => { if (event.key === "Enter") choose(); });
  }
  const paths = Object.fromEntries(states.map((state) => [state, ""]));
  eachSpan(data.lanes[node], (from, to, step) => {
    const known = step.slice(1).reduce((sum, count) => sum + count, 0);
    const watchers = Math.max(known, watchersAt(from, node));
    const counts = [...step.slice(1), watchers - known];
    let y = top;
    counts.forEach((count, state) => {
      if (!count) return;
      const part = height * count / watchers;
      paths[states[state]] += `M${place.x(from)},${y}H${place.x(to)}v${part}H${place.x(from)}z`;
      y += part;
    });
  });
  for (const state of states) if (paths[state]) make(svg, "path", { class: state, d: paths[state] });
  eachSpan(data.fates[node], (from, to, step) => {
    if (step[1] === "up") return;
    const half = step[1] === "down" ? height : height / 2;
    make(svg, "rect", { class: step[1], x: place.x(from), y: top + height - half,
      width: Math.max(1, place.x(to) - place.x(from)), height: half, "fill-opacity": step[1] === "down" ? .55 : 1 });
  });
}

/* How many other nodes are running. */
function watchersAt(at, node) {
  return data.fates.reduce((sum, steps, other) =>
    sum + (other !== node && valueAt(steps, at)[1] !== "down" ? 1 : 0), 0);
}

/* The spans of steps within the part in view. */
function eachSpan(steps, take) {
  for (let index = 0; index < steps.length; index += 1) {
    const from = Math.max(view.from, steps[index][0]);
    const to = Math.min(view.to, index + 1 < steps.length ? steps[index + 1][0] : data.end);
    if (from < to) take(from, to, steps[index]);
  }
}

function drawBroken(svg, place) {
  if (!data.broken || data.broken.at < view.from || data.broken.at > view.to) return;
  const x = place.x(data.broken.at);
  const line = make(svg, "line", { class: "broken", id: "broken-line", x1: x, x2: x, y1: 16, y2: place.bottom });
  make(line, "title", {}, byId("broken").textContent);
}

function drawMessages(svg, place) {
  const count = byId("message-count");
  byId("messages").disabled = !data.messages.length;
  if (!data.messages.length) { count.textContent = "No messages were recorded."; return; }
  if (!view.messages) { count.textContent = ""; return; }
  const inView = data.messages.filter(([at]) => at >= view.from && at <= view.to)
    .filter(([, from, to]) => view.node === null || from === view.node || to === view.node);
  const missing = data.messages_in_all - data.messages.length;
  const earlier = missing ? `; the first ${missing} of the run are not on this page` : "";
  if (inView.length > messagesDrawn) {
    count.textContent = `${inView.length} messages in view: come closer to see them, to fewer than ${messagesDrawn}${earlier}`;
    return;
  }
  count.textContent = `${inView.length} messages in view${earlier}`;
  const y = (node) => place.lanes + place.lane * (node + .4);
  for (const [at, from, to, kind, length, arrives] of inView) {
    const isLost = arrives < 0, end = isLost ? at + (view.to - view.from) / 100 : arrives;
    const line = make(svg, "line", { class: isLost ? "message lost" : "message", x1: place.x(at), y1: y(from),
      x2: place.x(end), y2: isLost ? (y(from) + y(to)) / 2 : y(to) });
    make(line, "title", {}, `${data.message_kinds[kind]}, ${length} bytes, ${nameOf(from)} to ${nameOf(to)}` +
      `, sent at ${seconds(at)}${isLost ? ", did not arrive" : `, there at ${seconds(arrives)}`}`);
  }
}

/* Dragging chooses a part; moving tells what lies under the pointer. */
function listen(svg, place) {
  let start = null, selection = null;
  const placeOf = (event) => {
    const box = svg.getBoundingClientRect();
    return Math.min(place.width - right, Math.max(left, (event.clientX - box.left) * place.width / box.width));
  };
  svg.setAttribute("viewBox", `0 0 ${place.width} ${place.bottom + 6}`);
  svg.addEventListener("pointerdown", (event) => {
    if (event.target.classList.contains("name")) return;
    start = placeOf(event);
    selection = make(svg, "rect", { class: "selection", x: start, y: 16, width: 0, height: place.bottom - 16 });
  });
  svg.addEventListener("pointermove", (event) => {
    const now = placeOf(event);
    if (selection) {
      selection.setAttribute("x", Math.min(start, now));
      selection.setAttribute("width", Math.abs(now - start));
    }
    const box = svg.getBoundingClientRect();
    const row = (event.clientY - box.top) * (place.bottom + 6) / box.height - place.lanes;
    point(place.at(now), Math.floor(row / place.lane));
  });
  svg.addEventListener("pointerup", (event) => {
    if (start === null) return;
    const now = placeOf(event);
    if (Math.abs(now - start) > 4) show(place.at(Math.min(start, now)), place.at(Math.max(start, now)));
    else selection.remove();
    start = selection = null;
  });
  svg.addEventListener("dblclick", () => show(whole.from, whole.to));
}

function point(at, node) {
  let text = `${seconds(Math.round(at))}: ${(100 * valueAt(data.curve, at)[1]).toFixed(1)} % of views right`;
  if (node >= 0 && node < data.nodes.length) {
    const [, alive, suspect, dead, gone] = valueAt(data.lanes[node], at);
    const fate = { up: "running", down: "not running", still: "standing still" }[valueAt(data.fates[node], at)[1]];
    text += `; ${nameOf(node)} is ${fate}; others hold it: ${alive} alive, ${suspect} suspect, ${dead} dead, ${gone} left`;
  }
  byId("pointer").textContent = text;
}

function list() {
  const word = byId("filter").value.trim().toLowerCase();
  const name = view.node === null ? null : nameOf(view.node);
  const isAbout = (line) => name === null || line.split(/[^\w.-]+/).includes(name);
  const lines = data.entries.filter(([at, , line]) => at >= view.from && at <= view.to &&
    (!word || line.toLowerCase().includes(word)) && isAbout(line));
  const shown = lines.slice(0, linesShown);
  const more = data.entries_in_all - data.entries.length;
  byId("shown").textContent = `${shown.length} of ${lines.length} lines in view` +
    (more > 0 ? `; ${more} early view changes of this run are not on this page` : "");
  byId("entries").replaceChildren();
  for (const [, kind, line] of shown) make(byId("entries"), "li", { class: kind }, line);
}

/* Brings a part of the run into view. */
function show(from, to) {
  const span = Math.min(whole.to, Math.max(1000, to - from));
  view.from = Math.max(0, Math.min(from, whole.to - span));
  view.to = view.from + span;
  draw();
}

function zoom(factor) {
  const middle = (view.from + view.to) / 2, half = (view.to - view.from) / 2 * factor;
  show(middle - half, middle + half);
}

function move(share) {
  const by = (view.to - view.from) * share;
  show(view.from + by, view.to + by);
}

function aroundFailure() { show(data.broken.at - 5e6, data.broken.at + 1e6); }

const actions = {
  all: () => show(whole.from, whole.to), failure: aroundFailure,
  closer: () => zoom(.5), farther: () => zoom(2), earlier: () => move(-.5), later: () => move(.5),
};
for (const [id, action] of Object.entries(actions)) byId(id).addEventListener("click", action);
const keys = { "+": "closer", "-": "farther", ArrowLeft: "earlier", ArrowRight: "later", 0: "all" };
document.addEventListener("keydown", (event) => {
  if (event.target.tagName !== "INPUT" && keys[event.key]) actions[keys[event.key]]();
});
byId("messages").addEventListener("change", (event) => { view.messages = event.target.checked; draw(); });
byId("filter").addEventListener("input", list);
window.addEventListener("resize", draw);

/* The address can ask for a part and for messages: #from=1.5&to=2&messages */
function obeyAddress() {
  const wanted = new URLSearchParams(location.hash.slice(1));
  view.messages = byId("messages").checked = wanted.has("messages");
  if (wanted.has("from") || wanted.has("to")) {
    show(1e6 * (wanted.get("from") ?? 0), wanted.has("to") ? 1e6 * wanted.get("to") : data.end);
  } else draw();
}
window.addEventListener("hashchange", obeyAddress);

header();
legend();
if (data.broken) aroundFailure();
if (location.hash || !data.broken) obeyAddress();
document.documentElement.dataset.drawn = "yes";
