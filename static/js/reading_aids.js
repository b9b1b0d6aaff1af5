// Code and formulas can be copied and long lines wrapped. Links are words: the first press asks, only "Open" opens.
import { $, $$, eachTask, said, say } from "./page.js";

eachTask(() => {
  for (const link of $$(".go")) Object.assign(link, { role: "link", tabIndex: 0 });
  for (const block of $$(".md .hl, .md .formula:has(annotation)")) {
    if (block.closest(".code")) continue;
    const holder = document.createElement("div");
    holder.className = "code";
    block.replaceWith(holder);
    holder.append(block, $(block.matches(".hl") ? "#code-tools" : "#tex-tools").content.cloneNode(true));
  }
});

async function copy(button, source) {
  button.dataset.own ??= button.textContent;
  let done = said("copied");
  try {
    await navigator.clipboard.writeText(source.textContent);
  } catch {
    done = said("pressCopy");
    getSelection().selectAllChildren(source);
  }
  button.textContent = done;
  say(done);
  setTimeout(() => (button.textContent = button.dataset.own), 2000);
}

function ask(event) {
  const link = event.target.closest(".go");
  if (!link) return;
  event.preventDefault();
  const dialog = $("#open-link");
  const open = $("a", dialog);
  open.href = link.title;
  $("b", dialog).textContent = open.host;
  $("p", dialog).textContent = open.href;
  dialog.showModal();
}

document.addEventListener("click", (event) => {
  const button = event.target.closest(".code-tools button");
  if (!button) return ask(event);
  const block = button.closest(".code").firstChild;
  if (button.ariaPressed) button.ariaPressed = String(block.classList.toggle("wrapped"));
  else copy(button, $("annotation", block) ?? block);
});
document.addEventListener("keydown", (event) => event.key === "Enter" && ask(event), true);
$("#open-link a").addEventListener("click", () => $("#open-link").close());
