// The home page: Enter goes on, and the list keeps itself fresh while somebody looks.

const desks = document.getElementById("desks");
const stale = document.getElementById("stale");

document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target === document.body) document.getElementById("go-on")?.click();
});

// A hidden page asks nothing; shown again, it asks at once.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (document.hidden) event.preventDefault();
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) desks.dispatchEvent(new Event("refresh"));
});

for (const kind of ["htmx:responseError", "htmx:sendError", "htmx:timeout"])
  document.addEventListener(kind, () => (stale.hidden = false));
document.addEventListener("htmx:afterSwap", () => (stale.hidden = true));
