"""What an annotator sees of their own quality: a band and examples from training, never a number or a gold answer."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from annotation.models import Job, Membership
from comparisons.models import Statistic
from tests.annotation.browsing import signed_in
from tests.annotation.engine.people import add_gold
from tests.annotation.test_pages_training import answer, page
from tests.annotation.training import gold_item, training_batch
from tests.factories import World, make_world

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    world = make_world()
    world.now = timezone.now()
    return world


@pytest.fixture
def annotator(world: World) -> Membership:
    return world.member()


@pytest.fixture
def client(annotator: Membership) -> Client:
    return signed_in(annotator.user)


def figure(job: Job, annotator: Membership, value: float | None, low: float = 0, high: float = 0) -> None:
    """The person's accuracy on gold in the run `job`."""
    Statistic.objects.create(
        project=job.project,
        job=job,
        computed_at=job.created_at,
        family=Statistic.Family.PERSON,
        name="gold_accuracy",
        annotator=annotator,
        value=value,
        low=None if value is None else low,
        high=None if value is None else high,
        n=40,
        counted="gold answers",
        reason="Needs 10 gold answers, has 2." if value is None else "",
        method="Wilson",
        confidence=0.95,
    )


def bands(client: Client, world: World) -> tuple[str, str]:
    """The band on the home page, "" without one, and the heading of the page about it."""
    found = re.search(r'<a class="band".*?</a>', page(client, "/"), re.DOTALL)
    text = page(client, f"/projects/{world.project.slug}/quality")
    heading = re.search(r'<h2 id="band-h".*?</h2>', text, re.DOTALL)
    assert heading is not None
    return words(found.group() if found else ""), words(heading.group())


def words(html: str) -> str:
    return " ".join(re.sub(r"<svg.*?</svg>|<[^>]+>", " ", html, flags=re.DOTALL).split())


@pytest.mark.parametrize(
    ("value", "low", "high", "band"),
    [
        (0.95, 0.85, 0.99, "on target"),
        # Below what is wanted, and not sure to be: nobody is talked to because of a few answers.
        (0.75, 0.60, 0.86, "on target"),
        (0.55, 0.40, 0.69, "let’s look together"),
        (None, 0, 0, ""),
    ],
)
def test_the_band_of_the_newest_figures_and_no_number(
    value: float | None,
    low: float,
    high: float,
    band: str,
    world: World,
    annotator: Membership,
    client: Client,
) -> None:
    world.batch(2)
    world.submit(world.lease(annotator), {"preferred": "A", "strength": 1})
    assert bands(client, world) == ("", "Nothing to say yet")
    other = world.member()
    older, newest = (
        Job.objects.create(kind="compute_statistics", key=key, project=world.project, created_at=at)
        for key, at in (("older", world.now - timedelta(days=1)), ("newest", world.now))
    )
    figure(older, annotator, 0.3, 0.2, 0.4)
    figure(newest, annotator, value, low, high)
    figure(newest, other, 0.3, 0.2, 0.4)
    assert bands(client, world) == (f"Quality {band}" if band else "", band or "Nothing to say yet")
    for path in ("/", f"/projects/{world.project.slug}/quality"):
        assert not re.search(r"0[.,]\d\d|\d\s?%|gold", words(page(client, path)))


def test_examples_are_three_of_the_training_the_wrong_ones_first(
    world: World, annotator: Membership, client: Client
) -> None:
    training = training_batch(world, items=0)
    for number in range(1, 6):
        gold_item(world, training, number, why=f"Because of {number}.")
    for is_right in (True, False, True, True, True):
        answer(client, world, annotator, is_right=is_right)
    text = page(client, f"/projects/{world.project.slug}/quality")
    assert re.findall(r"Because of \d", text) == ["Because of 2", "Because of 5", "Because of 4"]
    assert text.count("Another answer was expected") == 1
    assert text.count("You gave the expected answer") == 2


def test_without_a_training_nothing_is_made_up(world: World, annotator: Membership, client: Client) -> None:
    work = world.batch(items=4, gold_share=0.5)
    add_gold(world, work, count=3, why="Known to the lead alone.")
    for _ in range(6):
        world.submit(world.lease(annotator), {"preferred": "A", "strength": 1})
    assert annotator.judgments.filter(assignment__purpose="gold").exists()
    text = page(client, f"/projects/{world.project.slug}/quality")
    assert "no training to show examples from" in text
    assert "Known to the lead" not in text and "expected" not in text
