// What is on the screen, the item behind it (the spare), and what is answered and not submitted yet (the draft).
import { owner, waiting } from "./outbox.js";
import { $, $$, csrfToken, parsed } from "./page.js";

export const judge = () => $("#judge");

// A view is {nodes, title}: the content of #task.

let spare = null;
const formOf = (view) => view?.nodes.find((node) => node.id === "judge");

export const current = () => ({ nodes: [...$("#task").childNodes], title: document.title });
export const setSpare = (view) => (spare = view);

export function put(view = spare) {
  if (view === spare) spare = null;
  const token = csrfToken();
  $("#task").replaceChildren(...view.nodes);
  for (const field of $$("#task [name=csrfmiddlewaretoken]")) field.value = token;
  document.title = view.title;
  history.replaceState(null, "", judge().dataset.url);
}

/** Takes the spare out of a page; what is on the screen or answered already is none. */
export function takeSpare(from) {
  const template = $("#spare", from);
  const view = template && { nodes: [...template.content.childNodes], title: template.dataset.title };
  const url = formOf(view)?.dataset.url;
  if (url && url !== judge().dataset.url && !waiting().some((entry) => entry.page === url)) spare = view;
  return spare;
}

const ask = (fields) =>
  fetch($("#task").dataset.spare, {
    method: "POST",
    body: new URLSearchParams(fields),
    headers: { "HX-Request": "true", "X-CSRFToken": csrfToken() },
    keepalive: true,
  }).catch(() => ({}));

export async function askForSpare() {
  const { kind, showing } = judge().dataset;
  const reply = await ask({ kind, showing });
  if (reply.status === 200 && !spare && showing === judge().dataset.showing) takeSpare(await parsed(reply));
}

// Leaving gives the spare back.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href]:not([target], [href^='#'])");
  if (!link || !spare || event.defaultPrevented || event.ctrlKey || event.metaKey) return;
  ask({ drop: formOf(spare).dataset.showing });
  spare = null;
});

// Of one item in two tabs the newer one has it.
const tabs = new BroadcastChannel("task");
const name = (form) => form && owner + form.dataset.url;

export const announce = () => tabs.postMessage(name(judge()));

tabs.onmessage = ({ data }) => {
  if (data === name(formOf(spare))) spare = null;
  if (data === name(judge()) && !$("#elsewhere").open) $("#elsewhere").showModal();
};
$("#elsewhere").addEventListener("cancel", (event) => event.preventDefault());
$("#use-here").addEventListener("click", () => location.assign(judge().dataset.page));

// Drafts: answers only, by person and submission.
const OF_THE_PAGE = ["csrfmiddlewaretoken", "submission_id", "attempt", "active_seconds", "read_to_end"];
const place = (key) => `draft:${owner}:${key}`;

/** [name, value] of what was answered. */
export const answersIn = (form) => [...new URLSearchParams(form)].filter(([field, value]) => value && !OF_THE_PAGE.includes(field));
export const forget = (key) => localStorage.removeItem(place(key));

for (const kind of ["input", "change"])
  document.addEventListener(kind, () => {
    const { key } = judge().dataset;
    if (key) localStorage[place(key)] = new URLSearchParams(answersIn(new FormData(judge())));
  });

export function restore() {
  const kept = localStorage[place(judge().dataset.key)];
  if (!kept || $("#errors")) return;
  const fields = new URLSearchParams(kept);
  for (const field of judge().elements) {
    if (!field.name || OF_THE_PAGE.includes(field.name)) continue;
    if (/radio|checkbox/.test(field.type)) field.checked = fields.has(field.name, field.value);
    else field.value = fields.get(field.name) ?? "";
  }
}
