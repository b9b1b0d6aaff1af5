"""Ratings where a criterion does not apply, and the choice between the responses that were rated."""

import random
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, transaction
from django.http import QueryDict

from annotation.answer_words import answer_words
from annotation.kinds import AnswerError, Screen
from annotation.models import Completion, Job, Judgment
from annotation.simulation.answers import ANSWERS, Task, another_answer
from comparisons.kinds import RATING
from comparisons.kinds.rating.form import not_applicable_key
from comparisons.models import RatingAnswer, RatingChoice
from comparisons.selectors import criterion_ratings, pairwise_outcomes, work_judgments
from comparisons.services.agreement import compute_agreement
from exporters.stream import answers_of
from tests.annotation.test_api_work import Api
from tests.comparisons.screens import problems, save, screen_for, stored_and_read
from tests.factories import World, make_world

DEPTH = {"key": "depth", "name": "Depth", "optional": True}
PROTOCOL: dict[str, Any] = {"kind": "rating", "criteria": [DEPTH], "choice": True, "overlap": 2}

FULL = {"depth": None, "overall": 4}


def screen(*order: int) -> Screen:
    return screen_for(RATING, PROTOCOL, order or [1, 0])


def rated(*depths: int | None, **more: Any) -> dict[str, Any]:
    """An answer with these depths and 4 overall."""
    values = zip("ABCD", depths, strict=False)
    return {"ratings": {label: {"depth": depth, "overall": 4} for label, depth in values}} | more


# Storing


@pytest.mark.django_db
def test_rows_belong_to_the_completions_that_were_shown() -> None:
    assert stored_and_read(RATING, screen(1, 0), rated(None, 3, choice="B")) == rated(None, 3, choice="B")
    rows = RatingAnswer.objects.filter(criterion__key="depth").order_by("completion__position")
    assert list(rows.values_list("completion__position", "value", "is_applicable")) == [
        (0, 3, True),
        (1, None, False),
    ]
    assert RatingChoice.objects.get().completion.position == 0


@pytest.mark.django_db
def test_no_choice_is_no_row_however_it_is_said() -> None:
    assert stored_and_read(RATING, screen(), rated(1, 2)) == rated(1, 2)
    assert stored_and_read(RATING, screen(), rated(1, 2, choice=None)) == rated(1, 2)
    assert not RatingChoice.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({"criterion": 0, "value": None}, "value_where_applicable"),
        ({"criterion": 0, "value": 2, "is_applicable": False}, "value_where_applicable"),
        ({"criterion": 1, "value": None, "is_applicable": False}, "is not optional"),
    ],
)
def test_the_table_tells_what_does_not_apply_from_what_got_lost(fields: dict[str, Any], refusal: str) -> None:
    shown = screen()
    of = {"judgment": save(shown), "completion": shown.completions[0]}
    with pytest.raises(IntegrityError, match=refusal), transaction.atomic():
        RatingAnswer.objects.create(**of, **fields | {"criterion": shown.criteria[fields["criterion"]]})
    RatingAnswer.objects.create(**of, criterion=shown.criteria[0], value=None, is_applicable=False)


@pytest.mark.django_db
def test_a_choice_is_one_and_stays() -> None:
    shown = screen()
    judgment = save(shown)
    first, second = shown.completions
    RatingChoice.objects.create(judgment=judgment, completion=first)
    with pytest.raises(IntegrityError, match="unique"), transaction.atomic():
        RatingChoice.objects.create(judgment=judgment, completion=second)
    with pytest.raises(DatabaseError, match="Cannot"), transaction.atomic():
        RatingChoice.objects.update(completion=second)
    with pytest.raises(DatabaseError, match="Cannot"), transaction.atomic():
        RatingChoice.objects.all().delete()


# Refusing


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"ratings": {"A": {"depth": 1, "overall": None}, "B": FULL}}, {("ratings.A.overall", "not_an_integer")}),
        ({"ratings": {"A": {"overall": 4}, "B": FULL}}, {("ratings.A.depth", "required")}),
        (rated("na", 1), {("ratings.A.depth", "not_an_integer")}),
        (rated(5, None), {("ratings.A.depth", "out_of_range")}),
        (rated(1, 2, choice="C"), {("choice", "not_a_choice")}),
        (rated(1, 2, choice=["A"]), {("choice", "not_a_choice")}),
        (rated(1, 2, choice=""), {("choice", "not_a_choice")}),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_by_field(answer: Any, expected: set[tuple[str, str]]) -> None:
    assert problems(RATING, answer, screen()) == expected


def test_a_protocol_that_does_not_say_so_takes_neither() -> None:
    plain = screen_for(RATING, {"criteria": ["Depth"]}, [0, 1])
    assert problems(RATING, rated(None, 1, choice="A"), plain) == {
        ("ratings.A.depth", "not_an_integer"),
        ("choice", "unknown_field"),
    }
    context = RATING.form_context(plain, None)
    assert (context["choice"], context["has_optional"]) == ([], False)
    assert {q["not_applicable"] for one in context["completions"] for q in one["questions"]} == {None}


