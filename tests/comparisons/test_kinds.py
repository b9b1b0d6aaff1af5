"""Answers of every kind: nothing changes on the way from the screen to the tables and back."""

from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, transaction
from django.http import QueryDict
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.kinds import Screen, judgment_kinds
from annotation.models import (
    Criterion,
)
from comparisons.kinds import PAIRWISE, RANKING, RATING
from comparisons.models import PairwiseAnswer, RankingAnswer, RatingAnswer, SpanMark
from tests.comparisons.screens import CONTENTS, save, screen_for, stored_and_read

EXAMPLES = settings(max_examples=40, deadline=None)


@st.composite
def pairwise_cases(draw: st.DrawFn) -> tuple[Screen, dict[str, Any]]:
    points = draw(st.sampled_from([2, 3, 5, 7, 8]))
    protocol = {"points": points, "criteria": ["Clarity", {"name": "Safety", "points": 3}]}
    screen = screen_for(PAIRWISE, protocol, draw(st.permutations([0, 1])))

    def verdict(criterion: Criterion) -> dict[str, Any]:
        if criterion.ties_allowed and draw(st.booleans()):
            return {"tie": draw(st.sampled_from(["", "both_good", "both_poor", "nearly_identical"]))}
        strength = draw(st.integers(1, criterion.high or 0))
        return {"preferred": draw(st.sampled_from("AB")), "strength": strength}

    *others, overall = screen.criteria
    return screen, verdict(overall) | {"criteria": {other.key: verdict(other) for other in others}}


@pytest.mark.django_db
@EXAMPLES
@given(case=pairwise_cases())
def test_pairwise_answers_come_back_as_they_were_given(case: tuple[Screen, dict[str, Any]]) -> None:
    screen, answer = case
    assert stored_and_read(PAIRWISE, screen, answer) == answer


@st.composite
def ranking_cases(draw: st.DrawFn) -> tuple[Screen, dict[str, Any]]:
    order = draw(st.integers(2, 5).flatmap(lambda size: st.permutations(range(size))))
    screen = screen_for(RANKING, {"criteria": ["Clarity"]}, order)

    def ranking() -> dict[str, Any]:
        places = {label: draw(st.integers(1, len(order))) for label in screen.labels}
        tiers = [[label for label in places if places[label] == at] for at in range(1, len(order) + 1)]
        return {"ranking": [tier for tier in tiers if tier]}

    return screen, ranking() | {"criteria": {"clarity": ranking()}}


@pytest.mark.django_db
@EXAMPLES
@given(case=ranking_cases())
def test_rankings_come_back_as_they_were_given(case: tuple[Screen, dict[str, Any]]) -> None:
    screen, answer = case
    assert stored_and_read(RANKING, screen, answer) == answer


@st.composite
def rating_cases(draw: st.DrawFn) -> tuple[Screen, dict[str, Any]]:
    order = draw(st.integers(1, 4).flatmap(lambda size: st.permutations(range(size))))
    criteria = ["Helpfulness", {"name": "Depth", "points": 3, "optional": True}]
    screen = screen_for(RATING, {"criteria": criteria, "choice": True}, order)

    def value(criterion: Criterion) -> int | None:
        value = st.integers(criterion.low or 0, criterion.high or 0)
        return draw(st.none() | value if criterion.is_optional else value)

    ratings = {
        label: {criterion.key: value(criterion) for criterion in screen.criteria} for label in screen.labels
    }
    choice = draw(st.none() | st.sampled_from(screen.labels)) if len(order) > 1 else None

    @st.composite
    def span(draw: st.DrawFn) -> dict[str, Any]:
        label = draw(st.sampled_from(screen.labels))
        length = len(CONTENTS[screen.by_label[label].position])
        start = draw(st.integers(0, length - 1))
        kind = draw(st.sampled_from(SpanMark.Type.values))
        return {"label": label, "start": start, "end": draw(st.integers(start + 1, length)), "type": kind}

    spans = draw(st.lists(span(), max_size=4, unique_by=lambda mark: tuple(mark.values())))
    answer: dict[str, Any] = {"ratings": ratings} | ({"spans": spans} if spans else {})
    return screen, answer | ({"choice": choice} if choice else {})


@pytest.mark.django_db
@EXAMPLES
@given(case=rating_cases())
def test_ratings_come_back_as_they_were_given(case: tuple[Screen, dict[str, Any]]) -> None:
    screen, answer = case
    assert stored_and_read(RATING, screen, answer) == answer


