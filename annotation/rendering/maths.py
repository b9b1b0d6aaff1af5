r"""Formulas: finds ``$…$``, ``$$…$$``, ``\(…\)`` and ``\[…\]``, and turns TeX into MathML.

The bracket rules are ours: those of mdit-py-plugins copy the rest of the text at each opening bracket, which
takes seconds on a text full of them. A formula that can not be converted is shown as its TeX, never hidden.
"""

import html
import re
from collections.abc import Sequence
from typing import Any, Final
from xml.etree.ElementTree import Element, SubElement, tostring

from latex2mathml import exceptions
from latex2mathml.converter import Converter
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererProtocol
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from mdit_py_plugins.dollarmath.index import math_inline_dollar

from annotation.rendering.marks import has_invisible, visible

TEX_LIMIT: Final = 2000
"""Characters of one formula. Longer ones are shown as TeX."""
TEX_TOTAL_LIMIT: Final = 20_000
"""Characters of all formulas of one text that are converted, each formula counting OVERHEAD more."""
OVERHEAD: Final = 20
NESTING_LIMIT: Final = 24

# Definitions could grow a short formula without end, and colours could hide a part of it.
_REFUSED: Final = re.compile(
    r"\\(?:def|let|newcommand|renewcommand|providecommand|newenvironment|renewenvironment|DeclareMathOperator"
    r"|color|textcolor|colorbox|fcolorbox|unicode|href|url|class|style|cssId|rule)(?![A-Za-z])"
)
_LENGTH: Final = re.compile(r"[0-9](?:\.[0-9]{1,6})?(?:em|ex|px|pt|mm)?")
_SILENT_OPERATORS: Final = dict.fromkeys((0x2061, 0x2062, 0x2063, 0x2064))
"""Function application, invisible times, separator and plus: the converter adds them, nobody sees them."""
_CONVERSION_ERRORS: Final[tuple[type[Exception], ...]] = (
    *(
        error
        for error in vars(exceptions).values()
        if isinstance(error, type) and issubclass(error, Exception)
    ),
    ArithmeticError,
    AttributeError,
    LookupError,
    RuntimeError,
    StopIteration,
    TypeError,
    ValueError,
)
"""What latex2mathml raises on malformed TeX: its own errors, and slips of its parser (found by fuzzing)."""


def _depth(tex: str) -> int:
    depth = deepest = 0
    for token in re.findall(r"\\begin|\\end|\\left|\\right|\\.|[{}]", tex):
        if token in ("{", r"\begin", r"\left"):
            depth += 1
        elif token in ("}", r"\end", r"\right"):
            depth -= 1
        deepest = max(deepest, depth)
    return deepest


def _convertible(tex: str) -> bool:
    return (
        len(tex) <= TEX_LIMIT
        and _depth(tex) <= NESTING_LIMIT
        and not _REFUSED.search(tex)
        and not has_invisible(tex.replace("\r", ""))
    )


def mathml(tex: str, *, display: bool) -> str | None:
    """`tex` as a `math` element with the TeX in its annotation, or None when it can't be converted."""
    if not _convertible(tex):
        return None
    try:
        math = Converter(display="block" if display else "inline").convert_to_element(tex)
    except _CONVERSION_ERRORS:
        return None
    for element in math.iter():
        if element.text:
            # The converter writes character references as text and leaves the escaping undone.
            element.text = html.unescape(element.text).translate(_SILENT_OPERATORS)
        for name in (
            "width",
            "lspace",
            "rspace",
            "columnspacing",
            "rowspacing",
            "linethickness",
        ):
            value = element.get(name)
            if value is not None and not all(_LENGTH.fullmatch(part) for part in value.split()):
                del element.attrib[name]
    for row in [element for element in math.iter() if element.tag in ("mrow", "mstyle", "mtd")]:
        _space_functions(row)
    semantics = Element("semantics")
    semantics.extend(list(math))
    SubElement(semantics, "annotation", {"encoding": "application/x-tex"}).text = tex
    for child in list(math):
        math.remove(child)
    math.append(semantics)
    return tostring(math, encoding="unicode")


def _is_function(element: Element) -> bool:
    """log, sin, lim and the like: an identifier of several letters, with or without an index."""
    if element.tag in ("msub", "msup", "msubsup", "munder", "mover") and len(element):
        element = element[0]
    return element.tag == "mi" and len(element.text or "") > 1 and (element.text or "").isalpha()


