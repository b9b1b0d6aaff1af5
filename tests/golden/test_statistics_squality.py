"""SQuALITY's rankings and ratings on the whole way: stored as judgments, computed by the job, read from its figures."""

import gzip
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from annotation.models import Assignment, Completion, Criterion, Judgment, Membership
from comparisons.models import RankingAnswer, RatingAnswer, Statistic
from tests.comparisons.test_statistics import computed
from tests.factories import NOW, World, make_world

pytestmark = [pytest.mark.data, pytest.mark.django_db]

MODELS = ("bart", "bart-dpr", "human")
# The README of the shared data: W, AC1 of the pairs and α of the ranks; α of the points from 0 to 100.
RANKED = {
    "overall": (0.8644, 0.8327, 0.796893),
    "selection": (0.8556, 0.8212, 0.783574),
    "correctness": (0.7711, 0.7242, 0.657048),
}
RATED = {"overall": 0.798256, "selection": 0.781275, "correctness": 0.458692}


class Review(NamedTuple):
    question: str
    model: str
    person: str
    words: dict[str, Any]


def reviews(folder: Path) -> Iterator[Review]:
    """A. Wang et al., SQuALITY (2022), human evaluation: 100 questions × 3 answers, three of four reviewers on each."""
    with gzip.open(folder / "squality_human" / "all-responses.jsonl.gz", "rt", encoding="utf-8") as file:
        for passage in map(json.loads, file):
            for question, answers in passage["questions"].items():
                for model in MODELS:
                    for review in answers[model]["reviews"]:
                        yield Review(
                            f"{passage['passage-id']} {question}", model, review["worker_id"], review
                        )


def imported(folder: Path, kind: str, **protocol: Any) -> World:
    """A project with one judgment for each question and reviewer; its answers are for the caller to add."""
    world = make_world({"kind": kind, "criteria": ["Selection", "Correctness"], "overlap": 3} | protocol)
    found = list(reviews(folder))
    questions = sorted({one.question for one in found})
    batch = world.batch(items=len(questions), completions=len(MODELS))
    items = dict(zip(questions, batch.items.order_by("number"), strict=True))
    people = {name: world.member() for name in sorted({one.person for one in found})}
    slots = {item.pk: list(item.assignments.order_by("number")) for item in items.values()}
    for question, person in dict.fromkeys((one.question, one.person) for one in found):
        judge(world, slots[items[question].pk].pop(), people[person])
    return world


def judge(world: World, slot: Assignment, person: Membership) -> None:
    Assignment.objects.filter(pk=slot.pk).update(
        state="submitted", annotator=person, attempt=1, submitted_at=NOW
    )
    guideline = world.project.guidelines.latest("number")
    Judgment.objects.create(
        assignment=slot, item=slot.item, batch=slot.batch, annotator=person, guideline=guideline,
        protocol=slot.batch.protocol, attempt=1, submission_id=uuid.uuid4(), state="accepted",
        display_order=[0, 1, 2], created_at=NOW,
    )  # fmt: skip


def places(world: World, folder: Path) -> Iterator[tuple[Review, Judgment, Completion]]:
    """Each review with its judgment and completion; the factories number questions and people in sorted order."""
    found = list(reviews(folder))
    question = {name: at + 1 for at, name in enumerate(sorted({one.question for one in found}))}
    people = world.project.memberships.filter(role="annotator").order_by("pk")
    person = dict(zip(sorted({one.person for one in found}), people, strict=True))
    judgments = {(j.item.number, j.annotator_id): j for j in Judgment.objects.select_related("item").all()}
    completions = {(c.item.number, c.position): c for c in Completion.objects.select_related("item").all()}
    for one in found:
        number = question[one.question]
        yield (
            one,
            judgments[number, person[one.person].pk],
            completions[number, MODELS.index(one.model)],
        )


def figures_of(world: World) -> dict[tuple[str, str], Statistic]:
    return {
        (name, criterion): figure
        for (name, criterion, part, person), figure in computed(world).items()
        if not part and person is None
    }


def test_the_job_finds_the_published_agreement_of_the_rankings(shared_data: Path) -> None:
    world = imported(shared_data, "ranking", ties=False)
    criteria = {c.key: c for c in Criterion.objects.filter(protocol__project=world.project)}
    RankingAnswer.objects.bulk_create(
        RankingAnswer(judgment=j, criterion=criteria[key], completion=c, rank=one.words[f"{key}-rank"])
        for one, j, c in places(world, shared_data)
        for key in RANKED
    )
    figures = figures_of(world)
    for key, (w, ac1, alpha) in RANKED.items():
        assert figures["kendall_w", key].value == pytest.approx(w, abs=5e-5)
        assert figures["gwet_ac1", key].value == pytest.approx(ac1, abs=5e-5)
        assert figures["alpha_ordinal", key].value == pytest.approx(alpha, abs=5e-7)
        assert figures["kendall_w", key].n == 100
    best = Statistic.objects.filter(name="rank_strength", criterion="overall").order_by("pk").first()
    # What people wrote was ranked first by most; it is the third completion.
    assert best is not None and best.slice_value == "model-2" and best.low is not None and best.low > 1


def test_the_job_finds_the_published_agreement_of_the_ratings(shared_data: Path) -> None:
    world = imported(shared_data, "rating")
    # Their scale of 0 to 100 is finer than any that a protocol offers, but the tables hold it.
    protocol = world.project.protocols.get()
    hundred = world.project.protocols.create(
        number=2, kind="rating", overlap=3, ties_allowed=True, created_at=NOW, created_by=world.lead
    )
    criteria = {
        c.key: Criterion.objects.create(
            protocol=hundred, key=c.key, name=c.name, position=c.position, low=0, high=100, ties_allowed=True
        )
        for c in protocol.criteria.all()
    }
    RatingAnswer.objects.bulk_create(
        RatingAnswer(judgment=j, criterion=criteria[key], completion=c, value=one.words[f"{key}-rating"])
        for one, j, c in places(world, shared_data)
        for key in RATED
    )
    figures = figures_of(world)
    for key, alpha in RATED.items():
        assert figures["alpha_interval", key].value == pytest.approx(alpha, abs=5e-7)
        assert figures["icc_1_1", key].value is not None, "three of four reviewers on each"
