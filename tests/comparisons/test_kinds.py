"""Answers of every kind: what is taken, what is refused and where, and that nothing changes on the way."""

import uuid
from collections.abc import Sequence
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, transaction
from django.http import QueryDict
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.kinds import AnswerError, JudgmentKind, Screen, judgment_kinds
from annotation.models import (
    Assignment,
    Batch,
    Completion,
    Criterion,
    GuidelineVersion,
    Item,
    Judgment,
    Membership,
    Project,
    ProtocolVersion,
    User,
)
from comparisons.kinds import PAIRWISE, RANKING, RATING
from comparisons.models import PairwiseAnswer, RankingAnswer, RatingAnswer, SpanMark

CONTENTS = ["First reply.", "Second reply, longer.", "Third.", "Fourth reply 👍.", "Fifth."]
EXAMPLES = settings(max_examples=40, deadline=None)


def screen_for(kind: JudgmentKind, protocol: dict[str, Any], order: Sequence[int]) -> Screen:
    """A screen of unsaved rows: completion positions in `order`, so order[0] is A."""
    spec = kind.protocol(protocol)
    version = ProtocolVersion(kind=spec.kind, points=spec.points, overlap=1, ties_allowed=spec.ties_allowed)
    criteria = [
        Criterion(
            protocol=version,
            key=criterion.key,
            name=criterion.name,
            question=criterion.question,
            position=position,
            low=criterion.low,
            high=criterion.high,
            ties_allowed=criterion.ties_allowed,
            anchors=list(criterion.anchors),
        )
        for position, criterion in enumerate(spec.criteria)
    ]
    completions = [
        Completion(
            position=position,
            messages=[{"role": "assistant", "content": CONTENTS[position]}],
            content_hash=f"{position:064}",
            source_line=1,
        )
        for position in order
    ]
    return Screen(version, criteria, completions)


def save(screen: Screen) -> Judgment:
    """Store the rows around `screen` and a judgment that the typed answers can hang on."""
    now = timezone.now()
    user = User.objects.create_user(f"{uuid.uuid4().hex}@example.org")
    project = Project.objects.create(
        slug=uuid.uuid4().hex, name="Kinds", split_seed=1, created_at=now, created_by=user
    )
    annotator = Membership.objects.create(
        project=project, user=user, role="annotator", pseudonym=uuid.uuid4().hex[:12], created_at=now
    )
    protocol = screen.protocol
    protocol.project, protocol.number, protocol.created_at, protocol.created_by = project, 1, now, user
    protocol.save()
    for criterion in screen.criteria:
        criterion.protocol = protocol
        criterion.save()
    batch = Batch.objects.create(
        project=project,
        number=1,
        name="Batch",
        protocol=protocol,
        overlap=1,
        source_format="jsonl",
        source_sha256="0" * 64,
        created_at=now,
        created_by=user,
    )
    item = Item.objects.create(
        batch=batch,
        project=project,
        number=1,
        external_id="one",
        prompt=[{"role": "user", "content": "Hello"}],
        prompt_hash="1" * 64,
        content_hash="2" * 64,
        target_overlap=1,
    )
    for completion in screen.completions:
        completion.item = item
        completion.save()
    assignment = Assignment.objects.create(item=item, batch=batch, number=1)
    guideline = GuidelineVersion.objects.create(
        project=project, number=1, text="Judge.", created_at=now, created_by=user
    )
    return Judgment.objects.create(
        assignment=assignment,
        item=item,
        batch=batch,
        annotator=annotator,
        guideline=guideline,
        protocol=protocol,
        attempt=1,
        submission_id=uuid.uuid4(),
        state=Judgment.State.LATE,  # late ones may stand beside each other on one slot
        display_order=[completion.position for completion in screen.completions],
        created_at=now,
    )


def stored_and_read(kind: JudgmentKind, screen: Screen, answer: dict[str, Any]) -> dict[str, Any]:
    judgment = save(screen)
    kind.store(judgment, kind.parse(answer, screen), screen)
    return kind.answer(judgment, screen)


def problems(kind: JudgmentKind, answer: Any, screen: Screen) -> set[tuple[str, str]]:
    """{(field, code)} of the refusal."""
    with pytest.raises(AnswerError) as refusal:
        kind.parse(answer, screen)
    assert all(error.detail for error in refusal.value.errors)
    return {(error.field, error.code) for error in refusal.value.errors}


# --- round trips -----------------------------------------------------------------------------------------


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
    screen = screen_for(RATING, {"criteria": ["Helpfulness", {"name": "Depth", "points": 3}]}, order)
    ratings = {
        label: {
            criterion.key: draw(st.integers(criterion.low or 0, criterion.high or 0))
            for criterion in screen.criteria
        }
        for label in screen.labels
    }

    @st.composite
    def span(draw: st.DrawFn) -> dict[str, Any]:
        label = draw(st.sampled_from(screen.labels))
        length = len(CONTENTS[screen.by_label[label].position])
        start = draw(st.integers(0, length - 1))
        kind = draw(st.sampled_from(SpanMark.Type.values))
        return {"label": label, "start": start, "end": draw(st.integers(start + 1, length)), "type": kind}

    spans = draw(st.lists(span(), max_size=4, unique_by=lambda mark: tuple(mark.values())))
    return screen, {"ratings": ratings} | ({"spans": spans} if spans else {})


@pytest.mark.django_db
@EXAMPLES
@given(case=rating_cases())
def test_ratings_come_back_as_they_were_given(case: tuple[Screen, dict[str, Any]]) -> None:
    screen, answer = case
    assert stored_and_read(RATING, screen, answer) == answer


# --- what is stored --------------------------------------------------------------------------------------


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


# --- refusals --------------------------------------------------------------------------------------------

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


# --- forms -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "answer"),
    [
        ("q-overall=-3&q-clarity=1", {"preferred": "A", "strength": 3, "criteria": {"clarity": {"preferred": "B", "strength": 1}}}),
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
        for reason in question.get("tie_reasons", []):
            if reason["checked"]:
                fields[question["tie_field"]] = reason["value"]
        for rank in question.get("ranks", []):
            fields[rank["field"]] = str(rank["value"])
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


# --- protocols -------------------------------------------------------------------------------------------


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
