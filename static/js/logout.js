// Pages beside the judging page: what waits on this device is sent; signing out asks to send it first.
import { flush, load, waiting } from "./outbox.js";

const dialog = document.getElementById("unsent");
const form = document.querySelector("[data-logout]");

form.addEventListener("submit", (event) => {
  if (!waiting().length) return;
  event.preventDefault();
  dialog.returnValue = "";
  dialog.querySelector("b").textContent = String(waiting().length);
  dialog.showModal();
});
dialog.addEventListener("close", async () => {
  const { returnValue } = dialog;
  if (returnValue === "send") await flush();
  if (returnValue === "leave" || (returnValue && !waiting().length)) form.submit();
  else if (returnValue) dialog.showModal();
});

await load();
flush();
