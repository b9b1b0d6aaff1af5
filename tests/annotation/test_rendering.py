"""Untrusted text becomes mark-up that shows everything and does nothing."""

import re
from html.parser import HTMLParser
from typing import Final

import pytest
from django.core.cache import cache
from django.template import Context, Template
from django.utils.safestring import SafeString
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.rendering import markdown, render_markdown, render_plain
from annotation.rendering.code import HIGHLIGHT_LIMIT, LANGUAGES
from annotation.rendering.icons import SHAPES, svg_icon
from annotation.rendering.maths import mathml
from annotation.rendering.sanitise import clean
from annotation.rendering.text import cache_key
from tests.annotation.hostile import payloads

# Written out here, so that a wider list in the code fails a test.
_TAGS: Final = """p br hr h3 h4 h5 h6 strong em s code pre blockquote ul ol li span div table thead tbody tr th td
    math semantics annotation mrow mi mo mn mtext ms mspace mfrac msqrt mroot mstyle msub msup msubsup munder
    mover munderover mmultiscripts mprescripts none mtable mtr mtd menclose mphantom"""
TAGS: Final = set(_TAGS.split())
_ATTRIBUTES: Final = """class title dir start tabindex role aria-label display encoding form stretchy fence separator
    movablelimits
    largeop symmetric minsize maxsize lspace rspace width columnalign columnspacing rowspacing columnlines rowlines
    linethickness notation mathvariant accent accentunder displaystyle scriptlevel"""
ATTRIBUTES: Final = set(_ATTRIBUTES.split())
OUR_CLASSES: Final = {"ctl", "ref", "go", "host", "img", "hl", "plain", "tex", "table", "formula", "c", "r"}