def _space_functions(row: Element) -> None:
    """Set a function off from what it multiplies, as TeX does; browsers leave no space (n log n)."""
    children = list(row)
    spaced: list[Element] = []
    for left, right in zip([None, *children], children, strict=False):
        is_apart = left is not None and left.tag not in ("mo", "mspace") and right.tag not in ("mo", "mspace")
        if left is not None and is_apart and (_is_function(left) or _is_function(right)):
            spaced.append(Element("mspace", {"width": "0.167em"}))
        spaced.append(right)
    row[:] = spaced


def formula(tex: str, env: EnvType, *, display: bool) -> str:
    """MathML, or the TeX itself in `code.tex` when there is no good MathML for it."""
    spent = env["tex_characters"] = env.get("tex_characters", 0) + len(tex) + OVERHEAD
    converted = mathml(tex, display=display) if spent <= TEX_TOTAL_LIMIT else None
    if converted is not None:
        return converted
    marks = ("$$", "$$") if display else ("$", "$")
    return f'<code class="tex" dir="ltr">{visible(marks[0] + tex + marks[1])}</code>'


def _inline_brackets(state: StateInline, silent: bool) -> bool:
    for opening, closing, kind in (
        ("\\(", "\\)", "math_inline"),
        ("\\[", "\\]", "math_inline_double"),
    ):
        if state.src.startswith(opening, state.pos):
            start = state.pos + 2
            # The bound keeps a text of nothing but opening brackets linear.
            end = state.src.find(closing, start, start + TEX_LIMIT + 2)
            if end < 0 or not state.src[start:end].strip():
                return False
            if not silent:
                state.push(kind, "math", 0).content = state.src[start:end]
            state.pos = end + 2
            return True
    return False


def _block(state: StateBlock, first_line: int, end_line: int, silent: bool) -> bool:
    r"""``$$`` or ``\[`` at the start of a line up to its closing mark at the end of one, no empty line between."""
    if state.is_code_block(first_line):
        return False
    start = state.bMarks[first_line] + state.tShift[first_line]
    opening = state.src[start : start + 2]
    if opening not in ("$$", "\\["):
        return False
    closing = "$$" if opening == "$$" else "\\]"
    # Lines up to here have been searched for this mark in vain: search each line once only.
    if first_line < state.env.get(closing, 0):
        return False
    lines: list[str] = []
    for number in range(first_line, end_line):
        begin = start + 2 if number == first_line else state.bMarks[number] + state.tShift[number]
        line = state.src[begin : state.eMarks[number]].rstrip()
        if number > first_line and (not line or state.sCount[number] < state.blkIndent):
            state.env[closing] = number
            return False
        if closing in line:
            if not line.endswith(closing) or line.index(closing) != len(line) - 2:
                return False  # text goes on behind it: a formula inside a paragraph
            lines.append(line[:-2])
            if not "".join(lines).strip():
                return False
            if not silent:
                token = state.push("math_block", "math", 0)
                token.block = True
                token.content = "\n".join(lines).strip()
                token.map = [first_line, number + 1]
                state.line = number + 1
            return True
        lines.append(line)
    state.env[closing] = end_line
    return False


def _render_inline(
    self: RendererProtocol,
    tokens: Sequence[Token],
    index: int,
    options: OptionsDict,
    env: EnvType,
) -> str:
    return formula(tokens[index].content.strip(), env, display=False)


def _render_display(
    self: RendererProtocol,
    tokens: Sequence[Token],
    index: int,
    options: OptionsDict,
    env: EnvType,
) -> str:
    return formula(tokens[index].content.strip(), env, display=True)


def _render_block(
    self: RendererProtocol,
    tokens: Sequence[Token],
    index: int,
    options: OptionsDict,
    env: EnvType,
) -> str:
    inside = formula(tokens[index].content, env, display=True)
    return f'<div class="formula" role="group" tabindex="0" aria-label="Formula">{inside}</div>\n'


def maths_plugin(md: MarkdownIt, **_: Any) -> None:
    """Teach `md` the four ways in which models write formulas."""
    md.inline.ruler.before(
        "escape",
        "math_inline",
        math_inline_dollar(allow_space=False, allow_digits=False, allow_double=True),
    )
    md.inline.ruler.before("escape", "math_brackets", _inline_brackets)
    md.block.ruler.before(
        "fence",
        "math_block",
        _block,
        {"alt": ["paragraph", "reference", "blockquote", "list"]},
    )
    md.add_render_rule("math_inline", _render_inline)
    md.add_render_rule("math_inline_double", _render_display)
    md.add_render_rule("math_block", _render_block)
