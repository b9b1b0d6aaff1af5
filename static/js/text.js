// Kinds that write text: drafts go to the server and to no other place, N goes to the text, digits pick principles.
import { register } from "./kinds.js";
import { $, $$, said, say } from "./page.js";

const IDLE_MS = 10_000;
const LONGEST_MS = 60_000;
const KEEPALIVE_BYTES = 60_000;
const OF_THE_PAGE = ["csrfmiddlewaretoken", "submission_id", "attempt", "active_seconds"];

let kept = "";
let timer = 0;
let unsavedSince = 0;

const fields = () => new URLSearchParams(new FormData($("#judge")));
const draftUrl = () => $("[data-draft]")?.dataset.draft;
const post = (url, options) => fetch(url, { method: "POST", headers: { "HX-Request": "true" }, ...options });

function typed() {
  const all = fields();
  for (const name of OF_THE_PAGE) all.delete(name);
  return all.toString();
}

/** Saves 10 seconds after the last change; who never pauses is saved once a minute. */
function later() {
  clearTimeout(timer);
  unsavedSince ||= performance.now();
  timer = setTimeout(save, Math.max(0, Math.min(IDLE_MS, unsavedSince + LONGEST_MS - performance.now())));
}

async function save() {
  clearTimeout(timer);
  unsavedSince = 0;
  const url = draftUrl();
  const now = typed();
  if (!url || now === kept) return;
  const body = fields();
  const reply = await post(url, { body, keepalive: document.hidden && body.toString().length < KEEPALIVE_BYTES }).catch(() => null);
  if (url !== draftUrl()) return; // the next item is here already
  const time = reply?.status === 204 && reply.headers.get("X-Draft-Saved");
  if (time) kept = now;
  const at = time && new Date(time).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  $("#draft-state").textContent = at ? said("savedAt", at) : said("notSaved");
}

async function showChanges(button) {
  const reply = await post(button.formAction, { body: fields() }).catch(() => null);
  const page = reply?.ok && new DOMParser().parseFromString(await reply.text(), "text/html");
  const changes = page && $("#changes", page);
  if (!changes) return say(said("changesLost"));
  $("#changes").replaceWith(changes);
  changes.scrollIntoView({ block: "nearest" });
  say(said("changesShown"));
}

document.addEventListener("input", () => draftUrl() && later());
addEventListener("visibilitychange", () => document.hidden && save());
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-changes], [data-save-draft]");
  if (!button) return;
  event.preventDefault();
  "changes" in button.dataset ? showChanges(button) : save();
});

/** "None" and the principles put each other out. */
document.addEventListener("change", ({ target }) => {
  if (!target.matches("#principles :checked")) return;
  for (const box of $$("#principles :checked"))
    if ("none" in box.dataset !== "none" in target.dataset) box.checked = false;
});

function pick(digit) {
  const box = $(`#principles [data-digit="${digit}"]`);
  if (!box || $('[data-q="confidence"][data-active="true"]')) return false;
  box.checked = !box.checked;
  box.dispatchEvent(new Event("change", { bubbles: true }));
  say(said(box.checked ? "picked" : "notPicked", $("b", box.parentElement).textContent));
  return true;
}

const emptyText = () => $$("[data-write]").find((area) => !area.value.trim());

function goToText() {
  const area = emptyText() ?? $$("[data-write]").at(-1);
  area.focus();
  area.setSelectionRange(area.value.length, area.value.length);
  return true;
}

function missing() {
  const boxes = $("#principles");
  if (boxes && !$(":checked", boxes)) return { say: said("pick"), focus: $("input", boxes) };
  const area = emptyText();
  return area ? { say: area.dataset.write, focus: area } : null;
}

function start() {
  clearTimeout(timer);
  unsavedSince = 0;
  kept = $("#errors") ? "" : typed();
  // The response stays in view beside the fields, its end too when it is the longer one.
  const card = $(".critique > article");
  card?.style.setProperty("--stick", `${Math.min(0, $("#stage").clientHeight - card.offsetHeight - 8)}px`);
}

register(["demonstration", "critique"], {
  start,
  changed: () => draftUrl() && later(),
  digit: pick,
  letter: (letter) => letter === "n" && goToText(),
  missing,
});