class Reader(HTMLParser):
    """Collects what is in a piece of mark-up, and what nobody allowed."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in TAGS:
            self.wrong.append(f"<{tag}>")
        for name, value in attrs:
            self.attributes.append((tag, name, value or ""))
            if name not in ATTRIBUTES or (name == "title" and tag != "span"):
                self.wrong.append(f"<{tag} {name}>")
            if name == "class" and not all(_is_known_class(word) for word in (value or "").split()):
                self.wrong.append(f'class="{value}"')

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        self.wrong.append("comment")

    def handle_decl(self, decl: str) -> None:
        self.wrong.append("declaration")

    def handle_pi(self, data: str) -> None:
        self.wrong.append("processing instruction")


def _is_known_class(word: str) -> bool:
    return word in OUR_CLASSES or re.fullmatch("[a-z]{1,2}[0-9a-z]?", word) is not None


def read(mark_up: str) -> Reader:
    reader = Reader()
    reader.feed(mark_up)
    reader.close()
    return reader


@pytest.fixture(autouse=True)
def _fresh_cache() -> None:
    cache.clear()


# What people should see


def test_markdown_keeps_its_structure_with_headings_below_those_of_the_page() -> None:
    assert render_markdown(
        "# One\n\nTwo **three** *four* ~~five~~ `six`\nseven\n\n## Eight\n\n3. a\n4. b\n   - c"
    ) == (
        '<h3 dir="auto">One</h3>\n'
        '<p dir="auto">Two <strong>three</strong> <em>four</em> <s>five</s> <code dir="ltr">six</code><br>\n'
        "seven</p>\n"
        '<h4 dir="auto">Eight</h4>\n'
        '<ol start="3">\n<li dir="auto">a</li>\n<li dir="auto">b\n<ul>\n<li dir="auto">c</li>\n</ul>\n</li>\n</ol>\n'
    )


def test_a_table_scrolls_by_itself_and_aligns_by_class() -> None:
    rendered = render_markdown("| a | b |\n|:-:|--:|\n| 1 | 2 |")
    assert rendered.startswith(
        '<div class="table" role="group" tabindex="0" aria-label="Table"><table>\n<thead>'
    )
    assert '<th dir="auto" class="c">a</th>\n<th dir="auto" class="r">b</th>' in rendered
    assert '<td dir="auto" class="c">1</td>' in rendered


def test_code_is_coloured_by_classes_and_can_be_focused() -> None:
    rendered = render_markdown("```python\ndef f():\n    return 'a' < b\n```")
    assert rendered.startswith(
        '<pre class="hl" tabindex="0" aria-label="Code" dir="ltr"><code><span class="k">def'
    )
    assert read(rendered).text == "def f():\n    return 'a' < b\n"


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_every_language_keeps_every_character(language: str) -> None:
    code = '\n\n  x = "é\\n" # 1 <b>\t\n/* z */ if (a<b) { $c->d(); } \n\n\n\'unclosed'
    assert read(render_markdown(f"```{language}\n{code}\n```")).text == code + "\n"


def test_unknown_languages_and_long_blocks_are_shown_without_colour() -> None:
    for fence, code in [("nonsense", "x = 1"), ("python", "x = 1\n" * (HIGHLIGHT_LIMIT // 6 + 1))]:
        rendered = render_markdown(f"```{fence}\n{code}\n```")
        assert "span" not in rendered
        assert read(rendered).text.strip() == code.strip()


@pytest.mark.parametrize(
    ("text", "display"),
    [
        ("$x^2$", "inline"),
        (r"\(x^2\)", "inline"),
        ("$$x^2$$", "block"),
        (r"\[x^2\]", "block"),
        (r"so \[x^2\] is", "block"),
    ],
)
def test_formulas_become_mathml_with_their_tex_kept(text: str, display: str) -> None:
    rendered = render_markdown(text)
    assert f'<math display="{display}"><semantics><mrow><msup><mi>x</mi><mn>2</mn></msup></mrow>' in rendered
    assert '<annotation encoding="application/x-tex">x^2</annotation>' in rendered


def test_a_formula_of_several_lines_is_not_taken_for_lists_or_headings() -> None:
    rendered = render_markdown("So\n\\[\n- a\n+ b\n= c\n\\]\nthen\n$$\n1. x\n$$")
    assert rendered.count('<div class="formula" role="group" tabindex="0" aria-label="Formula"><math') == 2
    assert not {"ul", "ol", "h3", "h4", "h5"} & set(read(rendered).tags)


def test_money_and_shell_variables_are_no_formulas() -> None:
    for text in ["It costs $5 or $10.", "echo $HOME and $PATH", "a $ b $ c"]:
        assert "<math" not in render_markdown(text)


@pytest.mark.parametrize(
    "tex", [r"\frac{", r"\def\a{\a\a}\a", r"\color{white}x", "x" * 3000, "{" * 30 + "}" * 30]
)
def test_tex_that_is_not_converted_is_shown_as_it_is(tex: str) -> None:
    rendered = render_markdown(f"${tex}$")
    assert '<code class="tex" dir="ltr">' in rendered
    assert tex in read(rendered).text


def test_links_and_images_say_where_they_lead_and_lead_nowhere() -> None:
    rendered = render_markdown("[the docs](https://example.org/a?b=c) ![a cat](http://evil.example/cat.png)")
    assert rendered == (
        '<p dir="auto"><span class="ref go" title="https://example.org/a?b=c">the docs'
        ' <span class="host">example.org</span></span>'
        ' <span class="img" title="http://evil.example/cat.png">Image not loaded: a cat'
        ' <span class="host">evil.example</span></span></p>\n'
    )


def test_a_host_in_look_alike_letters_is_shown_in_its_wire_form() -> None:
    assert "xn--xample-2of.org" in render_markdown("[bank](https://еxample.org)")


def test_right_to_left_text_and_needed_joiners_are_untouched() -> None:
    for text in ["שלום עולם", "می‌خواهم", "क्‍ष", "👨‍👩‍👧 ❤️ 🏴󠁧󠁢󠁥󠁮󠁧󠁿 1️⃣", "葛󠄀城", "a\u00a0b\u3000c é"]:
        assert render_markdown(text) == f'<p dir="auto">{text.replace(chr(0xA0), "&nbsp;")}</p>\n'


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        ("a\u202eb", "U+202E RIGHT-TO-LEFT OVERRIDE"),
        ("a\u2066b", "U+2066 LEFT-TO-RIGHT ISOLATE"),
        ("a\u200bb", "U+200B ZERO WIDTH SPACE"),
        ("a\u200db", "U+200D ZERO WIDTH JOINER"),
        ("a\ufeffb", "U+FEFF ZERO WIDTH NO-BREAK SPACE"),
        ("a\xadb", "U+00AD SOFT HYPHEN"),
        ("a\x1bb", "U+001B CONTROL"),
        ("a\U000e0041b", "U+E0041 TAG LATIN CAPITAL LETTER A"),
        ("a&#x202e;b", "U+202E RIGHT-TO-LEFT OVERRIDE"),
    ],
)
def test_invisible_and_bidi_characters_become_marks(text: str, mark: str) -> None:
    code = mark.split()[0]
    expected = f'a<span class="ctl" title="{mark}">{code}</span>b'
    assert expected in render_markdown(text)
    if "&" not in text:
        for rendered in (
            render_plain(text),
            render_markdown(f"`{text}`"),
            render_markdown(f"```\n{text}\n```"),
        ):
            assert expected in rendered


def test_marks_reach_addresses_and_descriptions() -> None:
    rendered = render_markdown("![a\u202eb](https://example.org/%E2%80%AE)")
    assert "\u202e" not in rendered
    assert "U+202E" in rendered


def test_a_run_of_invisible_characters_is_one_mark_that_counts_them() -> None:
    assert render_plain("a" + "\u200b" * 5000 + "b").count("<span") == 2
    assert "and 4994 more" in render_plain("a" + "\u200b" * 5000 + "b")


def test_what_no_page_can_hold_is_written_out() -> None:
    for render in (render_markdown, render_plain):
        assert "a⟨U+0000⟩b⟨U+D800⟩c" in render("a\0b\ud800c")


def test_plain_text_keeps_every_line_and_space() -> None:
    text = "\n\n  # a  <b>&amp;\n\t`c`  \n"
    assert read(render_plain(text)).text == text
    assert render_plain("<b>") == '<pre class="plain" dir="auto"><span>&lt;b&gt;</span></pre>'


# What nobody should be able to do


@pytest.mark.parametrize("payload", payloads())
def test_hostile_text_brings_no_element_or_attribute_of_its_own(payload: str) -> None:
    for rendered in (render_markdown(payload), render_plain(payload)):
        assert isinstance(rendered, SafeString)
        assert read(rendered).wrong == []
        assert clean(rendered) == rendered


def test_there_are_more_than_three_hundred_hostile_texts() -> None:
    assert len(payloads()) > 300


def test_html_is_shown_as_the_text_that_it_is() -> None:
    payload = "<img src=x onerror=alert(1)>"
    assert read(render_markdown(payload)).text.strip() == payload
    assert read(render_plain(payload)).text == payload


@given(
    st.text(
        alphabet=st.one_of(st.characters(), st.sampled_from("<>&\"'`*_[]()!$\\|-#\n \u202e\u200b=/{}^~:")),
        max_size=80,
    )
)
@settings(max_examples=300, deadline=None)
def test_no_text_breaks_out_and_none_crashes(text: str) -> None:
    for rendered in (render_markdown(text), render_plain(text)):
        reader = read(rendered)
        assert reader.wrong == []
        assert not re.search("[\u202a-\u202e\u2066-\u2069]", rendered)


@given(st.text(alphabet=r"\{}[]()^_&%$#ab12 +-=<>|'," + "\n", max_size=60))
@settings(max_examples=300, deadline=None)
def test_no_formula_crashes(tex: str) -> None:
    converted = mathml(tex, display=False)
    assert converted is None or converted.startswith("<math")


# What must not take long: the fallback is asserted, not the clock

COSTLY: Final = {
    "brackets": "[" * 50_000,
    "half links": "[a](" * 10_000,
    "a long line": "a" * 1_000_000,
    "many lines": "a\n" * 6_000,
    "deep quotes": ">" * 60 + " a",
    "deep lists": "- " * 60 + "a",
    "lazy quotes": "> " * 40 + "a\n" * 4_000,
    "wide table": "|" + "a|" * 300 + "\n|" + "-|" * 300 + "\n" + "|\n" * 400,
}


@pytest.mark.parametrize("name", COSTLY)
def test_costly_text_is_shown_in_plain_and_in_full(name: str) -> None:
    text = COSTLY[name]
    rendered = render_markdown(text)
    assert rendered == render_plain(text)
    assert read(rendered).text == text


def test_the_guard_counts_steps_and_not_seconds() -> None:
    with pytest.raises(markdown.TooComplex, match="parser steps"):
        markdown.to_html(COSTLY["half links"])
    with pytest.raises(markdown.TooComplex, match="nested"):
        markdown.to_html("> " * 40 + "a")
    with pytest.raises(markdown.TooComplex, match="cells"):
        markdown.to_html(COSTLY["wide table"])


@pytest.mark.parametrize("text", ["*" * 50_000, "`" * 50_000, "\\(" * 20_000, "\\[a\n\n" * 2_000])
def test_text_that_only_looks_costly_is_parsed(text: str) -> None:
    assert "plain" not in render_markdown(text)


def test_long_ordinary_text_is_parsed() -> None:
    paragraph = (
        "A sentence with **bold**, `code`, a [link](https://example.org) and $x_1$.\n\n- one\n- two\n\n"
    )
    assert "<strong>" in render_markdown(paragraph * 500)


# Cache, tags, icons


def test_the_second_rendering_comes_from_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    first = render_markdown("**once**")
    monkeypatch.setattr("annotation.rendering.text.to_html", lambda text: pytest.fail("rendered twice"))
    second = render_markdown("**once**")
    assert second == first
    assert isinstance(second, SafeString)


def test_a_cache_that_lost_the_type_is_not_believed() -> None:
    cache.set(cache_key("**x**"), "<script>alert(1)</script>")
    assert render_markdown("**x**") == '<p dir="auto"><strong>x</strong></p>\n'


def test_tags_and_filters_do_the_same() -> None:
    template = Template(
        "{% load concord_text %}{% markdown text %}{{ text|markdown }}{% plain text %}{{ text|plain }}"
        '{% icon "undo" size=15 %}'
    )
    rendered = template.render(Context({"text": "<b>"}))
    assert rendered == render_markdown("<b>") * 2 + render_plain("<b>") * 2 + svg_icon("undo", 15)


def test_icons_are_plain_drawings() -> None:
    for name in SHAPES:
        assert re.fullmatch(
            r'<svg class="icon" [^<>]*>(<(path|circle|rect|line|polyline) [^<>]*/>)+</svg>', svg_icon(name)
        )
        assert not re.search(r"\s(on\w+|style|href)=", svg_icon(name))
    with pytest.raises(KeyError):
        svg_icon("nothing")


@pytest.mark.parametrize(
    "table",
    [
        "|" + "a|" * 12_500 + "\n|" + "-|" * 12_500 + "\nb\n",
        "|" + "a|" * 240 + "\n|" + "-|" * 240 + "\nb" * 4_000,
    ],
    ids=["wide", "long"],
)
def test_a_table_beyond_the_limit_is_refused_before_it_is_made(
    table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is counted after the parser has made the cells comes seconds too late."""

    def make(*_: object) -> bool:
        raise AssertionError("the cells were made")

    monkeypatch.setattr(markdown, "table", make)
    with pytest.raises(markdown.TooComplex, match="20000 table cells"):
        markdown.to_html(table)
    with pytest.raises(AssertionError):
        markdown.to_html("|a|b|\n|-|-|\n|1|2|\n")
