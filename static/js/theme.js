// On every page: says that script is here, switches the theme and the keys at once and remembers it.

const root = document.documentElement;
root.classList.add("js");

function remember(form, fields) {
  const body = new URLSearchParams(new FormData(form));
  for (const [name, value] of Object.entries(fields)) value === null ? body.delete(name) : body.set(name, value);
  return fetch(form.action, { method: "POST", body, headers: { "X-Requested-With": "fetch" } });
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("[data-theme-form]")) return;
  event.preventDefault();
  const isDark = root.dataset.theme
    ? root.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = isDark ? "light" : "dark";
  remember(form, { theme: root.dataset.theme });
});

document.addEventListener("change", (event) => {
  const form = event.target.closest("[data-keys-form]");
  if (!form) return;
  if (event.target.checked) delete root.dataset.keys;
  else root.dataset.keys = "off";
  remember(form, { on: event.target.checked ? "1" : null });
});

// After a refused sign-in the reason is read first.
document.getElementById("errors")?.focus();
