// What every module of the judging page uses.

export const $ = (selector, from = document) => from.querySelector(selector);
export const $$ = (selector, from = document) => [...from.querySelectorAll(selector)];

/** Told to screen readers, politely; the page has one such line. */
export function say(text) {
  $("#live").textContent = text;
}
