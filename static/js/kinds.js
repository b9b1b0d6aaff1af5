// What the judging page asks of a kind's own module. Every hook may be left out:
//
//   start()          a new item is on the page
//   changed()        an answer was given or taken back
//   digit(d)         "0"…"9" was pressed
//   letter(l, event) "a"…"z" was pressed, with Shift or without
//   key(event)       any other key was pressed
//   missing()        what is not answered yet: {say, focus}; null when nothing is
//
// digit, letter and key answer true when they used the key; else the page's own meaning holds.
//
// A kind's page (templates/annotation/task_<kind>.html) loads its own module, before task.js, and no other kind's.
import { $ } from "./page.js";

const kinds = new Map();

/** names: the kinds that the module serves. */
export const register = (names, hooks) => names.forEach((name) => kinds.set(name, hooks));

const hook = (name) => kinds.get($("#judge")?.dataset.kind)?.[name];

export const ask = (name, ...given) => hook(name)?.(...given) ?? null;
