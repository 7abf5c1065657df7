// Members with round trip and loss, what happened, certificates, refusals.

const HISTORY_MAX = 60;
const TIMELINE_MAX = 300;
const RANK = { dead: 0, suspect: 1, alive: 2, left: 3 };
const LEVEL = {
  MemberDied: "act", Stopped: "act", CertificateExpired: "act",
  MemberSuspected: "watch", UdpUnreachable: "watch", Refused: "watch", JoinRefused: "watch", Alone: "watch", Missed: "watch",
  MemberJoined: "good", MemberRefuted: "good", UdpReachable: "good", Ready: "good",
};

// The last round trips of each member, by probe, as far as this page was there.
const history = new Map();
function remember({ links }) {
  for (const { member, probes } of links) {
    if (probes?.round_trip_micros == null) continue;
    const kept = history.get(member) ?? { probes: 0, trips: [] };
    if (kept.probes !== probes.probes) kept.trips = [...kept.trips, probes.round_trip_micros].slice(-HISTORY_MAX);
    history.set(member, { probes: probes.probes, trips: kept.trips });
  }
}

function spark(trips) {
  if (trips.length < 3) return null;
  const top = Math.max(...trips);
  const points = trips.map((trip, place) => `${((100 * place) / (trips.length - 1)).toFixed(1)} ${(19 - (18 * trip) / top).toFixed(1)}`);
  return svg("svg", { class: "spark", viewBox: "0 0 100 20", preserveAspectRatio: "none", role: "img", "aria-label": `the last ${trips.length} round trips, ${roundTrip(Math.min(...trips))} to ${roundTrip(top)}` }, svg("path", { d: `M${points.join("L")}` }));
}

function drawMembers(view) {
  const { topology } = view;
  remember(topology);
  const links = new Map(topology.links.map((link) => [link.member, link]));
  const days = new Map(allCertificates(view).map((certificate) => [certificate.member, certificate.days_left]));
  const members = [...topology.members].sort((a, b) => RANK[a.state] - RANK[b.state] || byName(a.id, b.id));
  draw("members", [members, topology.links, [...days]], () => {
    const titles = ["Member", "State", "Round trip", "Probes lost", "Certificate", "Connection", "Address"].filter((title) => title !== "Certificate" || days.size);
    const head = el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, ...titles.map((title) => el("th", { scope: "col", role: "columnheader" }, title))));
    const rows = members.map((member) => el("tr", { role: "row", "data-member": member.id }, ...cells(member, links.get(member.id), days)));
    return [head, el("tbody", { role: "rowgroup" }, ...rows)];
  });
}

function cells(member, link, days) {
  const cell = (label, kind, ...children) => el("td", { role: "cell", "data-label": label, class: children.length ? kind : "none" }, ...(children.length ? children : ["–"]));
  const { probes, connections = [] } = link ?? {};
  const lost = probes?.probes ? probes.lost / probes.probes : 0;
  const left = days.get(member.id);
  const tls = connections.find(({ tls }) => tls)?.tls;
  const trip = probes?.round_trip_micros == null ? [] : [el("b", {}, roundTrip(probes.round_trip_micros)), spark(history.get(member.id)?.trips ?? [])];
  const found = [
    cell("Member", null, el("b", {}, member.id), " ", el("small", {}, member.self ? `${member.role}, this node` : member.role)),
    cell("State", null, el("span", { class: "state" }, sign(member.state), el("b", {}, member.state), el("small", {}, age(member.since)))),
    cell("Round trip", null, ...trip),
    cell("Probes lost", lost > 0.2 ? "bad" : lost > 0.02 ? "poor" : null, ...(probes?.probes ? [el("b", {}, percent(probes.lost, probes.probes)), " ", el("small", {}, `${probes.lost} of ${probes.probes}`)] : [])),
    cell("Connection", null, ...(connections.length ? [el("small", { title: tls?.cipher_suite }, tls ? `TLS 1.3, ${tls.key_exchange}` : "plaintext")] : [])),
    cell("Address", null, el("span", { class: "address" }, member.address), member.udp_unreachable ? el("small", {}, " no UDP") : null),
  ];
  if (days.size) found.splice(4, 0, cell("Certificate", { act: "bad", watch: "poor" }[urgency(left ?? Infinity)], ...(left === undefined ? [] : [el("b", {}, plural(left, "day"))])));
  return found;
}

function drawTimeline(events) {
  const wanted = byId("filter").value.trim().toLowerCase();
  const found = events.filter(({ text, member, address }) => `${text} ${member ?? ""} ${address ?? ""}`.toLowerCase().includes(wanted));
  const told = [];
  for (const event of found) {
    const before = told.at(-1);
    if (before?.text === event.text) before.times += 1;
    else if (told.length < TIMELINE_MAX) told.push({ ...event, times: 1 });
    else break;
  }
  draw("timeline", told.map(({ id, times }) => [id, times]), () => told.length
    ? told.map(({ at, kind, text, times }) => el("li", { class: LEVEL[kind] ?? "", "data-kind": kind }, moment(at), el("span", {}, text, times > 1 ? el("small", {}, ` ${times} times`) : null)))
    : [el("li", {}, wanted ? "No event has these words." : "Nothing yet.")]);
}

function drawRefusals({ refusals, untrusted }) {
  const newest = [...refusals].sort((a, b) => b.last_at.localeCompare(a.last_at));
  draw("refusals", [newest, untrusted], () => [
    ...newest.map(({ code, meaning, remedy, count, last_peer, last_at, last_correlation }) => el("article", { "data-code": code },
      el("span", { class: "count" }, plural(count, "time")),
      el("h3", {}, `${capital(meaning)}.`),
      el("p", {}, `${capital(remedy)}.`),
      el("p", {}, el("small", {}, `${code}, last with `, el("span", { class: "address" }, last_peer), ", ", age(last_at), last_correlation ? `, ${last_correlation} in both logs` : "")))),
    ...untrusted.map(({ id, address, code }) => el("article", { "data-code": code },
      el("h3", {}, `${id} is a member to others and not believed here.`),
      el("p", {}, el("small", {}, `${code}, at `, el("span", { class: "address" }, address))))),
    ...(newest.length + untrusted.length ? [] : [el("p", { class: "none" }, "Nobody was refused, and nobody refused this node, since it was started.")]),
  ]);
}

function drawCertificates(view) {
  const all = allCertificates(view);
  const longest = Math.max(1, ...all.map(({ days_left }) => days_left));
  draw("certificates", all, () => all.length
    ? el("ul", {}, ...all.map(({ member, subject, issuer, hosts, not_after, days_left }) => {
        const level = urgency(days_left);
        const bar = el("span");
        bar.style.width = `${(100 * days_left) / longest}%`;
        return el("li", { class: level, "data-member": member },
          el("span", { class: "days" }, `${plural(days_left, "day")} left`), el("b", {}, member),
          el("span", { class: "bar", "aria-hidden": "true" }, bar),
          el("small", {}, `${subject}, until ${clock(not_after)}`),
          el("small", {}, `issued by ${issuer}, for ${hosts.join(", ")}`));
      }))
    : el("p", { class: "none" }, "This cluster runs without TLS: there are no certificates, and anyone who reaches its ports can join it."));
}
