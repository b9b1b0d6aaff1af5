// Two responses side by side: the shorter one waits in view, and the tab of the one that is seen is marked.
import { $, $$, eachTask } from "./page.js";

const fitter = new ResizeObserver(() => {
  const stage = $("#stage");
  for (const text of $$(".pair .resp-text"))
    text.style.setProperty("--stick", `${Math.min(48, stage.clientHeight - text.offsetHeight)}px`);
});

function markTab() {
  const pair = $("#pair");
  const isB = Math.abs(pair.scrollLeft) > pair.clientWidth / 2;
  for (const tab of $$("[data-tab]"))
    (tab.dataset.tab === "b") === isB ? tab.setAttribute("aria-current", "true") : tab.removeAttribute("aria-current");
}

eachTask(() => {
  fitter.disconnect();
  fitter.observe($("#stage"));
  $("#pair").addEventListener("scroll", markTab, { passive: true });
});
