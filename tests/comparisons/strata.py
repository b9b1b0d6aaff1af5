"""A project whose annotators say what they are, with a difference between them that is planted and known."""

import random
from collections.abc import Sequence
from datetime import timedelta

from annotation.jobs import run_claimed
from annotation.models import Job, Membership, StratumQuestion
from annotation.services.strata import answer_strata, ask_stratum
from comparisons.models import StratumFigure
from comparisons.services.statistics import start_statistics
from tests.factories import NOW, World, make_world

OPTIONS = ("Under Zyxwv", "Over Zyxwv", "Neither Zyxwv")
"""Words that are on no page by chance."""


def ask(world: World, *, name: str = "Zyxage", options: Sequence[str] = OPTIONS) -> StratumQuestion:
    return ask_stratum(
        project=world.project, actor=world.lead, name=name, text="What is your Zyxage?", options=options,
        now=NOW,
    )  # fmt: skip


def say(person: Membership, question: StratumQuestion, option: int | None, *, after: int = 0) -> None:
    answer_strata(
        annotator=person,
        options={question.pk: option},
        actor=person.user,
        now=NOW + timedelta(seconds=after),
    )


def judged(
    sizes: Sequence[int],
    leans: Sequence[float] = (0.5, 0.5, 0.5),
    *,
    silent: int = 0,
    items: int = 6,
    spread: int = 0,
    seed: int = 7,
) -> tuple[World, StratumQuestion, list[list[Membership]]]:
    """`sizes` people chose each option and `silent` none; all judge every item. Those of option k prefer model-1 in a
    share `leans[k]` of their judgments, as near as whole judgments go, every other person `spread` judgments more and
    the rest as many fewer; the silent are as the first."""
    world = make_world({"kind": "pairwise", "points": 3, "overlap": sum(sizes) + silent})
    world.batch(items=items)
    question = ask(world)
    rng = random.Random(seed)
    groups: list[list[Membership]] = []
    for option, size in enumerate([*sizes, silent]):
        lean = leans[option] if option < len(sizes) else leans[0]
        people = [world.member() for _ in range(size)]
        groups.append(people)
        for number, person in enumerate(people):
            if option < len(sizes):
                say(person, question, option, after=number)
            wanted = [at < round(lean * items) + (spread if number % 2 else -spread) for at in range(items)]
            rng.shuffle(wanted)
            for is_second in wanted:
                lease = world.lease(person, seed=rng.randrange(1 << 30))
                choice = lease.display_order.index(1 if is_second else 0)
                world.submit(lease, {"preferred": "AB"[choice], "strength": 1})
    return world, question, groups


def compute(world: World, *, after: int = 60) -> Job:
    now = NOW + timedelta(seconds=after)
    job = start_statistics(project=world.project, actor=world.lead, now=now)
    run_claimed(str(job.pk), now)
    job.refresh_from_db()
    assert job.state == Job.State.SUCCEEDED, job.error
    return job


def cells(job: Job, measure: str = "model", subject: str = "model-1") -> dict[str, StratumFigure]:
    """Stratum → its figure."""
    rows = StratumFigure.objects.filter(job=job, measure=measure, subject=subject)
    return {row.stratum: row for row in rows}
