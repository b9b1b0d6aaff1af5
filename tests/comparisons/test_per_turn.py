"""Preference turn by turn: read, stored and told like the whole, and never mixed up with it."""

import random
from collections.abc import Sequence
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.answer_words import answer_words
from annotation.kinds import AnswerError, Screen
from annotation.models import GoldAnswer, Judgment, Lease
from annotation.simulation.answers import ANSWERS, Task
from comparisons.kinds import PAIRWISE
from comparisons.models import PairwiseAnswer
from comparisons.overlap import is_undecided
from comparisons.selectors import criterion_ratings, pairwise_outcomes
from exporters.stream import answers_of
from tests.comparisons.screens import problems, save, screen_for, stored_and_read
from tests.conversations import PER_TURN, add_conversations, conversation
from tests.factories import make_world

A3 = {"preferred": "A", "strength": 3}
B1 = {"preferred": "B", "strength": 1}
B2 = {"preferred": "B", "strength": 2}
TIE = {"tie": "both_poor"}


def screen_of_turns(
    first: int, second: int, order: Sequence[int] = (0, 1), *, per_turn: bool = True, **protocol: Any
) -> Screen:
    """Two conversations of so many turns as imported, shown in `order`."""
    screen = screen_for(PAIRWISE, {"points": 7} | protocol, order)
    screen.protocol.per_turn = per_turn
    for completion in screen.completions:
        completion.messages = conversation((first, second)[completion.position], f"c{completion.position}")
    return screen


def test_a_protocol_asks_by_turn_only_when_told() -> None:
    assert PAIRWISE.protocol({}).per_turn is False
    assert PAIRWISE.protocol({"per_turn": False}).per_turn is False
    assert PAIRWISE.protocol({"per_turn": True}).per_turn is True
    for settings_, field, code in (
        ({"per_turn": 1}, "per_turn", "not_a_boolean"),
        ({"per_turn": True, "criteria": [{"key": "overall-t2"}]}, "criteria", "bad_key"),
    ):
        with pytest.raises(AnswerError) as refusal:
            PAIRWISE.protocol(settings_)
        assert [(error.field, error.code) for error in refusal.value.errors] == [(field, code)]
    assert PAIRWISE.protocol({"criteria": [{"key": "overall-t2"}]}).criteria[0].key == "overall-t2"


@st.composite
def cases(draw: st.DrawFn) -> tuple[Screen, dict[str, Any]]:
    first, second = draw(st.integers(1, 4)), draw(st.integers(2, 4))
    criteria = draw(st.sampled_from([[], ["Clarity"]]))
    screen = screen_of_turns(first, second, draw(st.permutations([0, 1])), criteria=criteria)

    def verdict(strongest: int) -> dict[str, Any]:
        if draw(st.booleans()):
            return {"tie": draw(st.sampled_from(["", "both_good", "both_poor", "nearly_identical"]))}
        return {"preferred": draw(st.sampled_from("AB")), "strength": draw(st.integers(1, strongest))}

    answer = verdict(3) | {"turns": [verdict(3) for _ in range(min(first, second))]}
    return screen, answer | ({"criteria": {"clarity": verdict(2)}} if criteria else {})


@pytest.mark.django_db
@settings(max_examples=40, deadline=None)
@given(case=cases())
def test_turns_come_back_as_they_were_given(case: tuple[Screen, dict[str, Any]]) -> None:
    screen, answer = case
    assert stored_and_read(PAIRWISE, screen, answer) == answer


@pytest.mark.django_db
@pytest.mark.parametrize(("order", "signed"), [([0, 1], [-3, 1, 0]), ([1, 0], [3, -1, 0])])
def test_screen_order_is_undone_in_every_turn(order: list[int], signed: list[int]) -> None:
    screen = screen_of_turns(3, 4, order)
    stored_and_read(PAIRWISE, screen, B2 | {"turns": [A3, B1, TIE]})
    rows = PairwiseAnswer.objects.exclude(turn=None).order_by("turn")
    assert [(row.turn, row.preference, row.tie_reason) for row in rows] == [
        (1, signed[0], ""), (2, signed[1], ""), (3, signed[2], "both_poor"),
    ]  # fmt: skip
    whole = PairwiseAnswer.objects.get(turn=None)
    assert whole.preference == (2 if order == [0, 1] else -2)
    assert {row.criterion_id for row in rows} == {whole.criterion_id}


