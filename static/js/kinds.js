// What the judging page asks of a kind's own module. Every hook may be left out:
//
//   start()          a new item is on the page
//   changed()        an answer was given or taken back
//   digit(d)         "0"…"9" was pressed
//   letter(l)        "a"…"z" was pressed
//   key(event)       any other key was pressed
//   missing()        what is not answered yet: {say, focus}; null when nothing is
//
// digit, letter and key answer true when they used the key; else the page's own meaning holds.
import { $ } from "./page.js";
import { ranking } from "./ranking.js";

const KINDS = { ranking };

const hook = (name) => KINDS[$("#judge")?.dataset.kind]?.[name];

export const ask = (name, ...given) => hook(name)?.(...given) ?? null;
