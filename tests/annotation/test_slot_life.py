"""The whole life of a slot, as it happens: a state machine with two oracles, the invariants in SQL and a model.

In the ordinary run the examples are always the same ones, so that it cannot fail by chance; CONCORD_FAULTS=long
tries a thousand new ones (half an hour) and prints the seed that brings them back (CONCORD_SEED).
"""

import os
import random
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from django.db import DatabaseError, connection
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from annotation.models import Assignment, Lease
from annotation.services import judgments, leases, returning
from tests.annotation.slot_life.machine import SlotLife

pytestmark = pytest.mark.django_db

SHARED = settings(
    deadline=None,
    database=None,
    stateful_step_count=30,
    suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False,
)
ORDINARY = settings(SHARED, derandomize=True, max_examples=40)
LONG = settings(SHARED, derandomize=False, max_examples=1000, stateful_step_count=60)
CONTROL = settings(SHARED, derandomize=True, max_examples=100, phases=[Phase.generate])
IS_LONG = os.environ.get("CONCORD_FAULTS") == "long"


def test_a_slot_lives_as_it_should() -> None:
    if not IS_LONG:
        run_state_machine_as_test(SlotLife, settings=ORDINARY)
        return
    number = int(os.environ.get("CONCORD_SEED") or random.SystemRandom().randrange(2**32))
    print(f"\nCONCORD_SEED={number}: {LONG.max_examples} examples of up to {LONG.stateful_step_count} steps")
    run_state_machine_as_test(seed(number)(SlotLife), settings=LONG)


# Controls: the machine finds a bug that is planted, and says what is wrong.


def goes_wrong(complaint: str) -> None:
    with pytest.raises((AssertionError, DatabaseError, RuntimeError), match=complaint):
        run_state_machine_as_test(SlotLife, settings=CONTROL)


def nothing(*args: Any, **kwargs: Any) -> int:
    return 0


def test_control_sweeping_that_clears_nothing_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(returning, "sweep_leases", nothing)
    monkeypatch.setattr(leases, "sweep_leases", nothing)
    goes_wrong("nothing_left_for_you was said|0 leases were swept|slots are not|times and never got")


def test_control_a_release_that_excludes_nobody_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(returning, "exclude", nothing)
    goes_wrong("an item came to a person again|a lease where nothing fits|exclusions are not")


def test_control_receipts_that_are_not_looked_at_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    found = judgments.found_slot
    monkeypatch.setattr(judgments, "found_slot", lambda *args: replace(found(*args), receipt=None))
    goes_wrong("judgment_submission_once|receipt_once_per_submission|was taken anew|DID NOT RAISE")


def test_control_a_late_answer_into_a_full_item_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slot that somebody else has answered takes another answer, and no constraint of the table holds it back."""
    with connection.cursor() as cursor:
        cursor.execute("DROP INDEX judgment_one_root_per_slot")
    right = judgments.slot_for

    def take_anyway(slot: Assignment, lease: Lease, now: datetime) -> Assignment | None:
        return slot if slot.state == "submitted" else right(slot, lease, now)

    monkeypatch.setattr(judgments, "slot_for", take_anyway)
    goes_wrong("an answer was accepted, not late")


def test_control_an_answer_in_other_words_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A replay whose keys come in the order of the database."""
    monkeypatch.setattr(judgments, "in_order", lambda answer: answer)
    goes_wrong("a replay was answered in other words")