@pytest.mark.parametrize(
    ("turns", "found"),
    [
        (None, {("turns", "required")}),
        ("A", {("turns", "not_a_list")}),
        ([A3], {("turns", "wrong_length")}),
        ([A3, A3, A3], {("turns", "wrong_length")}),
        ([A3, {}], {("turns[1].preferred", "required")}),
        ([A3, 7], {("turns[1]", "not_an_object")}),
        ([A3, {"preferred": "A"}], {("turns[1].strength", "required")}),
        ([{"preferred": "C", "strength": 9}, B1],
         {("turns[0].preferred", "not_a_choice"), ("turns[0].strength", "out_of_range")}),
        ([A3, {"tie": "bored"}], {("turns[1].tie", "not_a_choice")}),
        ([A3, {"tie": "", "strength": 1}], {("turns[1].tie", "contradiction")}),
        ([A3, B1 | {"turn": 2}], {("turns[1].turn", "unknown_field")}),
        ([A3, {"preference": 2}],
         {("turns[1].preference", "signed_form"), ("turns[1].preferred", "required")}),
    ],
)  # fmt: skip
def test_a_bad_turn_is_named(turns: Any, found: set[tuple[str, str]]) -> None:
    answer = A3 if turns is None else A3 | {"turns": turns}
    assert problems(PAIRWISE, answer, screen_of_turns(2, 3)) == found


def test_turns_are_refused_where_the_protocol_does_not_ask_for_them() -> None:
    screen = screen_of_turns(2, 2, per_turn=False)
    assert problems(PAIRWISE, A3 | {"turns": [A3, A3]}, screen) == {("turns", "unknown_field")}
    assert PAIRWISE.parse(A3, screen).turns == []


def test_single_replies_have_no_turns_apart_from_the_whole() -> None:
    screen = screen_of_turns(1, 1)
    assert PAIRWISE.parse(A3, screen).turns == PAIRWISE.parse(A3 | {"turns": []}, screen).turns == []
    assert problems(PAIRWISE, A3 | {"turns": [A3]}, screen) == {("turns", "wrong_length")}
    # One turn against three: the first turn is not the whole.
    assert len(PAIRWISE.parse(A3 | {"turns": [B1]}, screen_of_turns(1, 3)).turns) == 1


@pytest.mark.django_db
def test_the_table_holds_each_turn_once_and_none_below_one() -> None:
    screen = screen_of_turns(2, 2)
    judgment = save(screen)
    of = {"judgment": judgment, "criterion": screen.criteria[0], "preference": 1}
    for turn in (None, 1, 2):
        PairwiseAnswer.objects.create(**of, turn=turn)
    for turn, constraint in ((None, "criterion_and_turn"), (2, "criterion_and_turn"), (0, "turn_from_one")):
        with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
            PairwiseAnswer.objects.create(**of, turn=turn)


def in_labels(stored: dict[str, Any], judged: Lease) -> dict[str, Any]:
    """`stored` is in the order of import; the same in the labels of a lease."""
    if judged.display_order == [0, 1]:
        return stored
    return {
        key: {"A": "B", "B": "A"}.get(value, value) if key == "preferred" else value
        for key, value in stored.items()
    }


def judged(turns: list[dict[str, Any]]) -> Judgment:
    """A judgment of two conversations: the second better as a whole, the turns as told, in the order of import."""
    world = make_world(PER_TURN)
    add_conversations(world, world.batch(0), 1, (len(turns), len(turns)))
    lease = world.lease(world.member())
    world.submit(lease, in_labels(B2, lease) | {"turns": [in_labels(turn, lease) for turn in turns]})
    return Judgment.objects.get()


@pytest.mark.django_db
def test_statistics_and_exports_tell_the_whole_from_its_turns() -> None:
    judgment = judged([A3, TIE])
    judgments = Judgment.objects.filter(pk=judgment.pk)
    assert [outcome.preference for outcome in pairwise_outcomes(judgments)] == [2]
    assert [ratings.values for ratings in criterion_ratings(judgments)] == [[2]]
    assert answers_of([judgment.pk]) == {
        judgment.pk: {
            "overall": {"preference": 2},
            "turns": [{"preference": -3}, {"preference": 0, "tie_reason": "both_poor"}],
        }
    }


