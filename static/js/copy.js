// A button beside a block of code copies it and says so in place.

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copies]");
  if (!button) return;
  const label = button.querySelector("span");
  try {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copies).textContent);
    label.textContent = "Copied";
  } catch {
    label.textContent = "Press Ctrl+C";
    getSelection().selectAllChildren(document.getElementById(button.dataset.copies));
  }
  document.getElementById("live").textContent = label.textContent;
  setTimeout(() => { label.textContent = "Copy"; }, 2000);
});
