"""Fifty annotators race for one batch over HTTP, each from a thread of their own; and the twin without guards."""

from pathlib import Path

import pytest

from tests.factories import make_world
from tests.faults.guards import own_database_url, unguarded_server, workplace_of
from tests.faults.load import Load
from tests.faults.oracle import Findings, claims, compare
from tests.faults.running import Running, Workplace
from tests.faults.scale import scaled

ANNOTATORS, OVERLAP = 50, 3


def race(url: str, database_url: str, place: Workplace, log: Path) -> tuple[Load, Findings]:
    """Let everybody lease and submit until nothing is left, all from the same moment on."""
    with Load(url, place, log, enough=10 * place.items * place.overlap) as load:
        pass
    return load, compare(database_url, log, project=place.project)


def test_fifty_annotators_never_go_over_the_overlap(running: Running, tmp_path: Path) -> None:
    """A claim is a lease that is then submitted. None ends in between, so each slot can be claimed once only."""
    place = running.workplace(items=scaled(100, 33_334), overlap=OVERLAP, annotators=ANNOTATORS)
    load, findings = race(running.url, running.superuser_url, place, tmp_path / "acknowledged")
    taken, twice = claims(running.superuser_url, project=place.project)
    print(
        f"\n[race] {ANNOTATORS} annotators, {taken} claims: {findings.acknowledged} acknowledged,"
        f" {twice} surplus claims, {findings.surplus} surplus judgments, answers {dict(load.statuses)}"
    )
    assert findings == Findings(place.items * OVERLAP, lost=0, doubled=0, surplus=0)
    assert (taken, twice, load.refusals) == (place.items * OVERLAP, 0, [])
    assert running.broken_invariants() == []


@pytest.mark.django_db(transaction=True)
def test_control_without_the_guards_the_same_race_gives_surplus(tmp_path: Path) -> None:
    place = workplace_of(make_world(), items=4, overlap=OVERLAP, annotators=ANNOTATORS)
    with unguarded_server(tmp_path) as url:
        _, findings = race(url, own_database_url(), place, tmp_path / "acknowledged")
        taken, twice = claims(own_database_url(), project=place.project)
        print(
            f"\n[race, control] guards off, {taken} claims: {twice} surplus claims"
            f" for {place.items * OVERLAP} slots, {findings.surplus} surplus judgments"
        )
        assert twice > 0
