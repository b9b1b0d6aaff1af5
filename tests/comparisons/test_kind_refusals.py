"""What the kinds refuse in answers and protocols: each problem with its field and code."""

from typing import Any

import pytest

from annotation.kinds import AnswerError, JudgmentKind
from comparisons.kinds import PAIRWISE, RANKING, RATING
from tests.comparisons.screens import problems, screen_for

CLEAR = {"criteria": {"clarity": {"preferred": "A", "strength": 1}}}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ([], {("", "not_an_object"), ("preferred", "required"), ("criteria.clarity", "required")}),
        (CLEAR, {("preferred", "required")}),
        (CLEAR | {"preferred": "A"}, {("strength", "required")}),
        (CLEAR | {"preferred": "C", "strength": 1}, {("preferred", "not_a_choice")}),
        (CLEAR | {"preferred": ["A"], "strength": 1}, {("preferred", "not_a_choice")}),
        (CLEAR | {"preferred": "A", "strength": 4}, {("strength", "out_of_range")}),
        (CLEAR | {"preferred": "A", "strength": 0}, {("strength", "out_of_range")}),
        (CLEAR | {"preferred": "A", "strength": 2**63}, {("strength", "out_of_range")}),
        (CLEAR | {"preferred": "A", "strength": True}, {("strength", "not_an_integer")}),
        (CLEAR | {"preferred": "A", "strength": 1.5}, {("strength", "not_an_integer")}),
        (CLEAR | {"preferred": "A", "strength": "2"}, {("strength", "not_an_integer")}),
        (CLEAR | {"preferred": "A", "strength": 1, "tie": ""}, {("tie", "contradiction")}),
        (CLEAR | {"tie": "", "strength": 1}, {("tie", "contradiction")}),
        (CLEAR | {"tie": "bored"}, {("tie", "not_a_choice")}),
        (CLEAR | {"tie": None}, {("tie", "not_a_choice")}),
        (CLEAR | {"preference": -2}, {("preference", "signed_form"), ("preferred", "required")}),
        (CLEAR | {"tie": "", "why": "x"}, {("why", "unknown_field")}),
        (CLEAR | {"tie": "", "\ud800": "x"}, {("\\ud800", "unknown_field")}),
        ({"tie": ""}, {("criteria.clarity", "required")}),
        ({"tie": "", "criteria": []}, {("criteria", "not_an_object"), ("criteria.clarity", "required")}),
        (
            {"tie": "", "criteria": {"clarity": {}, "charm": {"tie": ""}}},
            {("criteria.charm", "unknown_field"), ("criteria.clarity.preferred", "required")},
        ),
        (
            {"tie": "", "criteria": {"clarity": {"preference": 1}}},
            {("criteria.clarity.preference", "signed_form"), ("criteria.clarity.preferred", "required")},
        ),
        (
            {"tie": "", "criteria": {"clarity": {"preferred": "B", "strength": 3}}},
            {("criteria.clarity.strength", "out_of_range")},
        ),
    ],
)
def test_a_pairwise_answer_that_does_not_fit_is_refused_by_field(
    answer: Any, expected: set[tuple[str, str]]
) -> None:
    screen = screen_for(PAIRWISE, {"points": 7, "criteria": ["Clarity"]}, [0, 1])
    assert problems(PAIRWISE, answer, screen) == expected


