"""A text to mark in: what it says to a program is the text, character by character, whatever it shows to a person."""

import re

from django.utils.html import escape
from django.utils.safestring import SafeString

from annotation.rendering.marks import _RUN, _summary

_parts = re.compile("\r+|[^\r]+").findall


def render_source(text: str) -> SafeString:
    """`text` escaped, so that the `textContent` of what comes out equals it, line ends included.

    Invisible characters stay in their place inside a `span.ctl`, whose `data-is` names them for style sheets to show.
    For inside an element with `white-space: pre-wrap`. A parser of HTML takes a carriage return for a line feed,
    unless it is written as a reference.
    """
    html: list[str] = []
    position = 0
    for match in _RUN.finditer(text):
        if match["needed"] is not None:
            continue
        html.append(escape(text[position : match.start()]))
        html.extend(_shown(part) for part in _parts(match[0]))
        position = match.end()
    html.append(escape(text[position:]))
    # A carriage return without a line feed ends a line too.
    return SafeString(re.sub("\r(?!\n)", "\r<br>", "".join(html)).replace("\r", "&#13;"))


def _shown(part: str) -> str:
    return (
        part
        if part[0] == "\r"
        else f'<span class="ctl" data-is="{_summary(part, names=False)}">{part}</span>'
    )
