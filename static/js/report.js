// R: a report goes out and the task stays as it is. Without script, or without this one, it opens a tab of its own.
import { $, parsed, said, say } from "./page.js";

export async function sendReport(form) {
  const reply = await fetch(form.action, { method: "POST", body: new FormData(form) }).catch(() => ({}));
  const refused = reply.status === 422 && $("#errors", await parsed(reply)).textContent.trim();
  // Race: another task has come meanwhile.
  if (!form.isConnected) return;
  const line = $("[role=alert]", form);
  line.hidden = reply.status === 201;
  if (!line.hidden) return (line.textContent = refused || line.dataset.lost);
  form.reset();
  $("#report").hidePopover();
  $("#report-done").hidden = false;
  say(said("reported"));
}

/** The report is about the response whose button was pressed, or about the item. */
export const reportOn = (button) => ($("#report-form").elements.response.value = button.value);