@pytest.mark.parametrize("protocol", [{"points": 2}, {"points": 8}, {"points": 7, "ties": False}])
def test_a_forced_choice_takes_no_tie(protocol: dict[str, Any]) -> None:
    screen = screen_for(PAIRWISE, protocol, [0, 1])
    assert problems(PAIRWISE, {"tie": "both_good"}, screen) == {("tie", "tie_not_allowed")}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({}, {("ranking", "required")}),
        ({"ranking": "C>A=D>B"}, {("ranking", "not_a_list")}),
        ({"ranking": ["A", "B", "C"]}, {("ranking", "not_a_list")}),
        ({"ranking": [["A"], ["B"]]}, {("ranking", "required")}),
        ({"ranking": [["A"], ["B", "A"], ["C"]]}, {("ranking.1.1", "duplicate")}),
        ({"ranking": [["A"], ["B"], ["C"], ["D"]]}, {("ranking.3.0", "not_a_choice")}),
        ({"ranking": [["A"], [], ["B", "C"]]}, {("ranking.1", "empty")}),
        ({"ranking": [["A", 7], ["B", "C"]]}, {("ranking.0.1", "not_a_choice")}),
        ({"ranking": [["A"], ["B"], ["C"]], "top": 1}, {("top", "unknown_field")}),
        (
            {"ranking": [["A"], ["B"], ["C"]], "criteria": {"clarity": {"ranking": []}}},
            {("criteria.clarity", "unknown_field")},
        ),
    ],
)
def test_a_ranking_that_does_not_fit_is_refused_by_field(answer: Any, expected: set[tuple[str, str]]) -> None:
    assert problems(RANKING, answer, screen_for(RANKING, {}, [2, 0, 1])) == expected


def test_a_ranking_without_ties_names_the_place_of_a_tie() -> None:
    screen = screen_for(RANKING, {"ties": False}, [0, 1, 2])
    assert problems(RANKING, {"ranking": [["A"], ["B", "C"]]}, screen) == {("ranking.1", "tie_not_allowed")}


def test_every_criterion_of_a_ranking_is_required() -> None:
    screen = screen_for(RANKING, {"criteria": ["Clarity", "Depth"]}, [0, 1])
    answer = {"ranking": [["A"], ["B"]], "criteria": {"clarity": {"order": []}}}
    assert problems(RANKING, answer, screen) == {
        ("criteria.clarity.order", "unknown_field"),
        ("criteria.clarity.ranking", "required"),
        ("criteria.depth", "required"),
    }


RATED = {"ratings": {"A": {"overall": 4}, "B": {"overall": 4}}}


def marked(**changes: Any) -> dict[str, Any]:
    mark = {"label": "A", "start": 0, "end": 4, "type": "wrong_fact"} | changes
    return RATED | {"spans": [{key: value for key, value in mark.items() if value is not None}]}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({}, {("ratings", "required")}),
        ({"ratings": 4}, {("ratings", "not_an_object"), ("ratings.A", "required"), ("ratings.B", "required")}),
        ({"ratings": {"A": {"overall": 4}}}, {("ratings.B", "required")}),
        ({"ratings": {"A": {"overall": 4}, "B": {}}}, {("ratings.B.overall", "required")}),
        ({"ratings": {"A": {"overall": 0}, "B": {"overall": 8}}},
         {("ratings.A.overall", "out_of_range"), ("ratings.B.overall", "out_of_range")}),
        ({"ratings": {"A": {"overall": "4"}, "B": {"overall": False}}},
         {("ratings.A.overall", "not_an_integer"), ("ratings.B.overall", "not_an_integer")}),
        ({"ratings": {**RATED["ratings"], "C": {}}}, {("ratings.C", "unknown_field")}),
        ({"ratings": {"A": {"overall": 4, "charm": 1}, "B": {"overall": 4}}},
         {("ratings.A.charm", "unknown_field")}),
        (RATED | {"comment": ""}, {("comment", "unknown_field")}),
        (RATED | {"spans": {}}, {("spans", "not_a_list")}),
        (RATED | {"spans": [None] * 201}, {("spans", "too_many")}),
        (marked(label="C"), {("spans.0.label", "not_a_choice")}),
        (marked(type="ugly"), {("spans.0.type", "not_a_choice")}),
        (marked(end=13), {("spans.0.end", "out_of_range")}),
        (marked(start=-1), {("spans.0.start", "out_of_range")}),
        (marked(start=4), {("spans.0.end", "out_of_range")}),
        (marked(end=None), {("spans.0.end", "required")}),
        (marked(colour="red"), {("spans.0.colour", "unknown_field")}),
        (RATED | {"spans": marked()["spans"] * 2}, {("spans.1", "duplicate")}),
    ],
)  # fmt: skip
def test_a_rating_that_does_not_fit_is_refused_by_field(answer: Any, expected: set[tuple[str, str]]) -> None:
    assert problems(RATING, answer, screen_for(RATING, {}, [0, 1])) == expected


