// The judging page: checks before sending, what becomes of an answer, buttons, letters. The page works without it.
import { listen } from "./keys.js";
import { ask } from "./kinds.js";
import { flush, keep, load, owner, page, refused, remove, sealed, settled, trouble, waiting } from "./outbox.js";
import { $, $$, counted, said, say } from "./page.js";
import { activateNamed, answer, firstOpen, startQuestions, step } from "./questions.js";
import { activeTime, restartTime, scroller, show, startReading, stepTurn, toggleView, unread } from "./reading.js";
import { announce, answersIn, askForSpare, current, forget, judge, put, restore, setSpare, takeSpare } from "./screen.js";

const FRESH_MS = 300;
const SLOW_MS = 400;
const LEASE_SHARE = 5 / 6;

let shownAt = -FRESH_MS;
let hasAskedUnread = false;

// Sending --------------------------------------------------------------------------------------------

/** The answer given last, with what it was given on, while the page is open. */
let last = null;
let slowTimer = 0;

/** Answered, and nothing behind it yet: it stays to be read. */
const isAnswered = () => judge().inert;

function setAnswered(is) {
  judge().inert = is;
  $("#submit").ariaBusy = String(is);
  paint();
}

/** Whether the form may go; asks for what is open. */
function isComplete(form) {
  const open = ask("missing");
  const question = open ? null : firstOpen();
  if (open || question) {
    form.classList.add("tried");
    if (question?.closest("#crits")) unfold("open", true);
    (open ? open.focus : $("input", question))?.focus({ focusVisible: true });
    say(open ? open.say : said("answer", question.dataset.name));
    return false;
  }
  if (!unread().length || hasAskedUnread) return true;
  hasAskedUnread = true;
  const text = said("unread", unread().join(said("and")));
  $("#submit span").textContent = text;
  say(text);
  return false;
}

document.addEventListener(
  "submit",
  (event) => {
    const form = event.target;
    if (form.matches(".undo-form") && waiting().length) return event.preventDefault(), undo();
    if (!form.matches("#judge, #release, #report-form")) return;
    event.preventDefault();
    if (form.id === "report-form") return import("./report.js").then((it) => it.sendReport(form), () => form.submit());
    if (isAnswered()) return flush();
    if (form.id === "judge" && !isComplete(form)) return;
    $("#active-seconds").value = String(activeTime());
    hand(new URLSearchParams(new FormData(form, event.submitter)), form.getAttribute("action"));
  },
  true,
);

/** Keeps the answer, shows the next item if it is here, sends. */
function hand(fields, url) {
  performance.mark("concord:enter");
  fields.delete("csrfmiddlewaretoken");
  const { url: address, key } = judge().dataset;
  const id = fields.get("submission_id");
  last = { id, view: current() };
  keep({ id, user: owner, at: Date.now(), url, page: address, key, label: $("#item-h").textContent, body: String(fields) }).then(flush);
  goOn();
  clearTimeout(slowTimer);
  slowTimer = setTimeout(() => waiting().length && trouble === null && setSaveState(said("saving"), "st-ok"), SLOW_MS);
}

function goOn() {
  if (takeSpare()) put(), shown();
  else setAnswered(true);
}

Object.assign(page, {
  showing: () => (isAnswered() ? "nothing" : judge().dataset.showing),
  changed: paint,
  signIn: async () => (await import("./signin.js")).signIn(),

  saved(entry, headers, from) {
    forget(entry.key);
    const to = headers.get("HX-Redirect");
    if (to) return location.assign(to);
    const bar = $("#bar", from);
    if (bar) {
      const { id } = $("#bar :focus") ?? {};
      // What says that all is saved is a live region: it stays, and only what it says changes.
      const line = $("#save-state");
      const now = $("#save-state", bar);
      for (const part of [".bar-start", ".bar-mid"]) $(`#bar ${part}`).replaceWith($(part, bar));
      for (const part of $$("#save-state ~ *")) part.remove();
      line.after(...$$("#save-state ~ *", bar));
      if (!waiting().length && line.textContent.trim() !== now.textContent.trim()) line.replaceChildren(...now.childNodes);
      if (id) $(`#${id}`)?.focus();
    }
    if (!arrive(from)) $("#main").prepend(...($("#told", from)?.childNodes ?? []));
    if (takeSpare(from) && isAnswered()) goOn();
  },

  /** What did not fit comes back with why; anything else stays in the list. */
  refused(entry, status, from) {
    if (status !== 422) return isAnswered() && location.assign(judge().dataset.page);
    remove(entry.id);
    if (!isAnswered()) setSpare(current());
    arrive(from);
  },
});

/** Shows the task of a reply, if there is one. A page has the script of one kind: another kind comes with its own page. */
function arrive(from) {
  const task = $("#task", from);
  if (!task) return false;
  if (task.dataset.kind !== $("#task").dataset.kind) return location.assign($("#judge", from).dataset.url);
  put({ nodes: [...task.childNodes], title: from.title });
  return shown(), true;
}

/** What is not sent yet is taken back here, anything else by the server. */
async function undo() {
  const id = waiting().at(-1)?.id;
  await settled();
  const entry = waiting().find((one) => one.id === id);
  if (!entry) return $("#undo")?.click();
  await remove(id);
  if (last?.id !== id) return location.assign(entry.page);
  if (isAnswered()) return setAnswered(false);
  setSpare(current());
  put(last.view);
  shown();
}

