// Folding long responses, comparing two, taking a number back, moving chips by arrows and dragging; loaded after the
// screen, which ranks without it.
import { $, $$, said, say } from "./page.js";

/** Of the ranking screen: {put, move, chipLabel, activeCard, hasTies}. */
let screen;
let pins = [];
let held = null;
let drag = null;

export function startAids(given) {
  screen = given;
  pins = [];
  fold.disconnect();
  for (const text of $$(".clamp .resp-text")) fold.observe(text);
}

// What is folded away must not take the focus unseen.
document.addEventListener("focusin", ({ target }) => {
  const more = target.closest(".resp-text") && $(".more input", target.closest(".rcard") ?? undefined);
  if (more) more.checked = true;
});

const fold = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    const more = $(".more", target.parentElement);
    if (!$(":checked", more)) more.hidden = target.scrollHeight <= target.clientHeight + 4;
  }
});

/** Two pinned cards stand side by side and the others fold; a third pin takes the place of the older one. */
function pin(next) {
  pins = next.slice(-2);
  const isPair = pins.length > 1;
  $(".rank-cards").classList.toggle("two", isPair);
  for (const card of $$(".rcard")) card.classList.toggle("pinned", pins.includes(card.dataset.l));
  $("#compare").ariaPressed = isPair;
  if (isPair) $(".rank-cards").scrollIntoView();
  say(isPair ? said("beside", pins.join(said("and"))) : said(pins[0] ? "pinned" : "allShown", pins));
}

const toggle = (label) => pin(pins.includes(label) ? pins.filter((other) => other !== label) : [...pins, label]);

function compare() {
  const labels = [...$("#ladder").dataset.labels];
  const at = Math.min(screen.activeCard(), labels.length - 2);
  pin(pins[1] ? [] : labels.slice(at, at + 2));
}

document.addEventListener("click", ({ target }) => {
  const button = target.closest("#compare, [data-pin]");
  if (button) button.id ? compare() : toggle(button.dataset.pin);
});

// Pressing the chosen number again takes it back.
document.addEventListener("pointerdown", ({ target }) => (held = target.matches(".place :checked") && target));

document.addEventListener("click", ({ target }) => {
  if (target === held) screen.put(held.name.at(-1), -1);
  held = null;
});

// Before keys.js, which would go to another question.
const arrows = (event) => {
  const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  const label = by && screen.chipLabel();
  if (!label) return;
  event.preventDefault();
  if (event.altKey) return screen.move(label, by < 0 ? "up" : "down");
  const chips = $$(".chip");
  $(".chip-go", chips[chips.indexOf(document.activeElement.closest(".chip")) + by])?.focus();
};
document.addEventListener("keydown", arrows, true);

// A finger drags by the grip, so that it can scroll the ladder by the rest; a mouse takes the chip anywhere.
document.addEventListener("pointerdown", ({ target, button, pointerType, pointerId: id, clientX: x, clientY: y }) => {
  const chip = !button && target.closest(pointerType === "touch" ? ".grip" : ".chip")?.closest(".chip");
  if (chip && !target.closest("[data-move]")) drag = { chip, id, x, y };
});

document.addEventListener("pointermove", (event) => {
  if (event.pointerId !== drag?.id) return;
  const x = event.clientX - drag.x;
  const y = event.clientY - drag.y;
  if (!drag.isFar && Math.hypot(x, y) < 5) return;
  drag.isFar = true;
  drag.chip.setPointerCapture(drag.id);
  drag.chip.classList.add("dragged");
  drag.chip.style.translate = `${x}px ${y}px`;
  const { row, how } = goal(event);
  unmark();
  row?.classList.add(how);
});

const unmark = () => $$("#ladder li, #tray").forEach((row) => row.classList.remove("on", "before", "after"));

function end({ row, how }) {
  unmark();
  const { chip, isFar } = drag ?? {};
  drag = null;
  chip?.classList.remove("dragged");
  chip?.style.removeProperty("translate");
  const index = $$("#tiers > li").indexOf(row);
  if (isFar && row) screen.put(chip.dataset.l, index + (how === "after"), how === "on" && row.matches(".tier:not(.free)"));
}

document.addEventListener("pointerup", (event) => drag && end(goal(event)));
document.addEventListener("pointercancel", end);
document.addEventListener("keydown", (event) => event.key === "Escape" && end(event));

/** Where the pointer is: {row, how} with how = on, before or after. */
function goal({ clientX, clientY }) {
  const row = document.elementFromPoint(clientX, clientY)?.closest("#tiers > li, #tray");
  if (!row?.matches(".tier:not(.free)")) return { row, how: "on" };
  const { top, height } = row.getBoundingClientRect();
  const share = (clientY - top) / height;
  const edge = screen.hasTies ? 0.25 : 0.5;
  return { row, how: share < edge ? "before" : share > 1 - edge ? "after" : "on" };
}
