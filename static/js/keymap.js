// For somebody who has moved letters: hints say what is to be pressed. Only their judging pages load it.

const keymap = JSON.parse(document.documentElement.dataset.keymap);
const pressed = Object.fromEntries(Object.entries(keymap).map(([key, meant]) => [meant, key]));

function relabel() {
  for (const hint of document.querySelectorAll(".kbd:not([data-own]), [aria-keyshortcuts]:not([data-own])")) {
    const isHint = hint.matches(".kbd");
    const own = (hint.dataset.own = isHint ? hint.textContent : hint.getAttribute("aria-keyshortcuts"));
    const moved = /^[I-Z]$/i.test(own) && pressed[own.toLowerCase()]?.toUpperCase();
    if (!moved) continue;
    if (isHint) hint.textContent = moved;
    else hint.setAttribute("aria-keyshortcuts", moved);
  }
}

relabel();
new MutationObserver(relabel).observe(document.body, { childList: true, subtree: true });