// What is not sent yet --------------------------------------------------------------------------------

function setSaveState(text, kind, isButton) {
  const line = $("#save-state");
  if (line.textContent.trim() === text) return;
  const part = document.createElement(isButton ? "button" : "span");
  Object.assign(part, { className: kind, textContent: text });
  if (isButton) part.dataset.opens = "waiting";
  line.replaceChildren(part);
}

function paint() {
  const n = waiting().length;
  const others = refused();
  const isCut = n && trouble !== null;
  if (isCut) setSaveState(trouble === 401 ? said("signInToSend", n) : counted("waiting", n), "st-off", true);
  else if (others.length) setSaveState(said("notTaken", others.length), "st-off", true);
  else if (!n && $("#save-state").firstChild) setSaveState(said("allSaved"), "st-ok");
  const why = said(trouble === 401 ? "signedOut" : navigator.onLine ? "unreachable" : "offline");
  const text = isCut && isAnswered() ? `${why} ${counted("safe", n)}` : others[0] ? told(others[0]) : "";
  const banner = $("#problem");
  banner.hidden = !text;
  if (banner.textContent !== text) banner.textContent = text;
  $("#waiting pre").textContent = [...waiting(), ...others].map(asText).join("\n\n");
  $("#sealed").hidden = !sealed;
}

const told = ({ label, refused: status }) => said(status === 409 ? "refused409" : "refused", label);
const asText = (entry) => [entry.refused ? told(entry) : entry.label, ...answersIn(entry.body).map((pair) => pair.join(": "))].join("\n");

// Buttons --------------------------------------------------------------------------------------------

/** On phones the criteria ("open") and the note ("more") fold away; one of them is open at a time. */
function unfold(name, isOpen = !judge().classList.contains(name)) {
  for (const button of $$("[data-unfold]")) {
    const part = button.dataset.unfold;
    const shown = part === name && isOpen;
    judge().classList.toggle(part, shown);
    button.setAttribute("aria-expanded", String(shown));
  }
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button, [data-opens], [data-tab]");
  if (!button) return;
  // What needs the server anyway is loaded when it is asked for.
  if (button.id === "differences-button") import("./differences.js").then((it) => it.toggleDifferences(button));
  if (button.matches("[popovertarget=report]")) import("./report.js").then((it) => it.reportOn(button));
  const { opens, view, unfold: part, tab, outbox } = button.dataset;
  if (opens || tab) event.preventDefault();
  if (opens) $(`#${opens}`).showModal();
  if (view) toggleView(view);
  if (part) unfold(part);
  if (tab) show(tab);
  if (outbox) $("#waiting").close();
  if (outbox === "retry") flush();
  if (outbox === "undo") undo();
  if (outbox === "copy") navigator.clipboard.writeText($("#waiting pre").textContent).then(() => say(said("copied")));
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
    say(said("sure"));
  },
  x: () => $("#cant-button").click(),
  u: undo,
  y: () => $("#still:not([hidden]) button")?.click(),
  p: () => {
    const history = $(".history");
    if (history) history.open = !history.open;
  },
  i: () => $("#guide").showModal(),
  t: () => toggleView("text"),
  l: () => $('[data-view="layout"]') && toggleView("layout"),
  j: () => stepTurn(1) || scroller().scrollBy({ top: 240 }),
  k: () => stepTurn(-1) || scroller().scrollBy({ top: -240 }),
  v: () => $("#differences-button")?.click(),
  r: () => $("#report-button")?.click(),
  z: () => $("#break-offer:not([hidden]) a")?.click(),
};

const takeEarly = listen({
  digit: (digit) => ask("digit", digit) || answer(digit),
  arrow: step,
  letter: (letter, event) => {
    if (ask("letter", letter, event)) return true;
    if (letter in LETTERS) return LETTERS[letter](), true;
    return letter <= "h" && show(letter);
  },
  key: (event) => ask("key", event),
  enter: () => judge().requestSubmit($("#submit")),
  help: () => $("#keys").showModal(),
  isFresh: () => performance.now() - shownAt < FRESH_MS,
});

// A new item -----------------------------------------------------------------------------------------

let leaseTimer = 0;

function watchLease(seconds) {
  const form = judge();
  clearTimeout(leaseTimer);
  if (!seconds) return;
  leaseTimer = setTimeout(async () => {
    if (await (await import("./still.js")).askToKeep(form)) watchLease(form.dataset.lease);
  }, seconds * LEASE_SHARE * 1000);
}

function start() {
  restore();
  startQuestions();
  startReading();
  ask("start");
  // Before it is asked for: an import that failed once is not tried again.
  if ($("#differences-button")) import("./differences.js");
  if ($("#turns")) import("./turns.js");
  if ($(".go, .hl, .formula")) import("./reading_aids.js");
  $("#still").hidden = true;
  watchLease(judge().dataset.left);
  announce();
}

/** Another item is on the screen. */
function shown() {
  shownAt = performance.now();
  const errors = $("#errors");
  if (!errors) {
    hasAskedUnread = false;
    restartTime();
  }
  start();
  (errors ?? $("#item-h")).focus();
  if (!errors) say($("#item-h").textContent);
  requestAnimationFrame(() => setTimeout(() => performance.mark("concord:next")));
}

start();
takeEarly();
import("./break_offer.js");
await load();
if (waiting().some((entry) => entry.page === judge().dataset.url)) setAnswered(true);
takeSpare();
await flush();
if (!isAnswered()) askForSpare();
