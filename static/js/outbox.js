// Answers on their way: each is on this device before it is on the wire, and stays until the server names its id.
import { csrfToken, parsed } from "./page.js";

const WAIT_SECONDS = [2, 5, 15, 30, 60];
const LOCAL = "outbox:";

export const owner = document.body.dataset.user;

/** What the page does: `showing` is what it has on the screen (views/task.py), `changed` comes after every change. */
export const page = { showing: () => "elsewhere", changed() {}, saved() {}, refused() {}, async signIn() {} };

/** Of this person, oldest first: {id, user, at, url, page, key, label, body, refused}. */
let entries = [];
/** How many answers of others wait here; they are neither sent nor shown. */
export let sealed = 0;
/** Why nothing is sent now: 401, another status, 0 when nothing comes through; null: no trouble. */
export let trouble = null;

export const waiting = () => entries.filter((entry) => !entry.refused);
export const refused = () => entries.filter((entry) => entry.refused);
export const letGo = () => (entries = []);

// Kept in IndexedDB, else in localStorage.

const database = new Promise((done, fail) => {
  const request = indexedDB.open("concord");
  request.onupgradeneeded = () => request.result.createObjectStore("outbox", { keyPath: "id" });
  request.onsuccess = () => done(request.result);
  request.onerror = fail;
});

async function inDatabase(act, otherwise) {
  try {
    const transaction = (await database).transaction("outbox", "readwrite", { durability: "strict" });
    const request = act(transaction.objectStore("outbox"));
    return await new Promise((done, fail) => {
      transaction.oncomplete = () => done(request.result);
      transaction.onabort = fail;
    });
  } catch {
    return otherwise();
  }
}

export async function load() {
  const local = Object.keys(localStorage).filter((key) => key.startsWith(LOCAL));
  const kept = (await inDatabase((store) => store.getAll(), () => [])).concat(local.map((key) => JSON.parse(localStorage[key])));
  entries = kept.filter((entry) => entry.user === owner).sort((a, b) => a.at - b.at);
  sealed = kept.length - entries.length;
  page.changed();
}

export async function keep(entry) {
  entries = entries.filter(({ id }) => id !== entry.id).concat(entry);
  await inDatabase((store) => store.put(entry), () => (localStorage[LOCAL + entry.id] = JSON.stringify(entry)));
}

export async function remove(id) {
  localStorage.removeItem(LOCAL + id);
  await inDatabase((store) => store.delete(id), () => {});
  await load();
}

// Sending, one after the other.

let timer = 0;
let failures = 0;
let running = null;

/** The one that runs now, if any. */
export const settled = async () => running;
export const flush = () => (running ??= run().finally(() => (running = null)));

async function run() {
  clearTimeout(timer);
  let hasSignedIn = false;
  // Read anew each time: another tab may have sent one meanwhile, or taken it back.
  for (await load(); waiting().length; await load()) {
    const [entry, next] = waiting();
    const reply = await post(entry, next ? "elsewhere" : page.showing());
    const { status = 0, headers, from } = reply;
    if (reply.ok && headers.get("X-Submission-Id") === entry.id) {
      trouble = null;
      failures = 0;
      await remove(entry.id);
      page.saved(entry, headers, from);
    } else if (status === 401 || (status === 403 && !hasSignedIn)) {
      trouble = 401;
      page.changed();
      if (!(await page.signIn())) return;
      hasSignedIn = true;
    } else if (status >= 400 && status < 500 && status !== 429) {
      await keep({ ...entry, refused: status });
      page.refused(entry, status, from);
    } else {
      trouble = status;
      const seconds = WAIT_SECONDS[failures++] ?? WAIT_SECONDS.at(-1);
      timer = setTimeout(flush, seconds * (800 + 400 * Math.random()));
      return page.changed();
    }
  }
}

async function post({ url, body }, showing) {
  try {
    const headers = { "HX-Request": "true", "X-CSRFToken": csrfToken(), "X-Showing": showing };
    const reply = await fetch(url, { method: "POST", body: new URLSearchParams(body), headers, signal: AbortSignal.timeout(30_000) });
    return { ok: reply.ok, status: reply.status, headers: reply.headers, from: await parsed(reply) };
  } catch {
    return {};
  }
}

addEventListener("online", flush);
addEventListener("beforeunload", (event) => waiting().length && event.preventDefault());
