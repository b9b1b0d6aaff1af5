"""Twelve items that four people judge, four of them contested; the answers are written down item by item."""

from collections.abc import Sequence
from typing import Any

from annotation.jobs import run_claimed
from annotation.models import Job, Membership
from comparisons.services.statistics import start_statistics
from tests.factories import NOW, World, make_world

SPLIT = ("1112", "2221", "1122", "1=22", *["1111"] * 5, *["2222"] * 3)
"""Item by item what each person says: 1 the completion imported first is better, 2 the second, = about the same."""
NOISY = ("1111", "212=", "1111", "2222", "1111", "1=11", "2121", "1=11", "1111", "1=21", "1111", "2121")
"""Drawn: one more judgment could change what the people model believes of two items, the sixth and the eighth."""
AGREED = tuple("1111" if number < 5 else "2222" for number in range(12))
CONTESTED = ["row-3", "row-4", "row-1", "row-2"]
"""Of SPLIT, the most contested first."""


def judged(answers: Sequence[str] = SPLIT, **batch: Any) -> tuple[World, list[Membership]]:
    overlap = len(answers[0])
    world = make_world({"kind": "pairwise", "points": 3, "overlap": overlap})
    world.batch(items=len(answers), **batch)
    people = [world.member() for _ in range(overlap)]
    for turn, person in enumerate(people):
        for _ in answers:
            lease = world.lease(person)
            said = answers[lease.assignment.item.number - 1][turn]
            label = "" if said == "=" else "AB"[list(lease.display_order).index(int(said) - 1)]
            world.submit(lease, {"preferred": label, "strength": 1} if label else {"tie": "both_good"})
    return world, people


def compute(world: World) -> Job:
    job = start_statistics(project=world.project, actor=world.lead, now=NOW)
    run_claimed(str(job.pk), NOW)
    job.refresh_from_db()
    assert job.state == Job.State.SUCCEEDED, job.error
    return job
