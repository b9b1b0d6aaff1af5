// What every module of the judging page uses.

export const $ = (selector, from = document) => from.querySelector(selector);
export const $$ = (selector, from = document) => [...from.querySelectorAll(selector)];

/** Told to screen readers, politely; the page has one such line. */
export function say(text) {
  $("#live").textContent = text;
}

export const csrfToken = () => $("[name=csrfmiddlewaretoken]").value;

/** The page or fragment that a reply holds. */
export const parsed = async (reply) => new DOMParser().parseFromString(await reply.text(), "text/html");

/** Calls `dress` now and whenever another task is on the page. */
export function eachTask(dress) {
  dress();
  new MutationObserver(dress).observe($("#task"), { childList: true });
}
