"""Small worlds for tests, made through the services wherever a service exists.

Items and their slots are made directly: most tests want two or three and not a file.
"""

import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from annotation.models import Assignment, Batch, Completion, Item, Lease, Membership, Project, User
from annotation.services.judgments import Outcome, Submission, submit_judgment
from annotation.services.leases import lease_next
from annotation.services.overlap import pool_of
from annotation.services.people import add_member, create_token, create_user
from annotation.services.projects import create_project

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
PAIRWISE = {"kind": "pairwise", "points": 7, "overlap": 3}
_numbers = itertools.count(1)


def digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


@dataclass
class World:
    """A project with its lead and as many others as a test asks for."""

    project: Project
    lead: User
    now: datetime = NOW

    def member(self, role: str = "annotator", *, is_simulated: bool = False) -> Membership:
        membership, _ = add_member(
            project=self.project,
            actor=self.lead,
            email=f"{role}{next(_numbers)}@example.org",
            role=role,
            now=self.now,
            is_simulated=is_simulated,
        )
        return membership

    def token(self, user: User, scopes: Sequence[str] = ("read", "annotate", "manage")) -> str:
        return create_token(user=user, now=self.now, name="test", scopes=scopes)

    def batch(
        self, items: int = 2, *, overlap: int | None = None, completions: int = 2, **fields: Any
    ) -> Batch:
        """An open batch of `items` items with their open work slots."""
        protocol = self.project.protocols.latest("number")
        number = self.project.batches.count() + 1
        batch = Batch.objects.create(
            project=self.project,
            number=number,
            name=f"Batch {number}",
            protocol=protocol,
            state=Batch.State.OPEN,
            overlap=overlap or protocol.overlap,
            source_format="jsonl",
            source_sha256=digest(["batch", self.project.pk, number]),
            created_at=self.now,
            created_by=self.lead,
            **fields,
        )
        for index in range(items):
            self.item(batch, index + 1, [f"Answer {index}.{c}" for c in range(completions)])
        return batch

    def item(self, batch: Batch, number: int, texts: Sequence[str], **fields: Any) -> Item:
        prompt = fields.pop("prompt", [{"role": "user", "content": f"Question {batch.number}.{number}?"}])
        item = Item.objects.create(
            batch=batch,
            project=self.project,
            number=number,
            external_id=f"row-{number}",
            prompt=prompt,
            prompt_hash=digest(prompt),
            content_hash=digest([prompt, list(texts)]),
            target_overlap=fields.pop("target_overlap", batch.overlap),
            **fields,
        )
        Completion.objects.bulk_create(
            Completion(
                item=item,
                position=position,
                messages=[{"role": "assistant", "content": text}],
                model=f"model-{position}",
                content_hash=digest(text),
                source_line=number,
            )
            for position, text in enumerate(texts)
        )
        pool = pool_of(batch, language=item.language, category=item.category)
        Assignment.objects.bulk_create(
            Assignment(item=item, batch=batch, pool=pool, number=slot + 1)
            for slot in range(item.target_overlap)
        )
        return item

    def lease(self, annotator: Membership, *, seed: int = 1, after: int = 0) -> Lease:
        """Lease the next item `after` seconds from the start; fails the test when there is none."""
        result = lease_next(annotator=annotator, now=self.now + timedelta(seconds=after), seed=seed)
        assert result.lease is not None, result.reason
        return result.lease

    def submit(
        self, lease: Lease, answer: Mapping[str, Any] | None = None, *, after: int = 10, **side: Any
    ) -> Outcome:
        return submit_judgment(
            annotator=lease.annotator,
            assignment=lease.assignment,
            submission=Submission(
                submission_id=lease.submission_id,
                attempt=lease.attempt,
                answer=answer or {"preferred": "A", "strength": 2},
                **side,
            ),
            now=self.now + timedelta(seconds=after),
        )

    def judge(
        self, annotator: Membership, answer: Mapping[str, Any] | None = None, *, seed: int = 1
    ) -> Outcome:
        """Lease and submit one item."""
        return self.submit(self.lease(annotator, seed=seed), answer)


def make_world(protocol: Mapping[str, Any] = PAIRWISE, **fields: Any) -> World:
    number = next(_numbers)
    lead, _ = create_user(email=f"lead{number}@example.org", now=NOW, can_create_projects=True)
    project = create_project(
        actor=lead,
        now=NOW,
        slug=f"project-{number}",
        name=f"Project {number}",
        protocol=protocol,
        seed=7,
        **fields,
    )
    return World(project=project, lead=lead)
