// The page as a whole: asks, listens, and draws what it is told.

const POLL = 2_000;
const CERTIFICATES = 60_000;
const DOCTOR = 35_000;
const EVENTS_KEPT = 1_024;

const view = { ready: false, topology: null, refusals: [], untrusted: [], certificates: null, examined: null };
// Newest first.
let events = [];
let [answered, locked, running] = [null, false, false];
let [next, certificatesAt, streaming] = [null, 0, true];

function drawAll() {
  if (!view.topology) return;
  byId("panels").hidden = false;
  for (const part of [drawVerdict, drawMembers, drawPairs, drawRefusals, drawCertificates]) part(view);
  drawTimeline(events);
}

function drawLink(problem) {
  const isLost = problem !== null;
  document.body.classList.toggle("lost", isLost);
  byId("link").className = locked ? "" : isLost ? "lost" : "live";
  const since = answered ? ` since ${clock(answered)}; what stands below is from then` : "";
  say("link", locked ? "locked" : isLost ? `no answer${since} (${problem})` : `as ${view.topology.observer} sees it${streaming ? "" : "; events are late"}`);
  if (isLost && !answered && !locked) say("verdict", "The node does not answer");
}

async function poll() {
  clearTimeout(next);
  try {
    const [topology, refusals, untrusted] = await Promise.all(["topology", "refusals", "untrusted"].map((path) => ask(path)));
    if (Date.now() - certificatesAt > CERTIFICATES) {
      view.certificates = await askIfAny("certificates");
      certificatesAt = Date.now();
    }
    view.ready ||= await isReady();
    Object.assign(view, { topology, refusals, untrusted });
    answered = Date.now();
    drawAll();
    drawLink(null);
  } catch (error) {
    if (error.status === 401) return lock();
    drawLink(error.name === "TimeoutError" ? "too slow" : error.message);
  }
  soon(POLL);
}

function soon(delay) {
  clearTimeout(next);
  if (!locked && !document.hidden) next = setTimeout(poll, delay);
}

function take({ event, data }) {
  if (event === "happened") {
    events = [data, ...events].slice(0, EVENTS_KEPT);
    if (data.kind.startsWith("Member")) certificatesAt = 0;
  }
  if (event === "missed") {
    view.ready &&= data.count > 0;
    const text = data.count ? `${plural(data.count, "event")} were missed` : "the node was started anew";
    events = [{ id: `missed-${Date.now()}`, at: new Date().toISOString(), kind: "Missed", text }, ...events];
  }
  if (view.topology) drawTimeline(events);
  soon(100);
  return data.id ?? null;
}

async function follow() {
  let last = null;
  while (!locked) {
    try {
      if (last === null) {
        const recent = await ask("events/recent");
        events = recent.events.reverse();
        last = recent.last;
      }
      streaming = true;
      for await (const message of messages(last)) last = take(message) ?? last;
    } catch (error) {
      if (error.status === 401) lock();
    }
    streaming = false;
    await new Promise((resolve) => setTimeout(resolve, POLL));
  }
}

function lock() {
  if (locked) return;
  locked = true;
  clearTimeout(next);
  document.body.dataset.level = "wait";
  document.title = "Locked – Phalanx";
  say("verdict", "This node wants its token");
  say("unlock-error", sessionStorage.getItem(TOKEN) ? "That is not its token." : "");
  sessionStorage.removeItem(TOKEN);
  byId("attention").replaceChildren();
  byId("panels").hidden = true;
  byId("unlock").hidden = false;
  drawn.clear();
  drawLink("");
  byId("token").focus();
}

async function start() {
  locked = false;
  byId("unlock").hidden = true;
  await poll();
  if (locked || running) return;
  running = true;
  await follow();
  running = false;
}

byId("unlock").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(TOKEN, byId("token").value.trim());
  byId("token").value = "";
  say("verdict", "Asking the node …");
  start();
});

byId("filter").addEventListener("input", () => drawTimeline(events));

byId("examine").addEventListener("click", async ({ target }) => {
  target.disabled = true;
  say("examined", "They are dialling …");
  try {
    view.examined = { pairs: await ask("doctor", DOCTOR) };
    const failed = view.examined.pairs.filter(({ ok }) => !ok).length;
    const of = plural(view.examined.pairs.length, "pair");
    say("examined", `${failed ? `${failed} of ${of} failed` : `All ${of} verify each other`}, ${clock(Date.now())}`);
    drawAll();
  } catch (error) {
    if (error.status === 401) lock();
    say("examined", capital(error.message));
  }
  target.disabled = false;
});

document.addEventListener("visibilitychange", () => soon(0));
setInterval(renewAges, 5_000);
start();
