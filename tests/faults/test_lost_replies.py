"""Double clicks, retries and replies lost after the commit: one judgment each, and the same answer to the byte."""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.factories import make_world
from tests.faults.calls import Caller
from tests.faults.guards import own_database_url, unguarded_server, workplace_of
from tests.faults.load import Load
from tests.faults.oracle import Findings, compare
from tests.faults.running import Running, Workplace
from tests.faults.scale import scaled
from tests.faults.wires import ReplyCutter

ANNOTATORS, OVERLAP = 8, 2


@dataclass
class Impatient(Load):
    """Clicks twice at once on every third answer, and sends every fourth again after it was acknowledged."""

    pairs: list[tuple[bytes, bytes]] = field(default_factory=list)
    """(answer, answer to the same submission sent again)."""

    def submit(self, caller: Caller, token: str, assignment: int, request: dict[str, Any]) -> None:
        def click(hand: Caller) -> None:
            super(Impatient, self).submit(hand, token, assignment, request)

        before = len(self.acknowledged)
        if assignment % 3 == 0:
            second = Caller(self.url, token)
            with ThreadPoolExecutor(2) as hands:
                list(hands.map(click, (caller, second)))
            second.close()
        else:
            click(caller)
            if assignment % 4 == 0:
                click(caller)
        mine = [
            one.answer for one in self.acknowledged[before:] if one.submission_id == request["submission_id"]
        ]
        self.pairs += pairwise(mine)


@dataclass(frozen=True)
class Outcome:
    findings: Findings
    submissions: int
    swallowed: int
    resent: int
    different: int
    """Answers that were not the first answer to the byte."""
    refused: int

    def __str__(self) -> str:
        return (
            f"{self.submissions} submissions, {self.swallowed} replies lost after the commit, {self.resent} sent"
            f" twice by hand: {self.findings.doubled} doubled, {self.findings.lost} lost,"
            f" {self.different} answered otherwise, {self.refused} refused"
        )


def fates(seed: int) -> Callable[[str, int], str]:
    draw = random.Random(seed)

    def fate(path: str, number: int) -> str:
        if path.endswith("/judgments"):
            return draw.choices(["pass", "swallow", "drop"], [6, 3, 1])[0]
        return draw.choices(["pass", "swallow"], [9, 1])[0]

    return fate


def work_over_a_bad_wire(url: str, database_url: str, place: Workplace, log: Path) -> Outcome:
    with (
        ReplyCutter(url, fates(seed=11)) as wire,
        Impatient(wire.url, place, log, enough=10 * place.items * place.overlap) as load,
    ):
        pass
    answers = {one.submission_id: one.answer for one in load.acknowledged}
    first = wire.swallowed
    return Outcome(
        findings=compare(database_url, log, project=place.project),
        submissions=len(answers),
        swallowed=len(first),
        resent=len(load.pairs),
        different=sum(answers.get(key) != body for key, body in first.items())
        + sum(one != other for one, other in load.pairs),
        refused=len(load.refusals),
    )


def test_one_judgment_and_one_answer_however_often_it_is_sent(running: Running, tmp_path: Path) -> None:
    place = running.workplace(items=scaled(60, 10_000), overlap=OVERLAP, annotators=ANNOTATORS)
    outcome = work_over_a_bad_wire(running.url, running.superuser_url, place, tmp_path / "acknowledged")
    print(f"\n[lost replies] {outcome}")
    assert outcome.swallowed > 0 and outcome.resent > 0
    assert outcome.findings.is_clean
    assert (outcome.submissions, outcome.different, outcome.refused) == (place.items * OVERLAP, 0, 0)
    assert running.broken_invariants() == []


@pytest.mark.django_db(transaction=True)
def test_control_without_receipts_the_same_wire_gives_other_answers(tmp_path: Path) -> None:
    place = workplace_of(make_world(), items=8, overlap=OVERLAP, annotators=ANNOTATORS)
    with unguarded_server(tmp_path, receipts=False) as url:
        outcome = work_over_a_bad_wire(url, own_database_url(), place, tmp_path / "acknowledged")
        print(f"\n[lost replies, control] no receipts, no unique constraints: {outcome}")
        assert outcome.findings.doubled > 0
        assert outcome.different + outcome.refused > 0