@pytest.mark.django_db
@pytest.mark.parametrize(("order", "preference"), [([0, 1], -3), ([1, 0], 3)])
def test_screen_order_is_undone_before_a_preference_is_stored(order: list[int], preference: int) -> None:
    screen = screen_for(PAIRWISE, {"points": 7}, order)
    stored_and_read(PAIRWISE, screen, {"preferred": "A", "strength": 3})
    assert PairwiseAnswer.objects.get().preference == preference


@pytest.mark.django_db
def test_ranks_are_competition_ranks_of_the_completions_shown() -> None:
    screen = screen_for(RANKING, {}, [2, 0, 3, 1])
    stored_and_read(RANKING, screen, {"ranking": [["C"], ["A", "D"], ["B"]]})
    ranks = {row.completion.position: row.rank for row in RankingAnswer.objects.select_related("completion")}
    assert ranks == {3: 1, 2: 2, 1: 2, 0: 4}


@pytest.mark.django_db
def test_values_and_marks_belong_to_the_completion_shown() -> None:
    screen = screen_for(RATING, {}, [1, 0])
    answer = {
        "ratings": {"A": {"overall": 7}, "B": {"overall": 2}},
        "spans": [{"label": "A", "start": 0, "end": 6, "type": "unsupported"}],
    }
    stored_and_read(RATING, screen, answer)
    values = {row.completion.position: row.value for row in RatingAnswer.objects.select_related("completion")}
    assert values == {1: 7, 0: 2}
    assert SpanMark.objects.get().completion.position == 1


@pytest.mark.django_db
def test_stored_answers_can_be_neither_changed_nor_deleted() -> None:
    stored_and_read(PAIRWISE, screen_for(PAIRWISE, {}, [0, 1]), {"tie": "both_good"})
    stored_and_read(RANKING, screen_for(RANKING, {}, [0, 1]), {"ranking": [["A"], ["B"]]})
    spans = [{"label": "A", "start": 0, "end": 5, "type": "unsafe"}]
    stored_and_read(RATING, screen_for(RATING, {}, [0]), {"ratings": {"A": {"overall": 1}}, "spans": spans})
    changes: list[tuple[Any, dict[str, Any]]] = [
        (PairwiseAnswer, {"preference": 1, "tie_reason": ""}),
        (RankingAnswer, {"rank": 2}),
        (RatingAnswer, {"value": 2}),
        (SpanMark, {"end": 4}),
    ]
    for model, change in changes:
        with pytest.raises(DatabaseError, match="Cannot"), transaction.atomic():
            model.objects.update(**change)
        with pytest.raises(DatabaseError, match="Cannot"), transaction.atomic():
            model.objects.all().delete()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("fields", "constraint"),
    [
        ({"preference": 5}, "preference_in_scale"),
        ({"preference": -5}, "preference_in_scale"),
        ({"preference": 1, "tie_reason": "both_good"}, "reason_only_for_ties"),
        ({"preference": 0, "tie_reason": "bored"}, "reason_only_for_ties"),
    ],
)
def test_the_table_refuses_impossible_preferences(fields: dict[str, Any], constraint: str) -> None:
    screen = screen_for(PAIRWISE, {}, [0, 1])
    judgment = save(screen)
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        PairwiseAnswer.objects.create(judgment=judgment, criterion=screen.criteria[0], **fields)


@pytest.mark.django_db
def test_the_tables_hold_one_answer_per_criterion_and_completion() -> None:
    screen = screen_for(PAIRWISE, {}, [0, 1])
    judgment, criterion, completion = save(screen), screen.criteria[0], screen.completions[0]
    of = {"judgment": judgment, "completion": completion}
    PairwiseAnswer.objects.create(judgment=judgment, criterion=criterion, preference=1)
    RankingAnswer.objects.create(**of, criterion=criterion, rank=1)
    RatingAnswer.objects.create(**of, criterion=criterion, value=1)
    refused = [
        (
            PairwiseAnswer,
            {"judgment": judgment, "criterion": criterion, "preference": 0},
            "one_per_criterion",
        ),
        (RankingAnswer, {**of, "criterion": criterion, "rank": 2}, "one_per_completion"),
        (RankingAnswer, {**of, "criterion": criterion, "rank": 0}, "rank_from_one"),
        (RatingAnswer, {**of, "criterion": criterion, "value": 2}, "one_per_completion"),
        (SpanMark, {**of, "start": 3, "end": 3, "type": "unsafe"}, "spanmark_not_empty"),
        (SpanMark, {**of, "start": 1, "end": 3, "type": "ugly"}, "spanmark_type_known"),
    ]
    model: Any
    for model, fields, constraint in refused:
        with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
            model.objects.create(**fields)