@pytest.mark.django_db
def test_turns_do_not_decide_how_many_judgments_an_item_gets() -> None:
    """One judgment leaves its item open (certainty 0.75); were its turns votes, five for B would close it (0.98)."""
    assert is_undecided(judged([B1, B1, B2, B2]).item_id)


@pytest.mark.django_db
def test_gold_is_about_the_whole() -> None:
    screen = screen_of_turns(2, 2)
    save(screen)
    gold = GoldAnswer(criterion=screen.criteria[0], preference=2, tolerance=0)
    check = PAIRWISE.compare_to_gold(PAIRWISE.parse(B2 | {"turns": [A3, A3]}, screen), [gold], screen)
    assert check.is_right and check.expected == B2


@pytest.mark.django_db
def test_turns_are_stored_in_one_statement() -> None:
    screen = screen_of_turns(4, 4)
    judgment, parsed = save(screen), PAIRWISE.parse(A3 | {"turns": [A3] * 4}, screen)
    with CaptureQueriesContext(connection) as queries:
        PAIRWISE.store(judgment, parsed, screen)
    assert sum("EXECUTE store_pairwise" in query["sql"] for query in queries) == 1
    assert len([query for query in queries if "PREPARE" not in query["sql"]]) == 1


@pytest.mark.parametrize(
    ("form", "turns"),
    [
        ("q-overall=2&q-overall-t1=-3&q-overall-t2=0", [A3, {"tie": ""}]),
        ("q-overall=2&q-overall-t2=1", [{}, B1]),
        ("q-overall=2", [{}, {}]),
    ],
)
def test_the_form_says_what_the_api_says(form: str, turns: list[dict[str, Any]]) -> None:
    assert PAIRWISE.answer_from_form(QueryDict(form), screen_of_turns(2, 5)) == B2 | {"turns": turns}


def test_the_form_of_other_protocols_has_no_turns() -> None:
    for screen in (screen_of_turns(3, 3, per_turn=False), screen_of_turns(1, 1)):
        assert PAIRWISE.answer_from_form(QueryDict("q-overall=2&q-overall-t1=1"), screen) == B2
        assert not PAIRWISE.form_context(screen, None).get("turns")


def test_the_page_gets_each_turn_with_what_was_said_before_it() -> None:
    context = PAIRWISE.form_context(screen_of_turns(2, 3, [1, 0]), A3 | {"turns": [B1, {"strength": 2}]})
    assert [turn["field"] for turn in context["turns"]] == ["q-overall-t1", "q-overall-t2"]
    chosen = [
        [option["value"] for option in turn["options"] if option["checked"]] for turn in context["turns"]
    ]
    assert chosen == [["1"], []]
    a, b = context["branches"]
    assert [turn["number"] for turn in a["turns"]] == [1, 2, 3] and len(b["turns"]) == 2
    assert [message["content"] for message in a["turns"][1]["messages"]] == ["Question 2 to c1", "c1 2 "]


@pytest.mark.parametrize("turns", [3, "AB", [4], [{"tie": 2}, None], {"0": {}}])
def test_turns_of_any_shape_can_be_shown_again(turns: Any) -> None:
    context = PAIRWISE.form_context(screen_of_turns(2, 2), {"turns": turns})
    assert len(context["turns"]) == 2


def test_turns_are_told_in_words() -> None:
    screen = screen_of_turns(2, 2)
    words = answer_words(B2 | {"turns": [A3, TIE]}, screen.criteria)
    assert [(word.criterion, word.text, word.side) for word in words] == [
        ("Overall", "B better, 2 of 3", "b"),
        ("Turn 1 of 2", "A better, 3 of 3", "a"),
        ("Turn 2 of 2", "About the same, both poor", "tie"),
    ]


@pytest.mark.parametrize(("first", "second"), [(1, 1), (2, 4), (3, 1)])
def test_made_up_people_answer_every_turn(first: int, second: int) -> None:
    screen = screen_of_turns(first, second)
    lease = {
        "protocol": {"criteria": [{"key": "overall", "low": -3, "high": 3, "ties": True}], "per_turn": True},
        "item": {
            "prompt": "Hello",
            "completions": [{"label": k, "content": c.messages} for k, c in screen.by_label.items()],
        },
    }
    answer = ANSWERS["pairwise"](Task(lease), {"overall": [0.2, 0.9]}, None, random.Random(3))
    assert len(PAIRWISE.parse(answer, screen).turns) == (0 if first == second == 1 else min(first, second))
