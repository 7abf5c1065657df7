// What an operator is told first: whether anything needs them, and what.

const RECENT = 10 * 60_000;
const DAYS_TO_WATCH = 14;
const DAYS_TO_ACT = 3;

const urgency = (days) => (days < DAYS_TO_ACT ? "act" : days < DAYS_TO_WATCH ? "watch" : "calm");

// All certificates in force, the first to end first; none without TLS.
function allCertificates({ certificates }) {
  return [...(certificates?.members ?? [])].sort((a, b) => a.not_after.localeCompare(b.not_after) || byName(a.member, b.member));
}

// [level, words, hint] for everything that is not as it should be, the worst first.
function concerns(view) {
  const { ready, topology, refusals, untrusted } = view;
  const found = [];
  if (!ready) found.push(["act", "No contact point has let this node in.", "Its log names each and says why; so does phalanx doctor."]);
  for (const { id, state, since, udp_unreachable } of topology.members) {
    if (state === "dead") found.push(["act", `${id} is dead since ${clock(since)}.`, `Gone for good? phalanx forget ${id}`]);
    if (udp_unreachable) found.push(["watch", `${id} answers over TCP but not over UDP.`, "A firewall between the two, perhaps."]);
  }
  for (const { member, by } of topology.suspicions) found.push(["watch", `${member} is suspected by ${list(by)}.`, "It has not answered probes; if it does not refute this, it will be held dead."]);
  for (const { id, address, code } of untrusted) found.push(["watch", `${id} at ${address} is a member to others and not believed here: ${code}.`, ""]);
  for (const { member, days_left } of allCertificates(view)) {
    const level = urgency(days_left);
    if (level !== "calm") found.push([level, `The certificate of ${member} ends in ${plural(days_left, "day")}.`, "Put a new one into its file; the node takes it up by itself."]);
  }
  for (const { code, meaning, last_at, last_peer } of refusals) {
    if (Date.now() - new Date(last_at) < RECENT) found.push(["watch", `Refused ${clock(last_at)}, ${last_peer}: ${meaning}.`, code]);
  }
  return found.sort(([a], [b]) => a.localeCompare(b));
}

function headline(ready, alive, all) {
  if (!ready) return "This node is in no cluster yet";
  if (alive < all) return `${alive} of ${all} members are alive`;
  return all === 1 ? "This node is alone in its cluster" : `All ${all} members are alive`;
}

function drawVerdict(view) {
  const counted = view.topology.members.filter(({ state }) => state !== "left");
  const alive = counted.filter(({ state }) => state === "alive").length;
  const found = concerns(view);
  document.body.dataset.level = found.length ? found[0][0] : "calm";
  document.title = `${found.length ? "(!) " : ""}${alive} of ${counted.length} alive – Phalanx`;
  say("verdict", headline(view.ready, alive, counted.length));
  draw("attention", found, () => found.length
    ? found.map(([level, words, hint]) => el("li", { class: level }, `${words} `, el("small", {}, hint)))
    : [el("li", {}, "Nothing needs you.")]);
}
