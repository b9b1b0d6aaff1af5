// What every module of the judging page uses.

export const $ = (selector, from = document) => from.querySelector(selector);
export const $$ = (selector, from = document) => [...from.querySelectorAll(selector)];

/** Told to screen readers, politely; the page has one such line. */
export function say(text) {
  $("#live").textContent = text;
}

// What scripts say stands on the page in its language (templates/annotation/_words.html), like `data-not-taken="{0} not taken"`.
const words = Object.assign({}, ...$$("[data-words]").map((part) => part.dataset));
const PLURALS = ["zero", "one", "two", "few", "many", "other"];

/** The sentence `name` with what is given in the place of {0}, {1}… */
export const said = (name, ...given) => words[name].replace(/\{(\d)\}/g, (_, at) => given[at]);

/** The sentence `name` about `n` things. */
export function counted(name, n) {
  const kind = new Intl.PluralRules(document.documentElement.lang).select(n);
  return words[name].split("|")[PLURALS.indexOf(kind)].replace("{0}", n);
}

export const csrfToken = () => $("[name=csrfmiddlewaretoken]").value;

/** The page or fragment that a reply holds. */
export const parsed = async (reply) => new DOMParser().parseFromString(await reply.text(), "text/html");

/** Calls `dress` now and whenever another task is on the page. */
export function eachTask(dress) {
  dress();
  new MutationObserver(dress).observe($("#task"), { childList: true });
}
