// The judging page: checks before sending, sending, buttons, letters. The page works without it.
import { listen } from "./keys.js";
import { ask } from "./kinds.js";
import { $, $$, say } from "./page.js";
import { activateNamed, answer, firstOpen, startQuestions, step } from "./questions.js";
import { activeTime, restartTime, scroller, show, startReading, toggleView, unread } from "./reading.js";

const FRESH_MS = 300;
const SLOW_MS = 400;

let shownAt = -FRESH_MS;
let hasAskedUnread = false;

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
    const missing = ask("missing");
    if (missing) {
      stop(event);
      form.classList.add("tried");
      missing.focus?.focus({ focusVisible: true });
      return say(missing.say);
    }
    const open = firstOpen();
    if (open) {
      stop(event);
      form.classList.add("tried");
      if (open.closest("#crits")) unfold("open", true);
      open.querySelector("input").focus({ focusVisible: true });
      return say(`Please answer ${open.dataset.name}`);
    }
    if (unread().length && !hasAskedUnread) {
      stop(event);
      hasAskedUnread = true;
      const text = `Submit without reading ${unread().join(" and ")}?`;
      $("#submit span").textContent = text;
      return say(text);
    }
    $("#active-seconds").value = String(activeTime());
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
    activateNamed("confidence");
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
  digit: (digit) => ask("digit", digit) || answer(digit),
  arrow: step,
  letter: (letter) => {
    if (ask("letter", letter)) return true;
    if (letter in LETTERS) return LETTERS[letter](), true;
    return letter <= "h" && show(letter);
  },
  key: (event) => ask("key", event),
  enter: () => $("#judge").requestSubmit($("#submit")),
  help: () => $("#keys").showModal(),
  isFresh: () => performance.now() - shownAt < FRESH_MS,
});

// A new item -----------------------------------------------------------------------------------------

function start() {
  startQuestions();
  startReading();
  ask("start");
}

document.addEventListener("htmx:afterSettle", (event) => {
  if (event.detail.target.id !== "task") return;
  shownAt = performance.now();
  const errors = $("#errors");
  if (!errors) {
    hasAskedUnread = false;
    restartTime();
  }
  start();
  (errors ?? $("#item-h")).focus();
  if (!errors) say($("#item-h").textContent);
});

start();
