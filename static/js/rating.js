// The rating screen. Marks count code points of `.source`, whose text is the stored text, character by character.
import { register } from "./kinds.js";
import { $, $$, said, say } from "./page.js";
import { activateNamed, answer } from "./questions.js";
import { scroller, toggleView } from "./reading.js";

let isWalking = false;
/** {label, start, end} of what is selected, and of what the type is asked for. */
let chosen = null;
let pending = null;
let sentences = [];
let at = 0;
let hadUnrated = false;
let pressed = "";

const size = (text) => [...text].length;
const openCard = () => $(".rate:has([open])");
const unrated = (from) => $$(".rate-q:not(:has(:checked))", from);
const marks = () => JSON.parse($("#spans").value || "[]");
const sourceOf = ({ label }) => $(`[data-l="${label}"] .source`);
const textOf = (span) => [...sourceOf(span).textContent].slice(span.start, span.end).join("");
const named = (span) => $(`[data-type="${span.type}"] span`).textContent;
const open = (part) => Object.assign(part.closest("details"), { open: true });
const isSame = (span) => (mark) => JSON.stringify(mark) === JSON.stringify({ ...mark, ...span });
const marked = () => marks().find(isSame(chosen));

// Arrow keys answer on their way through a scale: nothing may move under them.
document.addEventListener(
  "keydown",
  ({ target, key }) => {
    pressed = key;
    isWalking = target.matches(".rate-q input") && /^Arrow| $/.test(key);
  },
  true,
);

function changed() {
  draw();
  const card = openCard();
  const [unanswered] = unrated();
  // What is asked last, and once: right after the last rating.
  const next = unanswered ?? (hadUnrated && $(".rate-choice"));
  hadUnrated = Boolean(unanswered);
  if (isWalking || !card || !next || unrated(card)[0]) return;
  const place = unanswered ? open(next) : next;
  // After the page has moved on.
  queueMicrotask(() => {
    activateNamed(next.dataset.q);
    place.scrollIntoView({ block: unanswered ? "start" : "nearest" });
    say(said("next", $("#live").textContent, next.dataset.name));
  });
}

function missing() {
  const [next] = unrated();
  if (!next) return null;
  open(next);
  activateNamed(next.dataset.q);
  return { say: said("answer", next.dataset.name), focus: $("input", next) };
}

function write(next) {
  $("#spans").value = JSON.stringify(next);
  $("#judge").dispatchEvent(new Event("change", { bubbles: true }));
}

function measured(range) {
  const source = $("[open] .source");
  if (!source || !range.intersectsNode(source)) return null;
  if (!source.contains(range.startContainer)) range.setStart(source, 0);
  if (!source.contains(range.endContainer)) range.setEnd(source, source.childNodes.length);
  const text = range.toString();
  range.collapse(true);
  range.setStart(source, 0);
  const start = size(range.toString());
  return text.trim() && { label: source.closest(".rate").dataset.l, start, end: start + size(text.trimEnd()) };
}

function rangeOf(span) {
  const source = sourceOf(span);
  const points = [...source.textContent];
  let [start, end] = [span.start, span.end].map((n) => points.slice(0, n).join("").length);
  const range = new Range();
  const walker = document.createTreeWalker(source, NodeFilter.SHOW_TEXT);
  while (end > 0 && walker.nextNode()) {
    const node = walker.currentNode;
    if (start >= 0 && start < node.length) range.setStart(node, start);
    if (end <= node.length) range.setEnd(node, end);
    start -= node.length;
    end -= node.length;
  }
  return range;
}

