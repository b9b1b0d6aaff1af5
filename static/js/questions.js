// The questions of the form: which one is active, answering it by digit, what is still open.
import { ask } from "./kinds.js";
import { $, $$, said, say } from "./page.js";

let questions = [];
let active = 0;

const isVisible = (question) => question.checkVisibility();
const isAnswered = (question) => question.querySelector(":checked") !== null;
const isOptional = (question) => "optional" in question.dataset;

export function activate(index) {
  active = index;
  questions.forEach((question, i) => (question.dataset.active = String(i === index)));
}

export const activateNamed = (key) => activate(questions.findIndex((question) => question.dataset.q === key));

/** The nearest shown question in the direction of `by`; folded criteria and other turns count as shown. */
export function step(by) {
  for (let i = active + by; i >= 0 && i < questions.length; i += by) {
    if (isVisible(questions[i]) || questions[i].closest("#crits, #turns, #whole[hidden]")) return activate(i), true;
  }
  return true;
}

function moveOn() {
  const tie = $(".tie-why");
  if (tie && questions[active].querySelector(".ov-t:checked")) return activate(questions.indexOf(tie));
  const next = questions.findIndex((question, i) => i > active && !isOptional(question));
  if (next >= 0 && !isOptional(questions[active])) activate(next);
}

export function answer(digit) {
  const question = questions[active];
  const radio = question?.querySelector(`input[data-digit="${digit}"]`);
  if (!radio) return false;
  radio.checked = true;
  radio.dispatchEvent(new Event("change", { bubbles: true }));
  const { name } = question.dataset;
  say((name ? `${name}: ` : "") + (radio.getAttribute("aria-label") ?? radio.labels[0].textContent));
  moveOn();
  return true;
}

/** The first question that has to be answered and is not, made active; null when all are. */
export function firstOpen() {
  const open = questions.findIndex((question) => !isOptional(question) && !isAnswered(question));
  if (open < 0) return null;
  activate(open);
  return questions[open];
}

/** Reads the form of a new item: the first open question is active, or the last one. */
export function startQuestions() {
  questions = $$("[data-q]");
  if (!firstOpen()) activate(questions.findLastIndex((question) => !isOptional(question)));
  count();
}

function count() {
  const criteria = $$("#crits [data-q]");
  const label = $("#crit-count");
  if (label) label.textContent = said("criteria", criteria.filter(isAnswered).length, criteria.length);
}

document.addEventListener("change", (event) => {
  const radio = event.target;
  if (radio.matches("[class^=ov-]")) $("#now").textContent = radio.getAttribute("aria-label");
  if (radio.matches("[class^=ov-]:not(.ov-t)"))
    $$(".tie-why :checked").forEach((reason) => (reason.checked = false));
  count();
  ask("changed");
});

document.addEventListener("focusin", (event) => {
  const holder = event.target.closest("[data-q]") ?? event.target.closest(".rcard")?.querySelector("[data-q]");
  const index = questions.indexOf(holder);
  if (index >= 0) activate(index);
});