@pytest.mark.parametrize(
    ("points", "strongest", "has_tie"),
    [(2, 1, False), (3, 1, True), (5, 2, True), (7, 3, True), (8, 4, False)],
)
def test_points_fix_the_scale_and_the_tie(points: int, strongest: int, has_tie: bool) -> None:
    [overall] = PAIRWISE.protocol({"points": points}).criteria
    assert (overall.key, overall.low, overall.high) == ("overall", -strongest, strongest)
    assert overall.ties_allowed is has_tie


def test_a_protocol_fills_in_what_a_person_would_choose() -> None:
    spec = PAIRWISE.protocol({"kind": "pairwise", "criteria": ["overall", "Instructions followed"]})
    assert [criterion.key for criterion in spec.criteria] == ["instructions_followed", "overall"]
    assert (spec.points, spec.overlap, spec.ties_allowed) == (7, 3, True)
    assert [criterion.high for criterion in spec.criteria] == [2, 3]
    rating = RATING.protocol({"criteria": [{"name": "Depth", "anchors": list("abcde")}]})
    assert [(criterion.low, criterion.high) for criterion in rating.criteria] == [(0, 4), (1, 7)]
    ranking = RANKING.protocol({})
    assert [(criterion.low, criterion.high) for criterion in ranking.criteria] == [(None, None)]


@pytest.mark.parametrize(
    ("kind", "protocol", "expected"),
    [
        (PAIRWISE, {"kind": "rating"}, {("kind", "not_a_choice")}),
        (PAIRWISE, {"points": 6}, {("points", "not_a_choice")}),
        (PAIRWISE, {"points": True}, {("points", "not_a_choice")}),
        (PAIRWISE, {"points": 8, "ties": True}, {("ties", "tie_not_possible")}),
        (PAIRWISE, {"ties": "no"}, {("ties", "not_a_boolean")}),
        (PAIRWISE, {"overlap": 0}, {("overlap", "out_of_range")}),
        (PAIRWISE, {"colour": 1}, {("colour", "unknown_field")}),
        (PAIRWISE, {"criteria": "clarity"}, {("criteria", "not_a_list")}),
        (PAIRWISE, {"criteria": ["a"] * 21}, {("criteria", "too_many")}),
        (PAIRWISE, {"criteria": ["a", "A"]}, {("criteria.1", "duplicate")}),
        (PAIRWISE, {"criteria": ["正確さ"]}, {("criteria.0.key", "bad_key")}),
        (PAIRWISE, {"criteria": [{"key": "a", "name": "\x00"}]}, {("criteria.0.name", "not_storable")}),
        (PAIRWISE, {"criteria": [{"key": "a", "name": 4}]}, {("criteria.0.name", "not_text")}),
        (
            PAIRWISE,
            {"criteria": [{"key": "a", "question": "?" * 301}]},
            {("criteria.0.question", "too_long")},
        ),
        (PAIRWISE, {"criteria": [{"key": "a", "points": 4}]}, {("criteria.0.points", "not_a_choice")}),
        (PAIRWISE, {"criteria": [{"key": "overall", "points": 5}]}, {("criteria.0.points", "contradiction")}),
        (PAIRWISE, {"criteria": [4]}, {("criteria.0", "not_an_object")}),
        (RATING, {"criteria": [{"key": "a", "anchors": ["one"]}]}, {("criteria.0.anchors", "wrong_length")}),
        (RATING, {"criteria": [{"key": "a", "anchors": "one"}]}, {("criteria.0.anchors", "not_a_list")}),
        (RATING, {"ties": True}, {("ties", "unknown_field")}),
        (RANKING, {"points": 5}, {("points", "unknown_field")}),
        (RANKING, {"criteria": [{"key": "a", "anchors": []}]}, {("criteria.0.anchors", "unknown_field")}),
    ],
)
def test_a_protocol_that_cannot_be_judged_is_refused_by_field(
    kind: JudgmentKind, protocol: dict[str, Any], expected: set[tuple[str, str]]
) -> None:
    with pytest.raises(AnswerError) as refusal:
        kind.protocol(protocol)
    assert {(error.field, error.code) for error in refusal.value.errors} == expected