function draw() {
  for (const list of $$(".marks ul")) list.replaceChildren();
  for (const span of marks()) {
    const made = $("#mark").content.firstElementChild.cloneNode(true);
    $("b", made).textContent = named(span);
    $("q", made).textContent = textOf(span);
    $("button", made).ariaLabel += ` ${made.textContent}`;
    $("button", made).onclick = () => drop(span);
    $(`[data-l="${span.label}"] .marks ul`).append(made);
  }
  for (const card of $$(".rate")) {
    const total = $$(".rate-q", card).length;
    const left = unrated(card).length;
    $(".rated", card).textContent = left ? said("rated", total - left, total) : said("allRated");
    $(".rated", card).classList.toggle("good", !left);
  }
  CSS.highlights?.set("mark", new Highlight(...marks().map(rangeOf)));
}

function drop(span) {
  write(marks().filter((mark) => !isSame(span)(mark)));
  openCard()?.focus();
  say(said("unmarked"));
}

function mark() {
  choose();
  if (showPlain() || !chosen) return say(said("select"));
  if (marked()) return drop(marked());
  pending = chosen;
  $("#mark-types q").textContent = textOf(pending);
  $("#mark-types").showPopover({ source: $("[open] [data-mark]") });
}

const showPlain = () => !document.documentElement.dataset.text && (toggleView("text"), true);

// A button that is tapped may take the selection away: what was chosen stays.
function choose() {
  const selection = getSelection();
  if (!selection.isCollapsed) chosen = measured(selection.getRangeAt(0).cloneRange());
  else if (selection.anchorNode?.parentElement?.closest(".source")) chosen = null;
}
document.addEventListener("selectionchange", choose);

function walk(card) {
  sentences = [];
  for (const button of $$("[data-sentences]")) button.ariaPressed = Boolean(card);
  if (card) {
    const segmenter = new Intl.Segmenter($(".resp-text", card).lang || [], { granularity: "sentence" });
    let start = 0;
    for (const part of $(".source", card).childNodes)
      for (const { segment } of segmenter.segment(part.textContent)) {
        const end = start + size(segment.trimEnd());
        if (end > start) sentences.push({ label: card.dataset.l, start, end });
        start += size(segment);
      }
    showPlain();
    card.focus();
  }
  at = 0;
  goTo(0);
}

function goTo(by) {
  if (!sentences[at + by]) return;
  at += by;
  chosen = sentences[at];
  const range = rangeOf(chosen);
  getSelection().removeAllRanges();
  getSelection().addRange(range);
  const { top } = range.getBoundingClientRect();
  if (top < 120 || top > innerHeight - 240) scroller().scrollBy(0, top - 240);
  say((marked() ? `${named(marked())}: ` : "") + textOf(chosen));
}

document.addEventListener("keydown", (event) => {
  const by = { j: 1, k: -1, ArrowDown: 1, ArrowUp: -1, " ": 0 }[event.key];
  if (!sentences[0] || by === undefined || !event.target.matches(".rate")) return;
  event.preventDefault();
  by ? goTo(by) : mark();
});

document.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-mark], [data-sentences], [data-type]");
  if (!button) return;
  const { type } = button.dataset;
  if (!type) return "mark" in button.dataset ? mark() : walk(!sentences[0] && openCard());
  $("#mark-types").hidePopover();
  write([...marks(), { ...pending, type }]);
  say(said("marked", named({ type })));
});

document.addEventListener("toggle", ({ target }) => target.matches(".rate [open]") && walk(), true);

function letter(l) {
  if (l === "m") return openCard() && mark(), true;
  const text = $(`#resp-${l} .source`);
  if (text) open(text);
  return false;
}

function start() {
  chosen = null;
  for (const fold of $$(".rate details")) Object.assign(fold, { open: false, name: "rate" });
  hadUnrated = Boolean(unrated()[0]);
  open(unrated()[0] ?? $(".source"));
  draw();
}

const key = (event) => event.key === "-" && !event.repeat && answer("-");
// Where - needs no Shift and a digit does, that key counts as the digit, unless it is no value here.
const digit = (d) => pressed === "-" && !$(`[data-active="true"] [data-digit="${d}"]`) && answer("-");

register(["rating"], { start, changed, missing, letter, digit, key });
