// Elements and words. Ids, addresses and details come from peers: they become text, never markup.

const SVG = "http://www.w3.org/2000/svg";
const byId = (id) => document.getElementById(id);

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const el = (name, attributes = {}, ...children) => fill(document.createElement(name), attributes, children);
const svg = (name, attributes = {}, ...children) => fill(document.createElementNS(SVG, name), attributes, children);

// Draws anew only what has changed, so that what an operator reads or has marked stays.
const drawn = new Map();
function draw(id, value, make) {
  const key = JSON.stringify(value);
  if (drawn.get(id) === key) return;
  drawn.set(id, key);
  byId(id).replaceChildren(...[make()].flat());
}

function say(id, text) {
  if (byId(id).textContent !== text) byId(id).textContent = text;
}

const byName = new Intl.Collator("en", { numeric: true }).compare;
const plural = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;
const list = (names) => new Intl.ListFormat("en").format(names);
const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
// Ids differ at their ends more often than at their beginnings.
const short = (text, length) => (text.length > length ? `${text.slice(0, length / 2 - 1)}…${text.slice(-length / 2)}` : text);

const SIGN = { alive: "", suspect: "?", dead: "✕", left: "–" };
const sign = (state) => el("i", { class: state, "aria-hidden": "true" }, SIGN[state] ?? "");

// The time of day, in the operator's own zone; the whole date where it is another day.
function clock(at) {
  const time = new Date(at);
  const day = time.toDateString() === new Date().toDateString() ? "" : `${time.toLocaleDateString("en-CA")} `;
  return day + time.toLocaleTimeString("en-GB");
}

const moment = (at) => el("time", { datetime: at, title: at }, clock(at));
const age = (at) => el("time", { datetime: at, title: at, "data-age": "" }, ago(at));

function ago(at) {
  const secs = Math.max(0, Math.round((Date.now() - new Date(at)) / 1000));
  if (secs < 60) return `${secs < 10 ? secs : 10 * Math.floor(secs / 10)} s ago`;
  if (secs < 5400) return `${Math.round(secs / 60)} min ago`;
  return secs < 172_800 ? `${Math.round(secs / 3600)} h ago` : `${Math.round(secs / 86_400)} days ago`;
}

function renewAges() {
  for (const element of document.querySelectorAll("time[data-age]")) element.textContent = ago(element.dateTime);
}

function roundTrip(micros) {
  if (micros < 1000) return `${micros} µs`;
  return micros < 100_000 ? `${(micros / 1000).toFixed(1)} ms` : `${Math.round(micros / 1000)} ms`;
}

function percent(part, whole) {
  const share = (100 * part) / whole;
  return share > 0 && share < 1 ? "< 1 %" : `${Math.round(share)} %`;
}
