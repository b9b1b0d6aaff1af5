// Reading: read-to-end facts, ways to see the text, active time.
import { $, $$ } from "./page.js";

const root = document.documentElement;
const IDLE_MS = 60_000;
const BELOW_HEADER = 60;

const reader = new IntersectionObserver((entries) => {
  for (const entry of entries) if (entry.isIntersecting) markRead(entry.target.dataset.end);
});

function markRead(label) {
  const mark = $(`[data-read="${label}"]`);
  if (!mark || !mark.hidden) return;
  mark.hidden = false;
  if ($(`#judge input[name="read_to_end"][value="${label}"]`)) return;
  const fact = document.createElement("input");
  Object.assign(fact, { type: "hidden", name: "read_to_end", value: label });
  $("#judge").append(fact);
}

export const unread = () => $$("[data-read][hidden]").map((mark) => mark.dataset.read);

export function scroller() {
  const stage = $("#stage");
  return stage.scrollHeight > stage.clientHeight ? stage : document.scrollingElement;
}

/** Scrolls to the next (1) or previous (−1) turn of responses that are conversations; false when there is none. */
export function stepTurn(by) {
  const stage = scroller();
  const edge = Math.max(0, stage.getBoundingClientRect().top) + BELOW_HEADER;
  const ways = $$(".turn-mark").map((mark) => (mark.getBoundingClientRect().top - edge) * by).filter((way) => way > 4);
  if (ways.length) stage.scrollBy({ top: Math.min(...ways) * by });
  return ways.length > 0;
}

export function show(label) {
  const card = $(`#resp-${label}`);
  if (!card) return false;
  card.focus({ preventScroll: $("#pair") !== null });
  const pair = $("#pair");
  if (pair && pair.scrollWidth > pair.clientWidth) pair.scrollTo({ left: card.offsetLeft - pair.offsetLeft - 14 });
  return true;
}

const VIEWS = { text: "plain", layout: "stack" };

export function toggleView(name) {
  if (root.dataset[name]) delete root.dataset[name];
  else root.dataset[name] = VIEWS[name];
  pressViews();
}

function pressViews() {
  for (const button of $$("[data-view]")) button.setAttribute("aria-pressed", String(button.dataset.view in root.dataset));
}

export function startReading() {
  for (const end of $$("[data-end]")) reader.observe(end);
  pressViews();
}

// Active time: visible and touched within the last minute.
let activeSeconds = 0;
let lastSeen = performance.now();

for (const kind of ["pointermove", "pointerdown", "keydown", "wheel", "touchmove", "scroll"])
  addEventListener(kind, () => (lastSeen = performance.now()), { passive: true, capture: true });
setInterval(() => {
  if (!document.hidden && performance.now() - lastSeen < IDLE_MS) activeSeconds += 1;
}, 1000);

export const activeTime = () => activeSeconds;
export const restartTime = () => (activeSeconds = 0);
