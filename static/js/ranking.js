// The ranking screen. The number radios on the cards are the order: they are what the form sends, and all that is
// there without script. Letters, arrows and dragging write into them.
import { register } from "./kinds.js";
import { $, $$, said, say } from "./page.js";
import { activateNamed } from "./questions.js";

/** What comes after the screen. */
const aids = import("./ranking_aids.js");
let labels = [];
/** Label → its number; 0: not placed. */
let numbers = {};
let isTieNext = false;

const radios = (label) => $$(`[name="rank-overall-${label}"]`);
const open = () => labels.filter((label) => !numbers[label]);
const hasTies = () => "ties" in $("#ladder").dataset;

/** [["C"], ["A", "D"]], best first. */
function order() {
  const found = [];
  for (const label of labels) if (numbers[label]) (found[numbers[label]] ??= []).push(label);
  return found.filter(Boolean);
}

function check(next) {
  for (const label of labels) radios(label).forEach((radio, i) => (radio.checked = i + 1 === next[label]));
}

/** Competition ranks: a tie takes the better number and the next is left out, 1, 2, 2, 4. */
function write(tiers) {
  const next = {};
  let n = 1;
  for (const tier of tiers) {
    for (const label of tier) next[label] = n;
    n += tier.length;
  }
  check(next);
  $("#judge")?.dispatchEvent(new Event("change", { bubbles: true }));
}

/** `label` as a tier of its own before the one at `index` now, or (isTied) into that one; −1: out. */
function put(label, index, isTied) {
  const tiers = order().map((tier) => tier.filter((other) => other !== label));
  if (isTied) tiers[index].push(label);
  else if (index >= 0) tiers.splice(index, 0, [label]);
  write(tiers.filter((tier) => tier.length));
}

function move(label, how) {
  const tiers = order();
  const i = tiers.findIndex((tier) => tier.includes(label));
  if (i < 0) return put(label, tiers.length);
  const isTied = tiers[i].length > 1;
  if (how === "up") put(label, Math.max(0, i - !isTied));
  else if (how === "down") put(label, isTied || tiers[i + 1] ? i + 1 + !isTied : -1);
  else if (i) put(label, i - 1, true);
}

/** Where nothing may be tied: whoever stands at `at` makes way for `label`, in the direction of `by`. */
function makeWay(label, at, by) {
  const other = labels.find((each) => each !== label && numbers[each] === at);
  if (!other) return at > 0 && at <= labels.length;
  if (!makeWay(label, at + by, by)) return false;
  numbers[other] += by;
  return true;
}

function look() {
  numbers = {};
  for (const label of labels) numbers[label] = radios(label).findIndex((radio) => radio.checked) + 1;
}

function changed() {
  const before = numbers;
  look();
  const moved = labels.find((label) => numbers[label] !== before[label]);
  const n = numbers[moved];
  if (n && !hasTies()) {
    const by = before[moved] && before[moved] < n ? -1 : 1;
    makeWay(moved, n, by) || makeWay(moved, n, -by);
    check(numbers);
  }
  isTieNext = false;
  draw();
  if (moved) say(spoken());
}

/** "C first, A and D tied second, B not placed" */
function spoken() {
  const comma = said("comma");
  const listed = (some) => [some.slice(0, -1).join(comma), some.at(-1)].filter(Boolean).join(said("and"));
  const places = said("places").split("|");
  const parts = order().map((tier) => {
    const [place] = places.splice(0, tier.length);
    return tier[1] ? said("tiedAt", listed(tier), place) : `${tier} ${place}`;
  });
  if (open()[0]) parts.push(said("notPlaced", listed(open())));
  return parts.join(comma);
}

/** What is not answered yet: {say, focus}. */
function missing() {
  const left = open();
  const lacking = $("#ladder").dataset.wanted - labels.length + left.length;
  if (lacking > 0) {
    const what = lacking > 3 || lacking < left.length ? said("more", lacking) : left.join(said("comma"));
    return { say: said("place", what), focus: radios(left[0])[0] };
  }
  const select = $$(".rank-crits [data-required]").find((each) => !each.value);
  return select ? { say: said("rankIt", select.dataset.name), focus: select } : null;
}

function draw() {
  drawLadder(order(), open());
  const lacks = missing();
  $("#submit span").textContent = lacks?.say ?? said("submit");
  $("#submit").ariaDisabled = lacks && "true";
}

function part(tag, className, ...content) {
  const made = document.createElement(tag);
  made.className = className;
  made.append(...content);
  return made;
}

