// After 45 active minutes one line offers a break. Counted in this tab; whoever was away for a while had one.
import { $, said, say } from "./page.js";
import { activeTime } from "./reading.js";

const FRESH = { active: 0, due: 45 * 60 };
const AGAIN = 15 * 60;
const AWAY_MS = 15 * 60_000;

/** {active, due, at}: active seconds, from how many on a break is offered, when they were last counted. */
const count = { ...FRESH, ...JSON.parse(sessionStorage.getItem("break")) };
const keep = (change) => sessionStorage.setItem("break", JSON.stringify(Object.assign(count, change)));

const offer = $("#break-offer");
let seen = activeTime();

setInterval(() => {
  const now = activeTime();
  const at = Date.now();
  if (at - count.at > AWAY_MS) keep(FRESH);
  if (now > seen) keep({ active: count.active + now - seen, at });
  seen = now;
  const isShown = !offer.hidden;
  offer.hidden = count.active < count.due;
  if (offer.hidden || isShown) return;
  $("span", offer).textContent = said("judgedFor", Math.floor(count.active / 60));
  say(offer.textContent);
}, 1000);

$("#break-now").addEventListener("click", () => keep(FRESH));
$("#break-later").addEventListener("click", () => {
  keep({ due: count.active + AGAIN });
  offer.hidden = true;
});
