// What the management server is asked, and the token that it may want.

const TOKEN = "phalanx.token";
const ANSWER_TIMEOUT = 8_000;
// The server's heartbeat comes every 15 s.
const SILENCE_MAX = 40_000;

class Failure extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

async function request(path, signal) {
  const token = sessionStorage.getItem(TOKEN);
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const response = await fetch(path, { headers, signal, cache: "no-store", credentials: "omit" });
  if (response.ok) return response;
  const text = await response.json().then((view) => view.error, () => response.statusText);
  throw new Failure(response.status, text);
}

async function ask(path, patience = ANSWER_TIMEOUT) {
  return (await request(path, AbortSignal.timeout(patience))).json();
}

// The same, and null where there is no such thing at this node.
async function askIfAny(path) {
  try {
    return await ask(path);
  } catch (error) {
    if (error.status === 404) return null;
    throw error;
  }
}

// Whether the node was let into its cluster; once it was, it stays so.
async function isReady() {
  return (await fetch("ready", { signal: AbortSignal.timeout(ANSWER_TIMEOUT), cache: "no-store" })).ok;
}

// The messages of the stream of events behind the event `after`, until it ends or falls silent.
async function* messages(after) {
  const silence = new AbortController();
  const renew = (timer) => (clearTimeout(timer), setTimeout(() => silence.abort(), SILENCE_MAX));
  let timer = renew();
  try {
    const { body } = await request(`events?after=${encodeURIComponent(after)}`, silence.signal);
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      timer = renew(timer);
      const parts = (text + value).split("\n\n");
      text = parts.pop();
      for (const part of parts) {
        const lines = part.split("\n").map((line) => line.match(/^(\w+): ?(.*)$/)).filter(Boolean);
        const { event, data } = Object.fromEntries(lines.map(([, name, rest]) => [name, rest]));
        if (data) yield { event, data: JSON.parse(data) };
      }
    }
  } finally {
    clearTimeout(timer);
    silence.abort();
  }
}
