// One keyboard for every judging screen: A–H are responses, digits are answers, commands live on I–Z.
// Nothing happens while somebody types, composes, holds a modifier or has a dialog open.

const TYPING = "textarea, select, [contenteditable], input:not([type=radio]):not([type=checkbox]):not([type=hidden])";
const NATIVE_ENTER = "a, button, summary";

/** {letter pressed: letter meant, "" for none}, of the letters that the person has moved. */
const KEYMAP = JSON.parse(document.documentElement.dataset.keymap || "{}");

const areSingleKeysOn = () => document.documentElement.dataset.keys !== "off";

/** "7" for a digit key, on layouts too where digits need Shift (event.code); else null. */
function digitOf(event) {
  if (/^[0-9]$/.test(event.key)) return event.key;
  return !event.shiftKey && /^Digit[0-9]$/.test(event.code) ? event.code.at(-1) : null;
}

/**
 * handlers: {digit(d), letter(l, event), key(event), arrow(step), enter(event), help(), isFresh()}.
 * digit, letter and key (every other one) answer true when they used the key. isFresh: a task was swapped in under 300 ms ago.
 * Answers a function that takes what was pressed before (early.js).
 */
export function listen(handlers) {
  const press = (event) => {
    if (event.defaultPrevented || event.isComposing) return;
    const target = event.target;
    const isTyping = target.matches(TYPING);
    if (event.key === "Enter" && !isTyping && (event.repeat || handlers.isFresh())) return event.preventDefault();
    const open = document.querySelector("[popover]:popover-open, dialog[open]");
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      if (!event.repeat && !handlers.isFresh()) open ? isTyping && target.form.requestSubmit() : handlers.enter();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;

    if (open) return isTyping || pressIn(open, event);
    if (isTyping) {
      if (event.key === "Escape") target.blur();
      return;
    }
    if (event.key === "Enter") {
      if (target.matches(NATIVE_ENTER)) return;
      event.preventDefault();
      return handlers.enter();
    }
    if (/^Arrow(Up|Down)$/.test(event.key) && !target.matches("input")) {
      if (handlers.arrow(event.key === "ArrowDown" ? 1 : -1)) event.preventDefault();
      return;
    }
    if (!areSingleKeysOn()) return;
    const digit = digitOf(event);
    if (digit !== null) {
      if (!event.repeat && handlers.digit(digit)) event.preventDefault();
    } else if (event.key === "?") {
      event.preventDefault();
      handlers.help();
    } else if (/^[a-z]$/i.test(event.key)) {
      const pressed = event.key.toLowerCase();
      const letter = KEYMAP[pressed] ?? pressed;
      if (!letter || (event.repeat && !"jk".includes(letter))) return;
      if (handlers.letter(letter, event)) event.preventDefault();
    } else if (handlers.key(event)) {
      event.preventDefault();
    }
  };
  document.addEventListener("keydown", press);
  return () => {
    onkeydown = null;
    early.forEach(press);
  };
}

/** An open menu has digits of its own. */
function pressIn(open, event) {
  const digit = digitOf(event);
  const answer = digit !== null && areSingleKeysOn() && open.querySelector(`[data-digit="${digit}"]`);
  if (!answer || event.repeat) return;
  event.preventDefault();
  answer.focus();
  answer.click();
}
