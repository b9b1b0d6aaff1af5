// The ranking so far in one line, e.g. "C > A = D > B", as numbers are chosen on the cards.
import { $, $$, say } from "./page.js";

function showRanking() {
  const line = $("#expr");
  const tiers = new Map();
  for (const radio of $$(".place :checked")) {
    const label = radio.name.at(-1);
    tiers.set(Number(radio.value), [...(tiers.get(Number(radio.value)) ?? []), label]);
  }
  if (!tiers.size) return;
  const order = [...tiers.keys()].sort((x, y) => x - y).map((place) => tiers.get(place));
  const placed = order.flat();
  const missing = [...line.dataset.labels].filter((label) => !placed.includes(label));
  const text = order.map((tier) => tier.join(" = ")).join(" > ");
  if (line.textContent === text) return;
  line.textContent = text;
  line.classList.add("on");
  const words = order.map((tier) => tier.join(" and ") + (tier.length > 1 ? " tied" : "")).join(", then ");
  say(missing.length ? `${words}. ${missing.join(", ")} not placed.` : words);
}

export const ranking = { start: showRanking, changed: showRanking };
