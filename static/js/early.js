// Keys pressed before the judging page's script listens, which takes them first (keys.js). Enter is not kept: nobody
// submits what they have hardly seen.
globalThis.early = [];
addEventListener("keydown", (event) => event.key === "Enter" || globalThis.early?.push(event));
