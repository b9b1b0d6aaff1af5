"""Eyes on a browser for what hostile text may do: run, ask elsewhere, or bring to a page what no text may bring."""

from dataclasses import dataclass, field

from playwright.sync_api import Page

HANG_MS = 10_000
"""A page that takes so long hangs, on any machine; what is wanted is a second, and the slowest are printed."""

CANARY = """for (const name of ["alert", "confirm", "prompt", "print"]) window[name] = () => window.canary(name);"""
STRANGE = """() => {
  const found = [];
  const ids = new Map();
  for (const e of document.querySelectorAll("*")) {
    for (const { name, value } of e.attributes) {
      // Our own script sets custom properties; a text brings no style and no handler.
      const isOurs = /^--[\\w-]+: [\\w.-]+;$/.test(value);
      if (/^on|^hx-on|^style$|^srcdoc$/.test(name) && !isOurs) found.push(`${name}=${value}`);
      if (/^(href|src|action|formaction|data|xlink:href)$/.test(name) && !/^([/#?]|https?:)/.test(value) && value)
        found.push(`${name}=${value}`);
      if (name === "id") ids.set(value, (ids.get(value) ?? 0) + 1);
    }
    if (/^(IFRAME|OBJECT|EMBED|BASE|STYLE|MARQUEE|VIDEO|AUDIO|AREA)$/i.test(e.tagName)) found.push(e.tagName);
    if (e.tagName === "SCRIPT" && !e.src) found.push("SCRIPT");
  }
  for (const [id, count] of ids) if (count > 1) found.push(`${count} times #${id}`);
  return found;
}"""
"""What no text may bring to a page: handlers, styles, addresses that run, frames, an id that is there already."""


@dataclass
class Watch:
    """What happened in the pages of one browser context."""

    origin: str
    ran: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    milliseconds: dict[str, float] = field(default_factory=dict)

    def over(self, page: Page) -> Page:
        page.expose_function("canary", lambda name: self.ran.append(name))
        page.add_init_script(CANARY)
        page.on("dialog", lambda dialog: (self.ran.append(dialog.type), dialog.dismiss()))
        page.context.on("request", lambda request: self.asked.append(request.url))
        return page

    @property
    def elsewhere(self) -> list[str]:
        """Addresses of other origins that were asked for."""
        return [url for url in self.asked if not url.startswith(f"{self.origin}/")]

    def visit(self, page: Page, path: str, status: int = 200) -> None:
        response = page.goto(path)
        assert response is not None and response.status == status, path
        self.check(page, path)
        timing = page.evaluate("performance.getEntriesByType('navigation')[0].toJSON()")
        self.milliseconds[path] = timing["responseEnd"] - timing["requestStart"]

    def check(self, page: Page, what: str) -> None:
        """Nothing ran, nothing was asked for elsewhere, nothing strange stands on the page."""
        strange = page.evaluate(STRANGE)
        assert (what, strange, self.ran, self.elsewhere) == (what, [], [], [])
        assert len(page.frames) == 1, what

    def tell(self, name: str) -> None:
        slowest = sorted(self.milliseconds.items(), key=lambda one: -one[1])[:3]
        told = ", ".join(f"{path} {taken:.0f} ms" for path, taken in slowest)
        print(f"\n{name}: {len(self.milliseconds)} pages, slowest {told}")
        assert slowest[0][1] < HANG_MS
