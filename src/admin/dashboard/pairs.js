// Who sees whom and who suspects whom: as a graph, and as a matrix, which says it of every pair.

const MANY = 16;

// What one member is known to make of another: [class, sign, words]; null where nothing is known.
function opinions({ topology, examined }) {
  const accused = new Map(topology.suspicions.map(({ member, by }) => [member, new Set(by)]));
  const verified = new Map((examined?.pairs ?? []).map((pair) => [JSON.stringify([pair.from, pair.to]), pair]));
  const seen = { alive: ["sees", "●", "sees"], suspect: ["hears", "?", "has heard that others suspect"], dead: ["holds-dead", "✕", "holds dead"], left: ["saw-leave", "–", "saw the farewell of"] };
  return (from, to) => {
    if (accused.get(to.id)?.has(from.id)) return ["suspects", "?", `${from.id} suspects ${to.id}`];
    if (from.self) {
      const [kind, mark, words] = seen[to.state];
      return [kind, mark, `${from.id} ${words} ${to.id}`];
    }
    // Whoever died or left since then verifies nobody.
    if (![from, to].every(({ state }) => state === "alive" || state === "suspect")) return null;
    const pair = verified.get(JSON.stringify([from.id, to.id]));
    if (!pair) return null;
    if (pair.ok) return ["verifies", "✓", `${from.id} reaches and verifies ${to.id}`];
    return ["refuses", "!", `${from.id} does not verify ${to.id}: ${pair.code}${pair.detail ? `: ${pair.detail}` : ""}`];
  };
}

function drawPairs(view) {
  const { topology, examined } = view;
  const members = [...topology.members].sort((a, b) => byName(a.id, b.id));
  const known = members.map(({ id, state, self }) => ({ id, state, self }));
  const value = [known, topology.suspicions, examined];
  draw("graph", value, () => graph(members, opinions(view)));
  byId("matrix").classList.toggle("many", members.length > MANY);
  draw("matrix", value, () => matrix(members, opinions(view)));
}

function matrix(members, opinion) {
  const cell = (from, to) => {
    if (from.id === to.id) return el("td", { class: "itself" });
    const [kind, mark, words] = opinion(from, to) ?? ["unknown", "", `what ${from.id} makes of ${to.id} is not known here`];
    return el("td", { class: kind, title: words, "aria-label": words }, mark);
  };
  const head = el("tr", {}, el("td", { class: "itself" }), ...members.map(({ id }) => el("th", { scope: "col", title: id }, short(id, 14))));
  const rows = members.map((from) =>
    el("tr", {}, el("th", { scope: "row", title: from.id }, short(from.id, 18)), ...members.map((to) => cell(from, to))));
  return el("table", {}, el("thead", {}, head), el("tbody", {}, ...rows));
}

function graph(members, opinion) {
  const many = members.length > MANY;
  const [radius, dot] = [130, many ? 6 : 11];
  const places = new Map(members.map((member, place) => {
    const angle = (2 * Math.PI * place) / members.length - Math.PI / 2;
    return [member, { x: radius * Math.cos(angle), y: radius * Math.sin(angle), angle }];
  }));
  const edges = members.flatMap((from) => members.filter((to) => to !== from).map((to) => [from, to, opinion(from, to)]));
  // What is well lies beneath what is not.
  const order = ["saw-leave", "verifies", "sees", "hears", "holds-dead", "refuses", "suspects"];
  const shown = edges.filter(([, , found]) => found && found[0] !== "saw-leave").sort((a, b) => order.indexOf(a[2][0]) - order.indexOf(b[2][0]));
  const lines = shown.map(([from, to, [kind, , words]]) => edge(places.get(from), places.get(to), kind, words, dot));
  const dots = members.map((member) => node(member, places.get(member), dot, many));
  const trouble = edges.filter(([, , found]) => found && !["sees", "verifies", "saw-leave"].includes(found[0])).map(([, , found]) => found[2]);
  const label = trouble.length ? `${trouble.join("; ")}.` : `${members.find(({ self }) => self)?.id} sees all ${members.length} members.`;
  const arrow = svg("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto", markerUnits: "userSpaceOnUse" }, svg("path", { d: "M0 0 8 4 0 8z" }));
  const heights = [...places.values()].map(({ y }) => y);
  const [top, bottom] = [Math.min(...heights) - (many ? 75 : 40), Math.max(...heights) + (many ? 75 : 40)];
  return svg("svg", { viewBox: `-230 ${top} 460 ${bottom - top}`, role: "img", "aria-label": label, class: many ? "many" : null }, svg("defs", {}, arrow), ...lines, ...dots);
}

// From rim to rim; an accusation bends, so that two that accuse each other are both seen.
function edge(from, to, kind, words, dot) {
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const length = Math.hypot(dx, dy) || 1;
  const [ux, uy] = [dx / length, dy / length];
  const [x1, y1, x2, y2] = [from.x + ux * dot, from.y + uy * dot, to.x - ux * (dot + 3), to.y - uy * (dot + 3)];
  const bend = kind === "suspects" ? 18 : 0;
  const [cx, cy] = [(x1 + x2) / 2 - uy * bend, (y1 + y2) / 2 + ux * bend];
  const d = `M${x1.toFixed(1)} ${y1.toFixed(1)}Q${cx.toFixed(1)} ${cy.toFixed(1)} ${x2.toFixed(1)} ${y2.toFixed(1)}`;
  return svg("path", { class: kind, d, "marker-end": kind === "suspects" ? "url(#arrow)" : null }, svg("title", {}, words));
}

function node({ id, state, self }, { x, y, angle }, dot, many) {
  const onLeft = Math.cos(angle) < -0.01;
  const isUpright = !many && Math.abs(Math.cos(angle)) < 0.3;
  const turn = many ? (angle * 180) / Math.PI + (onLeft ? 180 : 0) : 0;
  const away = dot + (isUpright ? 14 : 7);
  const [tx, ty] = [x + away * Math.cos(angle), y + away * Math.sin(angle)];
  const anchor = isUpright ? "middle" : onLeft ? "end" : "start";
  const label = svg("text", { x: tx, y: ty, "text-anchor": anchor, "dominant-baseline": "central", transform: many ? `rotate(${turn} ${tx} ${ty})` : null }, short(id, many ? 10 : 14));
  return svg("g", {},
    svg("circle", { cx: x, cy: y, r: dot, class: self ? `${state} self` : state }, svg("title", {}, `${id}: ${state}`)),
    svg("text", { x, y, class: "sign", "dominant-baseline": "central" }, SIGN[state] ?? ""),
    label);
}
