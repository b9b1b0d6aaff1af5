// V: what only one of two responses says, marked in both. Fetched when asked for: the server keeps that it was.
import { $, csrfToken, parsed, said, say } from "./page.js";

export async function toggleDifferences(button) {
  const pair = $("#pair");
  if (!$(".diff", pair)) {
    const headers = { "X-CSRFToken": csrfToken() };
    const reply = await fetch(button.value, { method: "POST", headers }).catch(() => ({}));
    const failed = $("span", button);
    failed.hidden = reply.ok;
    if (!reply.ok) return say(failed.textContent);
    const page = await parsed(reply);
    // Race: the task has gone meanwhile, or a second press was faster.
    if (!pair.isConnected || $(".diff", pair)) return;
    for (const part of page.querySelectorAll(".diff")) $(`#resp-${part.dataset.side} .end`).before(part);
  }
  const isOn = pair.classList.toggle("differs");
  button.ariaPressed = String(isOn);
  say(said(isOn ? "differencesOn" : "differencesOff"));
}
