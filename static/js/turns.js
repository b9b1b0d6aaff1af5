// Two conversations, turn by turn: the dock asks about one turn at a time, and that turn comes first in both cards.
import { register } from "./kinds.js";
import { $, $$, say } from "./page.js";
import { activateNamed } from "./questions.js";
import { scroller } from "./reading.js";

const BELOW_HEADER = 60;

/** The turn that is asked about, from 1; after the last one comes the whole. 0: nothing is shown yet. */
let at = 0;
/** What was just answered, until the next turn is announced with it. */
let answered = "";
let isWalking = false;

const asks = () => $$("#turns [data-q]");
const active = () => $('#judge [data-active="true"]');
const required = (from) => $$("[data-q]:not([data-optional])", from);
const isOpen = (question) => !$(":checked", question);

/** Where a question stands; 0 for those which belong to no turn. */
const placeOf = (question) => asks().indexOf(question) + 1 || (question?.closest("#whole") ? asks().length + 1 : 0);

/** "a" or "b", the side that was preferred; none for a tie. */
const preferred = (ask) => [, "b", "a"].at(Math.sign($(":checked", ask)?.value ?? 0));

function show(place) {
  const before = at;
  at = place;
  const focused = $("#turns :focus, #whole :focus");
  const all = asks();
  const ask = all[at - 1];
  for (const one of all) one.hidden = one !== ask;
  $("#whole").hidden = Boolean(ask);
  if (ask) $("output", ask).textContent = $(":checked", ask)?.ariaLabel ?? "";
  for (const button of $$("[data-turn-step]")) button.ariaDisabled = String(!isPlace(at + Number(button.dataset.turnStep)));
  fold(ask && all[at - 2] && preferred(all[at - 2]), !ask);
  if (focused && !focused.checkVisibility()) $("input", active()).focus({ preventScroll: true });
  if (!before) return;
  const { next, whole } = $("#turns").dataset;
  const name = ask?.dataset.name ?? whole;
  say(answered ? next.replace("{0}", answered).replace("{1}", name) : name);
  answered = "";
  const turn = $(`.branch-turn[data-number="${ask ? at : 1}"]`);
  const stage = scroller();
  stage.scrollBy({ top: turn.getBoundingClientRect().top - Math.max(0, stage.getBoundingClientRect().top) - BELOW_HEADER });
}

/** The turn asked about is open on both sides. Behind it the side that was not chosen is folded away. */
function fold(side, isWhole) {
  for (const turn of $$(".branch-turn")) {
    const number = Number(turn.dataset.number);
    const goesOn = !side || turn.dataset.side === side;
    turn.open = isWhole || number === at || (number > at && goesOn);
    $(".goes-on", turn).hidden = !side || !goesOn || number !== at;
  }
}

/** Whatever made a question the active one, its turn is shown. */
function follow() {
  const place = $("#turns") && placeOf(active());
  if (place && place !== at) show(place);
}
new MutationObserver(follow).observe($("#task"), { subtree: true, attributeFilter: ["data-active"] });

function start() {
  at = 0;
  answered = "";
  follow();
}

const isPlace = (place) => place >= 1 && place <= asks().length + 1;

function go(place) {
  if (!$("#turns") || !isPlace(place)) return false;
  const whole = required($("#whole"));
  activateNamed((asks()[place - 1] ?? whole.find(isOpen) ?? whole.at(-1)).dataset.q);
  return true;
}

// Arrow keys answer on their way through a scale: nothing may move under them.
for (const kind of ["keydown", "pointerdown"])
  document.addEventListener(kind, ({ target, key }) => (isWalking = target.matches("#turns input") && /^(Arrow| )/.test(key)), true);

document.addEventListener("change", ({ target }) => {
  const ask = target.closest("#turns [data-q]");
  if (!ask) return;
  $("output", ask).textContent = target.ariaLabel;
  if (isWalking) return;
  answered = `${ask.dataset.name}: ${target.ariaLabel}`;
  // A digit has made the next question the active one by then, a click has not.
  queueMicrotask(() => active() === ask && go(placeOf(ask) + 1));
});

document.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-turn-step]");
  if (button) go(at + Number(button.dataset.turnStep));
});

/** Shows what is not answered yet; the page asks for it. */
function missing() {
  const open = $("#turns") && required($("#judge")).find(isOpen);
  if (!open) return null;
  activateNamed(open.dataset.q);
  follow();
  return null;
}

register(["pairwise"], { start, letter: (l) => "jk".includes(l) && go(at + (l === "j" ? 1 : -1)), missing });
// On a page whose first item had no turns this module comes after the page has started.
start();
