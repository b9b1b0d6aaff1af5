"""Decisions of reviewers: what is stored of them, what follows of each kind's answer, and what the tables refuse."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pgtrigger
import pytest
from django.db import DatabaseError, connection, connections, transaction

from annotation.errors import Refused
from annotation.invariants import violations
from annotation.kinds import judgment_kinds
from annotation.models import AuditEvent, Completion, Judgment, Membership
from comparisons.erasure import erase_texts
from comparisons.kinds.settling import SETTLED
from comparisons.models import AdjudicatedPreference, Adjudication, BlindAnswer
from comparisons.selectors import pairwise_outcomes
from comparisons.selectors_adjudication import current_decisions, decided_labels
from comparisons.services import adjudication
from comparisons.services.adjudication import NOTE_MAX, look_first, settle_item
from tests.comparisons.adjudicated import B_BETTER, TIE, decide, item_of
from tests.comparisons.screens import save, screen_for
from tests.factories import NOW, World, make_world

pytestmark = pytest.mark.django_db

DEPTH = {"key": "depth", "name": "Depth", "optional": True}
PROTOCOLS: dict[str, dict[str, Any]] = {
    "pairwise": {"kind": "pairwise", "points": 7, "criteria": ["Kindness"]},
    "ranking": {"kind": "ranking"},
    "top": {"kind": "ranking", "top": 1},
    "rating": {"kind": "rating", "criteria": [DEPTH], "choice": True},
}
ANSWERS: dict[str, dict[str, Any]] = {
    "pairwise": {"preferred": "B", "strength": 3, "criteria": {"kindness": {"tie": "both_good"}}},
    "ranking": {"ranking": [["C"], ["A", "D"], ["B"]]},
    "top": {"ranking": [["C"]]},
    "rating": {
        "ratings": {
            "A": {"depth": None, "overall": 4},
            "B": {"depth": 3, "overall": 4},
            "C": {"depth": 1, "overall": 6},
        },
        "choice": "C",
    },
}
COMPLETIONS = {"pairwise": 2, "ranking": 4, "top": 3, "rating": 3}
# Worked out by hand. Ranks 1, 2, 2, 4 go to C, A, D, B; of `top` C has rank 1 and A and B share rank 2.
EXPECTED: dict[str, set[tuple[str, str, int]]] = {
    "pairwise": {("kindness", "AB", 0), ("overall", "AB", 3)},
    "ranking": {
        *[("overall", "AB", -2), ("overall", "AC", 1), ("overall", "AD", 0)],
        *[("overall", "BC", 3), ("overall", "BD", 2), ("overall", "CD", -1)],
    },
    "top": {("overall", "AB", 0), ("overall", "AC", 1), ("overall", "BC", 1)},
    "rating": {
        *[("depth", "BC", -2), ("overall", "AB", 0), ("overall", "AC", 2), ("overall", "BC", 2)],
        *[("choice", "AC", 1), ("choice", "BC", 1)],
    },
}


def world_of(case: str = "pairwise", items: int = 1) -> World:
    world = make_world(PROTOCOLS[case])
    world.batch(items=items, completions=COMPLETIONS[case])
    return world


def stored(decision: Adjudication) -> set[tuple[str, str, int]]:
    return {
        (row.criterion, "ABCD"[row.first.position] + "ABCD"[row.second.position], row.preference)
        for row in decision.preferences.select_related("first", "second")
    }


# What follows of an answer


@pytest.mark.parametrize("case", PROTOCOLS)
def test_the_answer_is_kept_with_what_it_says_of_every_two_completions(case: str) -> None:
    world = world_of(case)
    decision = decide(world, answer=ANSWERS[case])
    decision.refresh_from_db()
    assert decision.answer == ANSWERS[case]
    assert stored(decision) == EXPECTED[case]


@pytest.mark.parametrize("case", PROTOCOLS)
def test_it_says_what_a_judgment_with_the_same_answer_says(case: str) -> None:
    kind = judgment_kinds.get(PROTOCOLS[case]["kind"])
    screen = screen_for(kind, PROTOCOLS[case], range(COMPLETIONS[case]))
    judgment = save(screen)
    parsed = kind.parse(ANSWERS[case], screen)
    kind.store(judgment, parsed, screen)
    told = [outcome[3:] for outcome in pairwise_outcomes(Judgment.objects.filter(pk=judgment.pk))]
    assert sorted(told) == sorted(map(tuple, SETTLED[kind.key](parsed, screen))) != []


@pytest.mark.parametrize("reason", ["taste", "broken"])
def test_a_reason_about_the_item_carries_no_answer(reason: str) -> None:
    decision = decide(world_of(), reason=reason, answer=ANSWERS["pairwise"])
    decision.refresh_from_db()
    assert (decision.answer, decision.preferences.count()) == (None, 0)


def test_what_was_decided_is_in_the_audit_log() -> None:
    decision = decide(world_of(), reason="taste", note="They like it short.")
    events = AuditEvent.objects.filter(object_type__in=["adjudication", "blindanswer"]).order_by("pk")
    assert [(event.action, event.actor) for event in events] == [
        ("review.shown_unanswered", decision.reviewer.user),
        ("item.adjudicated", decision.reviewer.user),
    ]
    assert events[1].data == {"item": decision.item_id, "reason": "taste", "replaces": None}


def test_only_the_first_look_is_blind() -> None:
    world, answer = world_of(), ANSWERS["pairwise"]
    reviewer, item = world.member("reviewer"), item_of(world)
    first = look_first(item=item, reviewer=reviewer, answer=answer, now=NOW)
    again = look_first(item=item, reviewer=reviewer, answer=None, now=NOW)
    assert first == again and BlindAnswer.objects.get().answer == answer
    assert AuditEvent.objects.filter(action__startswith="review.").count() == 1


# What is refused


@pytest.mark.parametrize(
    ("reason", "answer", "note", "fields"),
    [
        ("", B_BETTER, "", ["reason"]),
        ("override", B_BETTER, "", ["reason"]),
        ("misread", None, "", ["preferred"]),
        ("misread", {"preferred": "C", "strength": 1}, "", ["preferred"]),
        ("taste", None, "x" * (NOTE_MAX + 1), ["note"]),
        ("guide_unclear", {}, "\0", ["note", "preferred"]),
    ],
)
def test_what_does_not_fit_is_named_and_nothing_is_stored(
    reason: str, answer: dict[str, Any] | None, note: str, fields: list[str]
) -> None:
    world = make_world()
    world.batch(items=1)
    with pytest.raises(Refused) as refusal:
        decide(world, reason=reason, answer=answer, note=note)
    assert [error.field for error in refusal.value.errors] == fields
    assert not Adjudication.objects.exists()


def test_who_has_not_looked_cannot_decide() -> None:
    world = world_of()
    with pytest.raises(Refused, match="Answer first"):
        settle_item(
            item=item_of(world), reviewer=world.member("reviewer"), reason="taste", answer=None, now=NOW
        )


def test_of_written_texts_there_is_nothing_to_settle() -> None:
    world = make_world({"kind": "demonstration"})
    world.batch(items=1, completions=0)
    with pytest.raises(Refused, match="nothing to settle"):
        look_first(item=item_of(world), reviewer=world.member("reviewer"), answer={"text": "x"}, now=NOW)


# One after the other, and at once


def test_a_decision_is_replaced_and_stays() -> None:
    world = make_world()
    world.batch(items=1)
    first = decide(world)
    second = decide(world, reason="taste", replaces=first.pk)
    assert second.supersedes == first and current_decisions().get() == second
    assert decided_labels([first.item_id], "overall") == {first.item_id: ("taste", {})}
    with pytest.raises(Refused) as refusal:
        decide(world, reason="broken", replaces=first.pk)
    assert refusal.value.status == 409
    assert violations() == []


def test_the_same_decision_sent_twice_is_one() -> None:
    world = make_world()
    world.batch(items=1)
    reviewer = world.member("reviewer")
    assert decide(world, by=reviewer) == decide(world, by=reviewer)
    with pytest.raises(Refused, match="Somebody else"):
        decide(world, by=reviewer, note="But why?")


def race(world: World, monkeypatch: pytest.MonkeyPatch, *, replaces: int | None = None) -> list[Refused]:
    """Two reviewers decide, neither before both have seen which decision there is; answers who was refused."""
    both = threading.Barrier(2, timeout=20)
    refusals: list[Refused] = []
    look = adjudication.decision_of

    def look_and_wait(item: Any) -> Adjudication | None:
        found = look(item)
        both.wait()
        return found

    def work(reviewer: Membership, reason: str) -> None:
        try:
            decide(world, reason=reason, by=reviewer, replaces=replaces)
        except Refused as refusal:
            refusals.append(refusal)
        finally:
            connections.close_all()

    reviewers = [world.member("reviewer"), world.member("lead")]
    with monkeypatch.context() as patched:
        patched.setattr(adjudication, "decision_of", look_and_wait)
        threads = [
            threading.Thread(target=work, args=pair)
            for pair in zip(reviewers, ["misread", "taste"], strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return refusals


@contextmanager
def without(constraint: str) -> Iterator[None]:
    """The control: the table without what guards it. Rows that it would not take are deleted afterwards."""
    guard = next(one for one in Adjudication._meta.constraints if one.name == constraint)
    with connection.schema_editor() as editor:
        editor.remove_constraint(Adjudication, guard)
    try:
        yield
    finally:
        with pgtrigger.ignore(
            "comparisons.Adjudication:adjudication_immutable",
            "comparisons.AdjudicatedPreference:adjudicatedpreference_immutable",
        ):
            AdjudicatedPreference.objects.all().delete()
            Adjudication.objects.all().delete()
        with connection.schema_editor() as editor:
            editor.add_constraint(Adjudication, guard)


@pytest.mark.django_db(transaction=True)
def test_of_two_who_decide_at_once_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    world = make_world()
    world.batch(items=1)
    [refusal] = race(world, monkeypatch)
    assert refusal.status == 409
    [first] = Adjudication.objects.all()
    assert first.preferences.count() == (1 if first.reason == "misread" else 0)
    [refusal] = race(world, monkeypatch, replaces=first.pk)
    assert refusal.code == "decided_meanwhile"
    assert Adjudication.objects.count() == 2 and current_decisions().get().supersedes == first


@pytest.mark.django_db(transaction=True)
def test_without_the_constraint_both_would_be_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    world = make_world()
    world.batch(items=1)
    with without("adjudication_one_root_per_item"):
        assert race(world, monkeypatch) == []
        assert current_decisions().count() == 2


# What the tables refuse


def refused(write: Callable[[], object], naming: str) -> None:
    with pytest.raises(DatabaseError, match=naming), transaction.atomic():
        write()


@pytest.mark.parametrize(
    ("changes", "naming"),
    [
        ({"reason": "misread", "answer": None}, "adjudication_answer_by_reason"),
        ({"reason": "taste", "answer": TIE}, "adjudication_answer_by_reason"),
        ({"reason": "override", "answer": None}, "adjudication_answer_by_reason"),
        ({"supersedes": None}, "adjudication_one_root_per_item"),
        ({"reviewer": "annotator"}, "no lead or reviewer of the project"),
        ({"reviewer": "elsewhere"}, "no lead or reviewer of the project"),
        ({"blind_answer": "lead"}, "The first look is not that of the reviewer"),
        ({"item": 2, "blind_answer": "other item"}, "is on another item"),
    ],
)
def test_a_decision_that_does_not_fit_is_not_stored(changes: dict[str, Any], naming: str) -> None:
    world = make_world()
    world.batch(items=2)
    first = decide(world)
    reviewer, lead = world.member("reviewer"), world.project.memberships.get(role="lead")
    people = {"annotator": world.member(), "elsewhere": make_world().member("reviewer")}
    looks = {
        "lead": look_first(item=first.item, reviewer=lead, answer=None, now=NOW),
        "other item": look_first(item=item_of(world, 2), reviewer=reviewer, answer=None, now=NOW),
    }
    columns: dict[str, Any] = {
        "item": first.item,
        "reviewer": reviewer,
        "blind_answer": look_first(item=first.item, reviewer=reviewer, answer=None, now=NOW),
        "supersedes": first,
        "reason": "taste",
        "answer": None,
        "created_at": NOW,
    } | changes
    columns["reviewer"] = people.get(columns["reviewer"], columns["reviewer"])
    columns["blind_answer"] = looks.get(columns["blind_answer"], columns["blind_answer"])
    if columns["item"] == 2:
        columns["item"] = item_of(world, 2)
    refused(lambda: Adjudication.objects.create(**columns), naming)


def test_nobody_but_leads_and_reviewers_looks() -> None:
    world = world_of()
    refused(
        lambda: BlindAnswer.objects.create(
            item=item_of(world), reviewer=world.member("engineer"), created_at=NOW
        ),
        "no lead or reviewer",
    )


@pytest.mark.parametrize(
    ("changes", "naming"),
    [
        ({"preference": 10}, "adjudicatedpreference_in_scale"),
        ({}, "adjudicatedpreference_one_per_pair"),
        ({"first": 1, "second": 0}, "in this order"),
        ({"second": "elsewhere"}, "in this order"),
        ({"criterion": "depth"}, "is not asked for depth"),
        ({"adjudication": "taste"}, "has no answer"),
    ],
)
def test_a_preference_that_does_not_fit_is_not_stored(changes: dict[str, Any], naming: str) -> None:
    world = make_world()
    world.batch(items=2)
    first, second = item_of(world).completions.order_by("position")
    completions: dict[Any, Completion] = {0: first, 1: second}
    completions["elsewhere"] = item_of(world, 2).completions.get(position=1)
    columns: dict[str, Any] = {"adjudication": decide(world), "criterion": "overall"}
    columns |= {"first": 0, "second": 1, "preference": 1} | changes
    columns |= {side: completions[columns[side]] for side in ("first", "second")}
    if columns["adjudication"] == "taste":
        columns["adjudication"] = decide(world, reason="taste", replaces=Adjudication.objects.get().pk)
    refused(lambda: AdjudicatedPreference.objects.create(**columns), naming)


def test_nothing_is_changed_or_deleted() -> None:
    decide(world_of(), answer=ANSWERS["pairwise"])
    for model, changes in (
        (BlindAnswer, {"answer": TIE}),
        (Adjudication, {"note": "Else."}),
        (Adjudication, {"reason": "guide_unclear"}),
        (AdjudicatedPreference, {"preference": 0}),
    ):
        rows = model._default_manager.all()
        refused(partial(rows.update, **changes), "Cannot update")
        refused(partial(rows._raw_delete, "default"), "Cannot")


def test_the_note_goes_with_its_author_and_the_decision_stays() -> None:
    world = make_world()
    world.batch(items=2)
    leaving, staying = world.member("reviewer"), world.member("reviewer")
    mine = decide(world, 1, by=leaving, note="I know him.")
    theirs = decide(world, 2, by=staying, note="Kept.")
    assert erase_texts(annotator=leaving, actor=world.lead, now=NOW) == 1
    assert erase_texts(annotator=leaving, actor=world.lead, now=NOW) == 0
    mine.refresh_from_db()
    theirs.refresh_from_db()
    assert (mine.note, mine.erased_at, mine.answer, theirs.note) == ("", NOW, B_BETTER, "Kept.")
    assert AuditEvent.objects.get(action="texts.erased").data["decisions"] == 1