def test_there_is_no_choice_of_one() -> None:
    assert problems(RATING, rated(1, choice="A"), screen(0)) == {("choice", "unknown_field")}
    assert RATING.form_context(screen(0), None)["choice"] == []


@pytest.mark.parametrize(
    ("given", "field", "code"),
    [
        ({"choice": "yes"}, "choice", "not_a_boolean"),
        ({"criteria": [DEPTH | {"optional": 1}]}, "criteria.0.optional", "not_a_boolean"),
        ({"criteria": ["Depth", "Choice"]}, "criteria.1.key", "reserved"),
    ],
)
def test_settings_that_do_not_fit_are_refused_by_field(given: dict[str, Any], field: str, code: str) -> None:
    with pytest.raises(AnswerError) as refusal:
        RATING.protocol(given)
    assert [(error.field, error.code) for error in refusal.value.errors] == [(field, code)]


def test_nothing_is_optional_unless_the_protocol_says_so() -> None:
    spec = RATING.protocol({"criteria": ["Depth"]})
    assert not spec.has_choice and not any(criterion.is_optional for criterion in spec.criteria)
    spec = RATING.protocol(PROTOCOL)
    assert spec.has_choice and [criterion.is_optional for criterion in spec.criteria] == [True, False]


# The form


@pytest.mark.parametrize(
    ("low", "high", "key"), [(0, 4, "-"), (1, 7, "0"), (1, 9, "0"), (1, 10, "-"), (0, 9, "-")]
)
def test_the_key_of_not_applicable_is_no_value_of_the_scale(low: int, high: int, key: str) -> None:
    assert not_applicable_key(low, high) == key
    assert key not in {str(value % 10) for value in range(low, high + 1)}


def test_the_form_says_what_the_api_says() -> None:
    form = "rating-A-depth=na&rating-A-overall=4&rating-B-depth=3&rating-B-overall=4&choice="
    assert RATING.answer_from_form(QueryDict(form + "B"), screen()) == rated(None, 3, choice="B")
    assert RATING.answer_from_form(QueryDict(form + "none"), screen()) == rated(None, 3)
    assert RATING.answer_from_form(QueryDict(form), screen()) == rated(None, 3)


def test_what_is_not_answered_yet_is_not_marked_as_not_applicable() -> None:
    half = {"ratings": {"A": {"depth": None}, "B": {}}}
    shown = RATING.form_context(screen(), half)["completions"]
    assert [one["questions"][0]["not_applicable"]["checked"] for one in shown] == [True, False]


# Reading


@pytest.fixture
def judged(db: None) -> tuple[World, list[Completion]]:
    """One item with three responses; two people, and by position of the completion what they said of its depth."""
    world = make_world(PROTOCOL)
    world.batch(items=1, completions=3)
    for depths, overall, choice in (([None, 3, 1], [7, 1, 1], 1), ([2, 3, None], [1, 4, 2], None)):
        lease = world.lease(world.member())
        labels = {position: "ABC"[at] for at, position in enumerate(lease.display_order)}
        ratings = {labels[at]: {"depth": depths[at], "overall": overall[at]} for at in range(3)}
        chosen = {} if choice is None else {"choice": labels[choice]}
        world.submit(lease, {"ratings": ratings} | chosen)
    return world, list(Completion.objects.order_by("position"))


def test_what_does_not_apply_is_in_no_comparison(judged: tuple[World, list[Completion]]) -> None:
    world, completions = judged
    a, b, c = (completion.pk for completion in completions)
    outcomes = list(pairwise_outcomes(work_judgments(world.project), criterion="depth"))
    assert [(o.first, o.second, o.preference) for o in outcomes] == [(b, c, -2), (a, b, 1)]


def test_a_choice_says_nothing_about_the_others_and_is_not_overall(
    judged: tuple[World, list[Completion]],
) -> None:
    world, completions = judged
    a, b, c = (completion.pk for completion in completions)
    judgments = work_judgments(world.project)
    chosen = list(pairwise_outcomes(judgments, criterion="choice"))
    assert [(o.first, o.second, o.preference) for o in chosen] == [(a, b, 1), (b, c, -1)]
    assert {o.criterion for o in chosen} == {"choice"}
    overall = list(pairwise_outcomes(judgments, criterion="overall"))
    assert [(o.first, o.second, o.preference) for o in overall if o.judgment == chosen[0].judgment] == [
        (a, b, -6),
        (a, c, -6),
        (b, c, 0),
    ]
    everything = [o.criterion for o in pairwise_outcomes(judgments)]
    assert {key: everything.count(key) for key in everything} == {"depth": 2, "overall": 6, "choice": 2}


