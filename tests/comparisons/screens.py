"""Screens and judgments to hang typed answers on, for the tests of the kinds."""

import uuid
from collections.abc import Sequence
from typing import Any

import pytest
from django.utils import timezone

from annotation.kinds import AnswerError, JudgmentKind, Screen
from annotation.models import (
    Assignment,
    Batch,
    Completion,
    Criterion,
    GuidelineVersion,
    Item,
    Judgment,
    Membership,
    Project,
    ProtocolVersion,
    User,
)
from annotation.services.overlap import pool_of

CONTENTS = ["First reply.", "Second reply, longer.", "Third.", "Fourth reply 👍.", "Fifth."]


def screen_for(kind: JudgmentKind, protocol: dict[str, Any], order: Sequence[int]) -> Screen:
    """A screen of unsaved rows: completion positions in `order`, so order[0] is A."""
    spec = kind.protocol(protocol)
    version = ProtocolVersion(
        kind=spec.kind,
        points=spec.points,
        overlap=1,
        ties_allowed=spec.ties_allowed,
        top=spec.top,
        has_choice=spec.has_choice,
    )
    criteria = [
        Criterion(
            protocol=version,
            key=criterion.key,
            name=criterion.name,
            question=criterion.question,
            position=position,
            low=criterion.low,
            high=criterion.high,
            ties_allowed=criterion.ties_allowed,
            anchors=list(criterion.anchors),
            is_optional=criterion.is_optional,
        )
        for position, criterion in enumerate(spec.criteria)
    ]
    completions = [
        Completion(
            position=position,
            messages=[{"role": "assistant", "content": CONTENTS[position]}],
            content_hash=f"{position:064}",
            source_line=1,
        )
        for position in order
    ]
    return Screen(version, criteria, completions)


def save(screen: Screen) -> Judgment:
    """Store the rows around `screen` and a judgment that the typed answers can hang on."""
    now = timezone.now()
    user = User.objects.create_user(f"{uuid.uuid4().hex}@example.org")
    project = Project.objects.create(
        slug=uuid.uuid4().hex, name="Kinds", split_seed=1, created_at=now, created_by=user
    )
    annotator = Membership.objects.create(
        project=project, user=user, role="annotator", pseudonym=uuid.uuid4().hex[:12], created_at=now
    )
    protocol = screen.protocol
    protocol.project, protocol.number, protocol.created_at, protocol.created_by = project, 1, now, user
    protocol.save()
    for criterion in screen.criteria:
        criterion.protocol = protocol
        criterion.save()
    batch = Batch.objects.create(
        project=project,
        number=1,
        name="Batch",
        protocol=protocol,
        overlap=1,
        source_format="jsonl",
        source_sha256="0" * 64,
        created_at=now,
        created_by=user,
    )
    item = Item.objects.create(
        batch=batch,
        project=project,
        number=1,
        external_id="one",
        prompt=[{"role": "user", "content": "Hello"}],
        prompt_hash="1" * 64,
        content_hash="2" * 64,
        target_overlap=1,
    )
    for completion in screen.completions:
        completion.item = item
        completion.save()
    assignment = Assignment.objects.create(item=item, batch=batch, pool=pool_of(batch), number=1)
    guideline = GuidelineVersion.objects.create(
        project=project, number=1, text="Judge.", created_at=now, created_by=user
    )
    return Judgment.objects.create(
        assignment=assignment,
        item=item,
        batch=batch,
        annotator=annotator,
        guideline=guideline,
        protocol=protocol,
        attempt=1,
        submission_id=uuid.uuid4(),
        state=Judgment.State.LATE,  # late ones may stand beside each other on one slot
        display_order=[completion.position for completion in screen.completions],
        created_at=now,
    )


def stored_and_read(kind: JudgmentKind, screen: Screen, answer: dict[str, Any]) -> dict[str, Any]:
    judgment = save(screen)
    kind.store(judgment, kind.parse(answer, screen), screen)
    return kind.answer(judgment, screen)


def problems(kind: JudgmentKind, answer: Any, screen: Screen) -> set[tuple[str, str]]:
    """{(field, code)} of the refusal."""
    with pytest.raises(AnswerError) as refusal:
        kind.parse(answer, screen)
    assert all(error.detail for error in refusal.value.errors)
    return {(error.field, error.code) for error in refusal.value.errors}
