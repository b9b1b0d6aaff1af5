// The judging page: active question, read-to-end facts, active time, sending. The page works without it.
import { listen, say } from "./keys.js";
import { showRanking } from "./rank.js";

const $ = (selector, from = document) => from.querySelector(selector);
const $$ = (selector, from = document) => [...from.querySelectorAll(selector)];
const root = document.documentElement;
const FRESH_MS = 300;
const IDLE_MS = 60_000;
const SLOW_MS = 400;

let questions = [];
let active = 0;
let shownAt = -FRESH_MS;
let hasAskedUnread = false;
let activeSeconds = 0;
let lastSeen = performance.now();

// Questions ------------------------------------------------------------------------------------------

const isVisible = (question) => question.checkVisibility();
const isAnswered = (question) => question.querySelector(":checked") !== null;
const isOptional = (question) => "optional" in question.dataset;

function activate(index) {
  active = index;
  questions.forEach((question, i) => (question.dataset.active = String(i === index)));
}

/** The nearest shown question in the direction of `step`; on phones folded criteria count as shown. */
function step(by) {
  for (let i = active + by; i >= 0 && i < questions.length; i += by) {
    if (isVisible(questions[i]) || questions[i].closest("#crits")) return activate(i), true;
  }
  return true;
}

function moveOn() {
  const tie = $(".tie-why");
  if (tie && questions[active].querySelector(".ov-t:checked")) return activate(questions.indexOf(tie));
  const next = questions.findIndex((question, i) => i > active && !isOptional(question));
  if (next >= 0 && !isOptional(questions[active])) activate(next);
}

function answer(digit) {
  const question = questions[active];
  const radio = question?.querySelector(`input[data-digit="${digit}"]`);
  if (!radio) return false;
  radio.checked = true;
  radio.dispatchEvent(new Event("change", { bubbles: true }));
  say(radio.getAttribute("aria-label") ?? radio.labels[0].textContent);
  moveOn();
  return true;
}

function count() {
  const criteria = $$("#crits [data-q]");
  const label = $("#crit-count");
  if (label) label.textContent = `Criteria, ${criteria.filter(isAnswered).length} of ${criteria.length} answered`;
  showRanking();
}

document.addEventListener("change", (event) => {
  const radio = event.target;
  if (radio.matches(".scale input")) $("#now").textContent = radio.getAttribute("aria-label");
  if (!radio.matches(".tie-why input") && radio.matches(".scale input:not(.ov-t)"))
    $$(".tie-why :checked").forEach((reason) => (reason.checked = false));
  count();
});

document.addEventListener("focusin", (event) => {
  const holder = event.target.closest("[data-q]") ?? event.target.closest(".rcard")?.querySelector("[data-q]");
  const index = questions.indexOf(holder);
  if (index >= 0) activate(index);
});

// Reading --------------------------------------------------------------------------------------------

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

/** The shorter response waits in view while the longer one is read. */
const fitter = new ResizeObserver(() => {
  const stage = $("#stage");
  for (const text of $$(".pair .resp-text"))
    text.style.setProperty("--stick", `${Math.min(48, stage.clientHeight - text.offsetHeight)}px`);
});

function scroller() {
  const stage = $("#stage");
  return stage.scrollHeight > stage.clientHeight ? stage : document.scrollingElement;
}

function show(label) {
  const card = $(`#resp-${label}`);
  if (!card) return false;
  card.focus({ preventScroll: $("#pair") !== null });
  const pair = $("#pair");
  if (pair && pair.scrollWidth > pair.clientWidth) pair.scrollTo({ left: card.offsetLeft - pair.offsetLeft - 14 });
  return true;
}

function markTab() {
  const pair = $("#pair");
  const isB = pair.scrollLeft > pair.clientWidth / 2;
  for (const tab of $$("[data-tab]"))
    (tab.dataset.tab === "b") === isB ? tab.setAttribute("aria-current", "true") : tab.removeAttribute("aria-current");
}

const VIEWS = { text: "plain", layout: "stack" };

function toggleView(name) {
  if (root.dataset[name]) delete root.dataset[name];
  else root.dataset[name] = VIEWS[name];
  pressViews();
}

function pressViews() {
  for (const button of $$("[data-view]")) button.setAttribute("aria-pressed", String(button.dataset.view in root.dataset));
}

// Active time: visible and touched within the last minute ------------------------------------------------

for (const kind of ["pointermove", "pointerdown", "keydown", "wheel", "touchmove", "scroll"])
  addEventListener(kind, () => (lastSeen = performance.now()), { passive: true, capture: true });
setInterval(() => {
  if (!document.hidden && performance.now() - lastSeen < IDLE_MS) activeSeconds += 1;
}, 1000);

// Sending --------------------------------------------------------------------------------------------

function stop(event) {
  event.preventDefault();
  event.stopImmediatePropagation();
}

document.addEventListener(
  "submit",
  (event) => {
    const form = event.target;
    if (form.id !== "judge") return;
    const open = questions.findIndex((question) => !isOptional(question) && !isAnswered(question));
    if (open >= 0) {
      stop(event);
      form.classList.add("tried");
      if (questions[open].closest("#crits")) unfold("open", true);
      activate(open);
      questions[open].querySelector("input").focus({ focusVisible: true });
      return say(`Please answer ${questions[open].dataset.name}`);
    }
    const unread = $$("[data-read][hidden]").map((mark) => mark.dataset.read);
    if (unread.length && !hasAskedUnread) {
      stop(event);
      hasAskedUnread = true;
      const text = `Submit without reading ${unread.join(" and ")}?`;
      $("#submit span").textContent = text;
      return say(text);
    }
    $("#active-seconds").value = String(activeSeconds);
  },
  true,
);

