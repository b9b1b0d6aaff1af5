"""Random lives of a small project, each step drawn from a seed, against the oracle."""

import random
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from annotation.errors import Refused
from annotation.models import Assignment, Batch, Judgment, Lease, Membership
from annotation.services.batches import close_batch
from annotation.services.judgments import correct_judgment
from annotation.services.leases import lease_next, why_nothing
from annotation.services.overlap import raise_overlap, set_priorities
from annotation.services.projects import set_limits
from annotation.services.returning import release_assignment, sweep_leases
from tests.annotation.engine.people import correction, offers, prefer, wrong_places
from tests.factories import World

LEASE_SECONDS = 100
LANGUAGES = ("", "", "de", "en")
CATEGORIES = ("", "", "violence")


@dataclass
class History:
    """One batch and its people; `step` does one thing and checks who is offered what."""

    world: World
    people: list[Membership]
    draw: random.Random
    now: datetime
    batch: Batch = field(init=False)
    shown: list[Lease] = field(default_factory=list)
    looks: int = 0
    found_nothing: int = 0

    def __post_init__(self) -> None:
        policy: dict[str, Any] = {}
        if self.draw.random() < 0.3:
            policy = {"overlap_policy": "sequential", "overlap_max": 3}
        if self.draw.random() < 0.3:
            policy |= {"cap_per_annotator": 3}
        self.batch = self.world.batch(
            items=0, overlap=self.draw.choice([1, 2, 2]), lease_seconds=LEASE_SECONDS, **policy
        )
        for number in range(1, 6):
            texts = [f"{number}.0", f"{number}.1"]
            language, category = self.draw.choice(LANGUAGES), self.draw.choice(CATEGORIES)
            self.world.item(self.batch, number, texts, language=language, category=category)
        self.limit(exclusion_limit=self.draw.choice([1, 2, 3]))

    def limit(self, exclusion_limit: int) -> None:
        set_limits(
            project=self.world.project,
            daily_cap=self.draw.choice([None, None, None, 12]),
            exposure=self.draw.choice([{}, {}, {"violence": 2}]),
            exclusion_limit=exclusion_limit,
            actor=self.world.lead,
            now=self.now,
        )
        self.world.project.refresh_from_db()

    def step(self) -> None:
        self.now += timedelta(seconds=self.draw.randint(1, 40))
        steps = [
            (9, self.look),
            (6, self.answer),
            (2, self.release),
            (2, self.sweep),
            (1, self.take_back),
            (1, self.raise_some),
            (1, self.reprioritise),
            (0.3, self.forgive),
        ]
        weights, actions = zip(*steps, strict=True)
        self.draw.choices(actions, weights)[0]()
        assert wrong_places() == []

    def end(self) -> None:
        for annotator in self.people:
            self.look(annotator)
        close_batch(batch=self.batch, actor=self.world.lead, now=self.now)

    def look(self, annotator: Membership | None = None) -> None:
        """Lease, and compare what comes to what the oracle saw the moment before."""
        annotator = annotator or self.draw.choice(self.people)
        expected, without_caps = offers(annotator, self.now)
        slots = Assignment.objects.filter(batch__project=self.world.project, state="leased")
        held = {slot.item_id for slot in slots.filter(annotator=annotator, expires_at__gt=self.now)}
        said = None if slots.filter(expires_at__lte=self.now).exists() else why_nothing(annotator, self.now)
        result = lease_next(annotator=annotator, now=self.now, seed=self.draw.getrandbits(40))
        self.looks += 1
        if result.lease is not None:
            assert said is None
            assert result.lease.assignment.item_id in (held if len(held) >= 2 or not expected else expected)
            self.shown.append(result.lease)
            return
        self.found_nothing += 1
        assert not expected
        assert not held
        assert said in (None, result.reason)
        if without_caps:
            assert result.reason == "cap_reached"
        elif self.world.project.daily_cap is None:
            assert result.reason in ("nothing_left_for_you", "batch_done")

    def answer(self) -> None:
        """An answer to anything that was ever shown here: in time, late, or once more."""
        if not self.shown:
            return
        lease = self.draw.choice(self.shown[-6:])
        seconds = int((self.now - self.world.now).total_seconds())
        with suppress(Refused):
            self.world.submit(lease, prefer(lease, first=self.draw.random() < 0.5), after=seconds)

    def release(self) -> None:
        if self.shown:
            lease = self.draw.choice(self.shown[-4:])
            release_assignment(
                annotator=lease.annotator, assignment=lease.assignment, reason="skipped", now=self.now
            )

    def sweep(self) -> None:
        self.now += timedelta(seconds=self.draw.choice([0, LEASE_SECONDS]))
        sweep_leases(self.now)

    def take_back(self) -> None:
        current = list(Judgment.objects.current().filter(batch=self.batch).order_by("id"))
        judgment = self.draw.choice(current) if current else None
        if judgment is not None:
            correct_judgment(
                annotator=judgment.annotator,
                judgment=judgment,
                submission=correction(judgment, {"cannot_judge": "expertise"}),
                now=self.now,
            )

    def raise_some(self) -> None:
        name = f"row-{self.draw.randint(1, 5)}"
        raise_overlap(
            batch=self.batch,
            overlap=self.draw.randint(1, 3),
            external_ids=[name],
            actor=self.world.lead,
            now=self.now,
        )

    def reprioritise(self) -> None:
        items = list(self.batch.items.values_list("pk", flat=True))
        chosen = self.draw.sample(items, self.draw.randint(1, 5))
        priorities = {pk: self.draw.choice([-1, 0, 1]) for pk in chosen}
        set_priorities(batch=self.batch, priorities=priorities, actor=self.world.lead, now=self.now)

    def forgive(self) -> None:
        self.limit(exclusion_limit=self.draw.choice([1, 2, 3]))
