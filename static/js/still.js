// "Still there?": one key keeps the item, ten times (WCAG 2.2.1). Loaded when an item's time is nearly over.
import { $, csrfToken, said, say } from "./page.js";

const TIMES = 10;
const counts = new WeakMap();

/** Answers whether the item's time began anew. */
export function askToKeep(form) {
  const count = (counts.get(form) ?? 0) + 1;
  if (count > TIMES) return false;
  counts.set(form, count);
  const line = $("#still");
  $("p", line).textContent = said("still");
  line.hidden = false;
  return new Promise((done) => {
    $("#keep-item").onclick = async () => {
      const headers = { "HX-Request": "true", "X-CSRFToken": csrfToken() };
      const reply = await fetch(form.dataset.extend, { method: "POST", headers }).catch(() => ({}));
      line.hidden = reply.ok;
      if (reply.ok) say(said("kept"));
      else $("p", line).textContent = said("notKept");
      done(reply.ok);
    };
  });
}