@pytest.mark.parametrize(
    ("form", "answer"),
    [
        (
            "q-overall=-3&q-clarity=1",
            {"preferred": "A", "strength": 3, "criteria": {"clarity": {"preferred": "B", "strength": 1}}},
        ),
        ("q-overall=0&tie-overall=both_poor&q-clarity=0", {"tie": "both_poor", "criteria": {"clarity": {"tie": ""}}}),
        ("q-overall=2&tie-overall=both_poor", {"preferred": "B", "strength": 2}),
        ("q-overall=left", {"preferred": "left"}),
        ("", {}),
    ],
)  # fmt: skip
def test_the_pairwise_form_says_what_the_api_says(form: str, answer: dict[str, Any]) -> None:
    screen = screen_for(PAIRWISE, {"criteria": ["Clarity"]}, [1, 0])
    assert PAIRWISE.answer_from_form(QueryDict(form), screen) == answer


def test_the_ranking_form_reads_equal_numbers_as_a_tie() -> None:
    screen = screen_for(RANKING, {"criteria": ["Clarity"]}, [1, 0, 2])
    form = QueryDict("rank-overall-A=3&rank-overall-B=1&rank-overall-C=3&rank-clarity-A=1&rank-clarity-B=x")
    assert RANKING.answer_from_form(form, screen) == {
        "ranking": [["B"], ["A", "C"]],
        "criteria": {"clarity": {"ranking": [["A"]]}},
    }


def test_the_rating_form_leaves_out_what_was_not_answered() -> None:
    screen = screen_for(RATING, {"criteria": ["Clarity"]}, [1, 0])
    form = QueryDict("rating-A-clarity=0&rating-A-overall=7&rating-B-overall=high")
    assert RATING.answer_from_form(form, screen) == {
        "ratings": {"A": {"clarity": 0, "overall": 7}, "B": {"overall": "high"}}
    }


@EXAMPLES
@given(case=st.one_of(pairwise_cases(), ranking_cases(), rating_cases()))
def test_a_form_with_an_answer_chosen_gives_that_answer_again(case: tuple[Screen, dict[str, Any]]) -> None:
    screen, answer = case
    kind = judgment_kinds.get(screen.protocol.kind)
    context = kind.form_context(screen, answer)
    fields = QueryDict(mutable=True)
    for question in context.get("questions", []) + [
        question for completion in context.get("completions", []) for question in completion["questions"]
    ]:
        for option in question.get("options", []):
            if option["checked"]:
                fields[question["field"]] = str(option["value"])
        not_applicable = question.get("not_applicable")
        if not_applicable and not_applicable["checked"]:
            fields[question["field"]] = not_applicable["value"]
        for reason in question.get("tie_reasons", []):
            if reason["checked"]:
                fields[question["tie_field"]] = reason["value"]
        for rank in question.get("ranks", []):
            fields[rank["field"]] = str(rank["value"])
    for option in context.get("choice", []):
        if option["checked"]:
            fields["choice"] = option["value"]
    expected = {key: value for key, value in answer.items() if key != "spans"}
    for entry in expected.get("criteria", {}).values():
        if "tie" in entry:  # the plain form asks for the reason of the overall tie only
            entry["tie"] = ""
    assert kind.answer_from_form(fields, screen) == expected


@pytest.mark.parametrize("points", [2, 3, 5, 7, 8])
def test_segments_run_from_a_much_better_to_b_much_better(points: int) -> None:
    screen = screen_for(PAIRWISE, {"points": points}, [0, 1])
    [question] = PAIRWISE.form_context(screen, None)["questions"]
    values = [int(option["value"]) for option in question["options"]]
    assert question["n"] == points == len(values)
    assert values == sorted(values) and values[0] == -values[-1]
    assert [option["digit"] for option in question["options"]] == list(range(1, points + 1))
    assert [option["side"] for option in question["options"]] == [
        "a" if value < 0 else "b" if value else "t" for value in values
    ]
    assert not any(option["checked"] for option in question["options"])


@pytest.mark.parametrize(
    "answer",
    [{"criteria": 3, "tie": []}, {"criteria": {"clarity": []}}, {"ranking": 4}, {"ratings": {"A": 1}}],
)
def test_an_answer_of_any_shape_can_be_shown_again(answer: dict[str, Any]) -> None:
    for kind in (PAIRWISE, RANKING, RATING):
        kind.form_context(screen_for(kind, {"criteria": ["Clarity"]}, [0, 1]), answer)
