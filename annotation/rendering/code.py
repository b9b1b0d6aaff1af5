"""Code blocks, coloured by Pygments classes."""

import re
from typing import Final

from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.token import STANDARD_TYPES
from pygments.util import ClassNotFound

from annotation.rendering.marks import visible

HIGHLIGHT_LIMIT: Final = 8_000
"""Characters of one block that are coloured; longer blocks are shown in full, without colour."""
HIGHLIGHT_TOTAL: Final = 12_000
"""Characters of all blocks of one text that are coloured."""
_MONOTONE: Final = re.compile(r"[\w\s*&:$@]{400}|[^\n]{600}|([\s\S]{1,4}?)\1{150}")
"""Where the expressions of some lexers go quadratic: runs without punctuation, long lines, one thing repeated."""

_CHECKED: Final = (
    "bash c clojure cmake console cpp csharp css dart diff docker elixir erlang fortran go groovy haskell html"
    " ini java javascript json julia kotlin latex lua make matlab nginx nix objective-c ocaml"
    " pascal perl php powershell python r ruby rust scheme sql swift tex toml typescript xml yaml zig"
)
LANGUAGES: Final = frozenset(_CHECKED.split())
"""Lexers measured on hostile text. Not in it: scala (cubic on backslashes), http and markdown (they hand parts of
the text on to any lexer that the text names), and whatever nobody has measured."""


def _lexer(language: str) -> Lexer | None:
    try:
        lexer = get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return None
    return lexer if LANGUAGES & set(lexer.aliases) else None


def highlight(code: str, language: str) -> str:
    """`code` as escaped spans with Pygments' short class names, or just escaped when it can't be coloured.

    Every character of `code` is in the result: a lexer that loses one is not used.
    """
    if not language or len(code) > HIGHLIGHT_LIMIT or _MONOTONE.search(code):
        return visible(code)
    lexer = _lexer(language)
    if lexer is None:
        return visible(code)
    tokens = list(lexer.get_tokens(code))
    if "".join(value for _, value in tokens) != code:
        return visible(code)
    parts = []
    for kind, value in tokens:
        while kind not in STANDARD_TYPES:
            kind = kind.parent
        short = STANDARD_TYPES[kind]
        parts.append(f'<span class="{short}">{visible(value)}</span>' if short else visible(value))
    return "".join(parts)


def code_block(code: str, language: str = "") -> str:
    """A block that scrolls by itself, so it can be focused and has a name."""
    return (
        '<pre class="hl" tabindex="0" aria-label="Code" dir="ltr"><code>'
        f"{highlight(code.removesuffix(chr(10)), language)}</code></pre>\n"
    )
