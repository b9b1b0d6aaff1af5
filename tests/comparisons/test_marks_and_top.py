"""Marks as the rating form sends them, the text they count in, and rankings of the best few."""

import json
from html.parser import HTMLParser
from typing import Any

import pytest
from django.http import QueryDict
from hypothesis import given
from hypothesis import strategies as st

from annotation.kinds import AnswerError
from annotation.rendering.source import render_source
from comparisons.kinds import RANKING, RATING
from comparisons.kinds.rating.form import span_text
from tests.comparisons.screens import problems, screen_for, stored_and_read

MARK = {"label": "A", "start": 0, "end": 5, "type": "unsafe"}


def sent(spans: str) -> dict[str, Any]:
    fields = QueryDict(mutable=True)
    fields.update({"rating-A-overall": "4", "spans": spans})
    return RATING.answer_from_form(fields, screen_for(RATING, {}, [0]))


def test_the_form_sends_marks_as_json() -> None:
    assert sent(json.dumps([MARK])) == {"ratings": {"A": {"overall": 4}}, "spans": [MARK]}
    assert sent("[]") == sent("") == {"ratings": {"A": {"overall": 4}}}


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ("nonsense", {("spans", "not_a_list")}),
        ("[" * 100_000, {("spans", "not_a_list")}),
        ("null", {("spans", "not_a_list")}),
        ("[[]]", {("spans.0", "not_an_object"), *((f"spans.0.{name}", "required") for name in MARK)}),
        (json.dumps([MARK | {"end": 13}]), {("spans.0.end", "out_of_range")}),
        (json.dumps([MARK | {"end": True}]), {("spans.0.end", "not_an_integer")}),
        (json.dumps([MARK, MARK]), {("spans.1", "duplicate")}),
        (json.dumps([MARK | {"label": "B"}]), {("spans.0.label", "not_a_choice")}),
    ],
)
def test_marks_that_do_not_fit_are_refused_by_field(spans: str, expected: set[tuple[str, str]]) -> None:
    assert problems(RATING, sent(spans), screen_for(RATING, {}, [0])) == expected


@pytest.mark.parametrize(
    "spans", [None, 4, [None], [{}], [MARK | {"x": 1}], [MARK | {"end": 13}], [MARK | {"start": "0"}]]
)
def test_only_marks_that_fit_come_back_to_the_form(spans: Any) -> None:
    screen = screen_for(RATING, {}, [0])
    context = RATING.form_context(screen, {"spans": [MARK, *spans] if isinstance(spans, list) else spans})
    assert json.loads(context["spans"]) == ([MARK] if isinstance(spans, list) else [])


class Text(HTMLParser):
    """The text of mark-up; references are resolved as a browser does."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.tags: set[str] = set()
        self.feed(html)
        self.close()

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)


TEXT = st.text(
    st.one_of(
        st.sampled_from("\r\n\t<>&\"' \u200b\u202e\u2066\ufe0f\u200d\u0301👍🏽ش𝔘\x07\x85\ufeff"),
        st.characters(exclude_categories=["Cs"], exclude_characters="\x00"),
    )
)


@given(text=TEXT)
def test_the_text_to_mark_in_is_the_text(text: str) -> None:
    html = str(render_source(text))
    assert "\r" not in html, "a parser of HTML would make a line feed of it"
    shown = Text(html)
    assert shown.text == text
    assert shown.tags <= {"span", "br"}


def test_hidden_characters_are_named() -> None:
    assert (
        render_source("a\u202e\u200b<")
        == 'a<span class="ctl" data-is="U+202E, U+200B">\u202e\u200b</span>&lt;'
    )
    assert render_source("a\r\nb\rc") == "a&#13;\nb&#13;<br>c"


def test_the_parts_shown_make_the_text_that_marks_count_in() -> None:
    screen = screen_for(RATING, {}, [3, 0])
    for completion in screen.completions:
        completion.messages = [{"role": "user", "content": "One\r\n"}, *completion.messages]
    for completion, shown in zip(
        screen.completions, RATING.form_context(screen, None)["completions"], strict=True
    ):
        assert "\n\n".join(Text(part["text"]).text for part in shown["source"]) == span_text(completion)


@pytest.mark.django_db
def test_the_best_few_of_a_ranking_come_back_and_the_rest_is_below_them() -> None:
    screen = screen_for(RANKING, {"top": 2}, [2, 0, 1, 3])
    answer: dict[str, Any] = {"ranking": [["C"], ["A"]]}
    assert stored_and_read(RANKING, screen, answer) == answer


def test_fewer_than_were_asked_for_are_refused() -> None:
    screen = screen_for(RANKING, {"top": 2}, [2, 0, 1])
    assert problems(RANKING, {"ranking": [["B"]]}, screen) == {("ranking", "required")}
    assert RANKING.parse({"ranking": [["B", "C"]]}, screen) == {"overall": [["B", "C"]]}
    # More to place than there is: everything has to be placed.
    assert problems(RANKING, {"ranking": [["B"]]}, screen_for(RANKING, {"top": 7}, [0, 1])) == {
        ("ranking", "required")
    }


@pytest.mark.parametrize("top", [0, 8, "2", True, 1.5])
def test_a_protocol_asks_for_a_whole_number_of_best_ones(top: Any) -> None:
    with pytest.raises(AnswerError) as refusal:
        RANKING.protocol({"top": top})
    assert [error.field for error in refusal.value.errors] == ["top"]