let slowTimer = 0;

function setSaveState(text, kind) {
  const state = $("#save-state");
  if (!state || state.textContent.trim() === text) return;
  const line = document.createElement("span");
  line.className = kind;
  line.textContent = text;
  state.replaceChildren(line);
}

document.addEventListener("htmx:beforeRequest", () => {
  $("#submit").setAttribute("aria-busy", "true");
  slowTimer = setTimeout(() => setSaveState("Saving", "st-ok"), SLOW_MS);
});
document.addEventListener("htmx:afterRequest", (event) => {
  clearTimeout(slowTimer);
  $("#submit")?.removeAttribute("aria-busy");
  if (!event.detail.successful) return;
  problem("");
  // "Saved" only when the answer names the submission (ui-spec 7.3).
  if (event.detail.xhr.getResponseHeader("X-Submission-Id")) setSaveState("All saved", "st-ok");
});

const PROBLEMS = {
  401: "You are signed out. Your answers on this page are kept. Sign in in a new tab, then submit here again.",
  403: "This page was out of date. Your answers are kept. Submit again.",
  404: "This item is not yours any more. Your answers are still here to copy.",
  409: "This item was answered before with another answer, and that one is kept. My last 20 lets you change it.",
};
let isTokenStale = false;

function problem(text, isSignedOut = false) {
  const banner = $("#problem");
  banner.firstElementChild.textContent = text;
  banner.hidden = !text;
  $("a", banner).hidden = !isSignedOut;
}

document.addEventListener("htmx:responseError", async (event) => {
  let status = event.detail.xhr.status;
  isTokenStale = status === 401 || status === 403;
  setSaveState("Not saved", "st-off");
  if (status === 403 && !(await refreshToken())) status = 401;
  problem(PROBLEMS[status] ?? "Our server had a problem. Your answers are kept. Submit again in a moment.", status === 401);
});
for (const kind of ["htmx:sendError", "htmx:timeout"])
  document.addEventListener(kind, () => {
    problem("The connection failed. Your answers are kept. Submit again: nothing is counted twice.");
    setSaveState("Not saved", "st-off");
  });

// Signing in again changes the CSRF token: fetch the page once more for a fresh one before sending.
document.addEventListener("htmx:confirm", (event) => {
  if (!isTokenStale) return;
  event.preventDefault();
  refreshToken().then(() => event.detail.issueRequest(true));
});

/** Answers whether there is a fresh token; there is none while signed out. */
async function refreshToken() {
  const reply = await fetch(location.href);
  const page = new DOMParser().parseFromString(await reply.text(), "text/html");
  const token = page.querySelector("[name=csrfmiddlewaretoken]")?.value;
  if (!token || page.body.classList.contains("login")) return false;
  for (const field of $$("[name=csrfmiddlewaretoken]")) field.value = token;
  isTokenStale = false;
  return true;
}

// Buttons --------------------------------------------------------------------------------------------

/** On phones the criteria ("open") and the note ("more") fold away; one of them is open at a time. */
function unfold(name, isOpen = !$("#judge").classList.contains(name)) {
  for (const button of $$("[data-unfold]")) {
    const part = button.dataset.unfold;
    const shown = part === name && isOpen;
    $("#judge").classList.toggle(part, shown);
    button.setAttribute("aria-expanded", String(shown));
  }
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-opens], [data-view], [data-unfold], [data-tab]");
  if (!button) return;
  const { opens, view, unfold: part, tab } = button.dataset;
  if (opens || tab) event.preventDefault();
  if (opens) $(`#${opens}`).showModal();
  if (view) toggleView(view);
  if (part) unfold(part);
  if (tab) show(tab);
});

const LETTERS = {
  n: () => {
    unfold("more", true);
    const note = $("#note");
    note.focus();
    note.setSelectionRange(note.value.length, note.value.length);
  },
  s: () => {
    unfold("more", true);
    activate(questions.findIndex((question) => question.dataset.q === "confidence"));
    say("How sure are you? 1 guess, 2 fairly, 3 sure");
  },
  x: () => $("#cant-button").click(),
  u: () => $("#undo")?.click(),
  p: () => {
    const history = $(".history");
    if (history) history.open = !history.open;
  },
  i: () => $("#guide").showModal(),
  t: () => toggleView("text"),
  l: () => $('[data-view="layout"]') && toggleView("layout"),
  j: () => scroller().scrollBy({ top: 240 }),
  k: () => scroller().scrollBy({ top: -240 }),
};

listen({
  digit: answer,
  arrow: step,
  letter: (letter) => {
    if (letter in LETTERS) return LETTERS[letter](), true;
    return letter <= "h" && show(letter);
  },
  enter: () => $("#judge").requestSubmit($("#submit")),
  help: () => $("#keys").showModal(),
  isFresh: () => performance.now() - shownAt < FRESH_MS,
});

// A new item -----------------------------------------------------------------------------------------

function start() {
  questions = $$("[data-q]");
  const open = questions.findIndex((question) => !isOptional(question) && !isAnswered(question));
  const last = questions.findLastIndex((question) => !isOptional(question));
  activate(open >= 0 ? open : last);
  for (const end of $$("[data-end]")) reader.observe(end);
  fitter.disconnect();
  fitter.observe($("#stage"));
  $("#pair")?.addEventListener("scroll", markTab, { passive: true });
  pressViews();
  count();
}

document.addEventListener("htmx:afterSettle", (event) => {
  if (event.detail.target.id !== "task") return;
  shownAt = performance.now();
  const errors = $("#errors");
  if (!errors) {
    hasAskedUnread = false;
    activeSeconds = 0;
  }
  start();
  (errors ?? $("#item-h")).focus();
  if (!errors) say($("#item-h").textContent);
});

start();