/** The chip of a response; a redraw moves the one that is there. */
function chip(label) {
  const there = $(`.chip[data-l="${label}"]`);
  if (there) return there;
  const made = $("#chip").content.firstElementChild.cloneNode(true);
  made.dataset.l = label;
  for (const button of $$("[data-move]", made)) button.ariaLabel += ` ${label}`;
  $(".badge", made).textContent = label;
  $(".vh", made).textContent = `${said("response", label)} `;
  const text = $(`.rcard[data-l="${label}"] .resp-text`);
  $(".words", made).textContent = $(".md", text).textContent.trim().slice(0, 80);
  $(".words", made).lang = text.lang;
  return made;
}

const row = (className, n, ...content) => part("li", className, part("span", "n", n), ...content);

function drawLadder(tiers, rest) {
  const focus = document.activeElement;
  let placed = 0;
  const rows = tiers.map((tier) => {
    const n = rest[0] ? Math.max(placed + 1, numbers[tier[0]]) : placed + 1;
    placed += tier.length;
    const list = part("ul", "", ...tier.map(chip));
    list.ariaLabel = said(tier[1] ? "rankTied" : "rank", n);
    return row("tier", n, list, tier[1] ? part("span", "tie-note", said("tied")) : "");
  });
  const key = part("kbd", "kbd", rest[1] ? said("letter") : rest);
  if (rest[0]) rows.push(row("tier free", placed + 1, part("p", "", said("drop"), part("span", "by-key", said("press"), key))));
  const left = rest.map(chip);
  $("#placed").textContent = said("placed", placed, placed + rest.length);
  let line = tiers.map((tier) => tier.join("=")).join(">");
  if (placed && rest[0]) line += isTieNext ? "=" : ">";
  $("#expr").replaceChildren(...Array.from(line, (sign) => part("span", /\w/.test(sign) ? "" : "op", sign)));
  if (rest[0]) $("#expr").append(part("span", "caret"));
  Object.assign($("#expr"), { role: "img", ariaLabel: spoken() });
  $("#tiers").replaceChildren(...rows);
  $("#tray ul").replaceChildren(...left);
  $("#tray").hidden = !rest[0];
  if (!focus.matches(".chip *")) return;
  focus.focus();
  if (focus !== document.activeElement) $(".chip-go", focus.closest(".chip")).focus();
}

// Numbers given with gaps read as printed once everything is placed and nobody walks through them.
document.addEventListener("focusout", ({ target, relatedTarget }) => {
  const group = target.closest(".place");
  if (group && !group.contains(relatedTarget) && !open()[0]) write(order());
});

const activeCard = () => Math.max(0, $$(".rcard").findIndex((card) => $('[data-active="true"]', card)));

function focusCard(card) {
  card?.focus();
  card?.scrollIntoView({ block: "nearest" });
}

function step(by) {
  const at = $$(".rcard").indexOf(document.activeElement.closest(".rcard"));
  focusCard($$(".rcard")[at < 0 ? activeCard() : at + by]);
}

const chipLabel = () => document.activeElement.closest(".chip")?.dataset.l;

function digit(d) {
  const label = chipLabel() ?? $('.place[data-active="true"]')?.dataset.q.at(-1);
  if (!label) return false;
  if (d === "0") put(label, -1);
  else radios(label)[d - 1]?.click();
  if (open()[0] && !document.activeElement.closest(".rcard, .chip")) activateNamed(`rank-overall-${open()[0]}`);
  return true;
}

function letter(l, event) {
  const label = l.toUpperCase();
  if (l === "j" || l === "k") step(l === "j" ? 1 : -1);
  else if (!labels.includes(label)) return l <= "h";
  else if (event.shiftKey && $("#compare")) aids.then(() => $(`[data-pin="${label}"]`).click());
  else if (numbers[label]) say(said("already", label));
  else put(label, order().length - isTieNext, isTieNext);
  return true;
}

function key({ key }) {
  const last = order().at(-1)?.at(-1);
  if (key === "=") {
    if (numbers[chipLabel()] && hasTies()) return move(chipLabel(), "tie"), true;
    isTieNext = hasTies() && last && open()[0] && !isTieNext;
    draw();
    say(isTieNext ? said("tiedWith", last) : hasTies() ? spoken() : said("noTies"));
  } else if (key !== "Backspace") return false;
  else if (isTieNext) changed();
  else if (last) put(last, -1);
  return true;
}

document.addEventListener("click", ({ target }) => {
  const button = target.closest(".chip button");
  if (!button) return;
  const label = button.closest(".chip").dataset.l;
  if (button.dataset.move) move(label, button.dataset.move);
  else focusCard($(`.rcard[data-l="${label}"]`));
});

function start() {
  labels = [...$("#ladder").dataset.labels];
  isTieNext = false;
  look();
  draw();
  aids.then((it) => it.startAids({ put, move, chipLabel, activeCard, hasTies: hasTies() }));
}

register(["ranking"], { start, changed, digit, letter, key, missing });
