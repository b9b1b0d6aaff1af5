"""Markdown to mark-up, with a budget: what would take too long is not parsed at all.

Two things make a CommonMark parser slow on purpose-built text: brackets that never close (each opening one
searches the rest) and nesting (each level reads its lines again). A guard rule stands first in both rule
chains. It counts the parser's steps, which says the same on every machine, and looks at the nesting; the
number of lines bounds what a level can cost. Prose takes about one step for every ten characters.
"""

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_block import StateBlock, table
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

from annotation.rendering.code import HIGHLIGHT_TOTAL, code_block
from annotation.rendering.marks import has_invisible, visible, visible_attribute
from annotation.rendering.maths import maths_plugin

SIZE_LIMIT: Final = 100_000
"""Characters. Longer text is shown as plain text."""
LINE_LIMIT: Final = 5_000
STEP_BUDGET: Final = 50_000
"""Parser steps of one text; a page of prose takes a few hundred."""
CELL_LIMIT: Final = 20_000
"""Table cells, counted before they are made. A row of one character gets as many as its table has columns."""
NESTING_LIMIT: Final = 24
"""Levels of the parser (a list takes two). Deeper text is shown as plain text, because the parser drops it."""


class TooComplex(Exception):
    """The text would cost more than it may; show it as plain text."""


def _spend(env: EnvType, level: int) -> None:
    env["steps"] = steps = env.get("steps", 0) + 1
    if steps > STEP_BUDGET:
        raise TooComplex(f"more than {STEP_BUDGET} parser steps")
    if level > NESTING_LIMIT:
        raise TooComplex(f"nested deeper than {NESTING_LIMIT} levels")


def _guard_block(state: StateBlock, first_line: int, end_line: int, silent: bool) -> bool:
    _spend(state.env, state.level)
    return False


def _guard_inline(state: StateInline, silent: bool) -> bool:
    _spend(state.env, state.level)
    return False


def _table(state: StateBlock, first_line: int, end_line: int, silent: bool) -> bool:
    # Before the parser makes them: it takes every cell of a table before it comes back.
    if first_line + 1 < end_line and _is_delimiter(_line(state, first_line + 1)):
        columns = _line(state, first_line + 1).count("|") + 1
        rows = next((n for n in range(first_line, end_line) if state.isEmpty(n)), end_line) - first_line
        state.env["cells"] = cells = state.env.get("cells", 0) + columns * rows
        if cells > CELL_LIMIT:
            raise TooComplex(f"more than {CELL_LIMIT} table cells")
    return table(state, first_line, end_line, silent)


def _line(state: StateBlock, number: int) -> str:
    return state.src[state.bMarks[number] + state.tShift[number] : state.eMarks[number]]


def _is_delimiter(line: str) -> bool:
    """Whether a table may follow: `|---|:-:|`."""
    return "-" in line and not line.strip("|-: \t")


def _address(url: str) -> str:
    """The part of a link that tells where it leads: host and port, or all of it when there is no host."""
    try:
        return urlsplit(url).netloc or url
    except ValueError:  # a malformed host, such as an unclosed bracket
        return url


def _can_open(url: str) -> bool:
    """Whether the page may offer to open a link, after asking: an address of the web that shows all it holds."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and not has_invisible(url)


class _Renderer(RendererHTML):
    """Emits text only through `visible`. Links and images are words: nothing opens, nothing is loaded.

    The class `go` marks links that the script of the judging page may open, once the person has said so.
    """

    def text(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return visible(tokens[idx].content)

    def code_inline(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return f'<code dir="ltr">{visible(tokens[idx].content)}</code>'

    def code_block(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return code_block(tokens[idx].content)

    def fence(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        words = tokens[idx].info.split(maxsplit=1)
        code = tokens[idx].content
        # One allowance for all blocks of a text, so that many small ones cost no more than a big one.
        env["code_characters"] = env.get("code_characters", 0) + len(code)
        language = words[0].lower() if words and env["code_characters"] <= HIGHLIGHT_TOTAL else ""
        return code_block(code, language)

    def link_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        href = str(tokens[idx].attrGet("href") or "")
        # An autolink shows its address anyway.
        env.setdefault("links", []).append("" if tokens[idx].info == "auto" else href)
        kind = "ref go" if _can_open(href) else "ref"
        return f'<span class="{kind}" title="{visible_attribute(href)}">'

    def link_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        href = env["links"].pop()
        return f' <span class="host">{visible(_address(href))}</span></span>' if href else "</span>"

    def image(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        src = str(tokens[idx].attrGet("src") or "")
        alt = self.renderInlineAsText(tokens[idx].children, options, env) or "no description"
        return (
            f'<span class="img" title="{visible_attribute(src)}">Image not loaded: {visible(alt)}'
            f' <span class="host">{visible(_address(src))}</span></span>'
        )

    def heading_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        outline = env.setdefault("outline", [])
        level = int(tokens[idx].tag[1])
        while outline and outline[-1] >= level:
            outline.pop()
        outline.append(level)
        return f'<{_heading(outline)} dir="auto">'

    def heading_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return f"</{_heading(env['outline'])}>\n"

    def paragraph_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return "" if tokens[idx].hidden else '<p dir="auto">'

    def blockquote_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return '<blockquote dir="auto">\n'

    def list_item_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return '<li dir="auto">'

    def table_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return '<div class="table" role="group" tabindex="0" aria-label="Table"><table>\n'

    def table_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return "</table></div>\n"

    def th_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return _cell(tokens[idx])

    def td_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return _cell(tokens[idx])


def _heading(outline: Sequence[int]) -> str:
    """Pages use h1 and h2 themselves, so a text starts at h3, and no jump in its levels leaves a gap in theirs."""
    return f"h{min(2 + len(outline), 6)}"


def _cell(token: Token) -> str:
    """The parser writes the alignment as a style, which the content security policy forbids."""
    style = str(token.attrGet("style") or "")
    alignment = {
        "text-align:center": ' class="c"',
        "text-align:right": ' class="r"',
    }.get(style, "")
    return f'<{token.tag} dir="auto"{alignment}>'


def _build() -> MarkdownIt:
    # `breaks`: a line break in a poem, an address or a log is part of what the model wrote.
    options = {
        "html": False,
        "linkify": False,
        "typographer": False,
        "breaks": True,
        "maxNesting": 100,
    }
    md = MarkdownIt("commonmark", options, renderer_cls=_Renderer)
    md.enable(["table", "strikethrough"]).use(maths_plugin)
    md.block.ruler.at("table", _table, {"alt": ["paragraph", "reference"]})
    md.block.ruler.before("table", "guard", _guard_block)
    md.inline.ruler.before("text", "guard", _guard_inline)
    return md


_parser = _build()


def to_html(text: str) -> str:
    """Unsanitised mark-up of `text`. Raises TooComplex when it is too long, too deep or too costly."""
    if len(text) > SIZE_LIMIT:
        raise TooComplex(f"longer than {SIZE_LIMIT} characters")
    if text.count("\n") >= LINE_LIMIT:
        raise TooComplex(f"more than {LINE_LIMIT} lines")
    return str(_parser.render(text, {}))
