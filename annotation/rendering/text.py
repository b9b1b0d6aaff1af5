"""The public doors: untrusted text in, safe mark-up out."""

import hashlib
import re
from typing import Final

from django.core.cache import cache
from django.utils.safestring import SafeString

from annotation.rendering.markdown import TooComplex, to_html
from annotation.rendering.marks import visible
from annotation.rendering.sanitise import clean

VERSION: Final = "2"
"""Part of every cache key: raise it with each change of what is rendered."""
CACHE_SECONDS: Final = 24 * 3600

_UNENCODABLE: Final = re.compile("[\x00\ud800-\udfff]")


def normalised(text: str) -> str:
    """Line ends as newlines; what neither parser nor database can hold (NUL, lone surrogates) in words."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _UNENCODABLE.sub(lambda match: f"⟨U+{ord(match[0]):04X}⟩", text)


def _plain(text: str) -> SafeString:
    # The inner element keeps a first empty line, which HTML would swallow right after <pre>.
    return clean(f'<pre class="plain" dir="auto"><span>{visible(text)}</span></pre>')


def render_plain(text: str) -> SafeString:
    """`text` as it is, in `pre.plain`: escaped, with invisible characters shown."""
    return _plain(normalised(text))


def cache_key(text: str) -> str:
    """Where the mark-up of `text` is kept; changes with every version of the renderer."""
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return f"rendering:{VERSION}:{digest}"


def render_markdown(text: str) -> SafeString:
    """`text` as sanitised blocks (`p`, `h3`…`h6`, lists, tables, `pre.hl`, `math`) for inside an `.md` element.

    Text that is too long, too deeply nested or too costly to parse comes back as `render_plain` gives it.
    The same text gives the same mark-up, kept in Django's cache.
    """
    key = cache_key(text)
    cached = cache.get(key)
    if isinstance(cached, SafeString):
        return cached
    prepared = normalised(text)
    try:
        rendered = clean(to_html(prepared))
    except TooComplex:
        rendered = _plain(prepared)
    cache.set(key, rendered, CACHE_SECONDS)
    return rendered
