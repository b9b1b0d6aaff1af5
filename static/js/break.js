// The break page: how long the break is, counted on from what the server said.

const timer = document.getElementById("timer");
const { seconds, minutes, over } = timer.dataset;
const shown = timer.firstElementChild;
const begin = Date.now() - seconds * 1000;
let isOver = seconds >= minutes * 60;

function tick() {
  const passed = Math.max(0, Math.floor((Date.now() - begin) / 1000));
  shown.textContent = `${Math.floor(passed / 60)}:${String(passed % 60).padStart(2, "0")}`;
  if (isOver || passed < minutes * 60) return;
  isOver = true;
  document.getElementById("live").textContent = over;
}

tick();
setInterval(tick, 1000);

const kept = document.getElementById("kept");
if (kept) kept.textContent = new Date(kept.dateTime).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