def test_what_does_not_apply_is_no_rating(judged: tuple[World, list[Completion]]) -> None:
    world, (a, b, c) = judged
    depth, overall = criterion_ratings(work_judgments(world.project))
    assert (depth.criterion, sorted(zip(depth.units, depth.values, strict=True))) == (
        "depth",
        [(a.pk, 2), (b.pk, 3), (b.pk, 3), (c.pk, 1)],
    )
    assert len(overall.values) == 6
    assert len(depth.annotators) == len(depth.items) == 4


def test_a_criterion_that_never_applied_is_there_with_no_ratings(db: None) -> None:
    world = make_world(PROTOCOL)
    world.batch(items=1)
    world.judge(world.member(), rated(None, None))
    depth, overall = criterion_ratings(work_judgments(world.project))
    assert (depth.criterion, depth.units, depth.values) == ("depth", [], [])
    assert overall.values == [4, 4]
    job = Job.objects.create(kind="agreement", key="one", project=world.project, created_at=world.now)
    reports = compute_agreement(project=world.project, job=job, now=world.now, seed=1)
    assert {report.value for report in reports if report.criterion == "depth"} == {None}
    assert all(report.reason for report in reports if report.criterion == "depth")


def test_the_stream_has_both_in_the_order_of_import(judged: tuple[World, list[Completion]]) -> None:
    first, second = Judgment.objects.order_by("pk")
    answers = answers_of([first.pk, second.pk])
    assert answers[first.pk] == {
        "depth": [None, 3, 1],
        "overall": [7, 1, 1],
        "choice": {"completion": 1},
    }
    assert answers[second.pk] == {"depth": [2, 3, None], "overall": [1, 4, 2]}


def test_both_are_said_in_words() -> None:
    words = answer_words(rated(None, 3, choice="B"), screen().criteria)
    assert [(word.criterion, word.text) for word in words] == [
        ("Choice", "B"),
        ("Overall", "A 4, B 4"),
        ("Depth", "A n/a, B 3"),
    ]


# Over HTTP


@pytest.mark.django_db
def test_a_script_is_told_may_answer_both_and_gets_them_back() -> None:
    world = make_world(PROTOCOL)
    world.batch(items=1)
    api = Api(world.token(world.member().user))
    lease = api.post(f"/projects/{world.project.slug}/lease").json()
    assert lease["protocol"]["choice"] is True
    assert [criterion["optional"] for criterion in lease["protocol"]["criteria"]] == [True, False]

    def send(answer: dict[str, Any], **more: Any) -> Any:
        body = {"submission_id": lease["submission_id"], "attempt": lease["attempt"], "answer": answer}
        return api.post(f"/assignments/{lease['assignment']}/judgments", body | more)

    refused = send({"ratings": {label: {"depth": None, "overall": None} for label in "AB"}, "choice": "C"})
    assert refused.status_code == 422
    assert {error["field"] for error in refused.json()["errors"]} == {
        "answer.ratings.A.overall",
        "answer.ratings.B.overall",
        "answer.choice",
    }
    sent = send(rated(None, 3, choice="A"))
    assert sent.status_code == 201
    assert send(rated(None, 3, choice="A")).status_code == 200
    assert send(rated(None, 3, choice="B")).status_code == 409
    undone = api.post(f"/judgments/{sent.json()['judgment']}/undo", {}).json()
    assert undone["answer"] == rated(None, 3, choice="A")


# Simulation


def lease_of(qualities: list[float], **protocol: Any) -> tuple[dict[str, Any], dict[str, list[float]]]:
    criteria = [{"key": key, "low": 0, "high": 4, "ties": True} for key in ("depth", "overall")]
    completions = [{"label": "ABC"[at], "content": f"Reply {at}."} for at in range(len(qualities))]
    lease = {
        "protocol": {"kind": "rating", "criteria": criteria} | protocol,
        "item": {"prompt": [{"role": "user", "content": "Say."}], "completions": completions},
    }
    return lease, {"depth": qualities, "overall": qualities}


@pytest.mark.parametrize(
    ("qualities", "protocol", "choice"),
    [
        ([0.2, 0.9, 0.4], {"choice": True}, "B"),
        ([0.2, 0.9, 0.89], {"choice": True}, None),
        ([-0.4, -0.9], {"choice": True}, "A"),
        ([0.9], {"choice": True}, None),
        ([0.2, 0.9], {"choice": False}, None),
    ],
)
def test_made_up_people_choose_where_one_stands_out(
    qualities: list[float], protocol: dict[str, Any], choice: str | None
) -> None:
    lease, perceived = lease_of(qualities, **protocol)
    answer = ANSWERS["rating"](Task(lease), perceived, None, random.Random(1))
    assert answer.get("choice") == choice


def test_another_answer_is_another_one_where_overall_does_not_apply() -> None:
    lease, _ = lease_of([0.1, 0.2])
    assert another_answer(lease, {"ratings": {"A": {"overall": None}}}) == {"ratings": {"A": {"overall": 0}}}
