"""Reads about who judges what: training, caps, limits, staff."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Exists, F, OuterRef, Q, Subquery

from annotation.answer_words import Words, answer_words
from annotation.kinds import judgment_kinds
from annotation.models import (
    Assignment,
    Batch,
    Criterion,
    Exclusion,
    Item,
    Judgment,
    Membership,
    Project,
    Receipt,
    TrainingTry,
)
from annotation.selectors import AnnotatorProgress, annotator_progress, screen_of
from annotation.services.leases import standing_of
from annotation.services.training import TRIES_MAX

TRAINING = Assignment.Purpose.TRAINING
ASKED_MAX = 480
EXAMPLES = 3


def items_to_judge(batches: Iterable[Batch]) -> dict[int, int]:
    """Items by batch id without those that only check people: what annotators may know (I13)."""
    ids = [batch.pk for batch in batches]
    counts = dict.fromkeys(ids, 0)
    rows = Item.objects.filter(batch__in=ids, target_overlap__gt=0).values_list("batch")
    return counts | dict(rows.annotate(n=Count("id")))


def annotators_named(project: Project, pseudonyms: Sequence[str]) -> list[Membership]:
    return list(
        project.memberships.filter(
            role=Membership.Role.ANNOTATOR, is_imported=False, pseudonym__in=pseudonyms
        ).order_by("id")
    )


def active_annotators(project: Project) -> list[Membership]:
    """Who can be named as staff, by address."""
    members = project.memberships.filter(role=Membership.Role.ANNOTATOR, is_active=True)
    return list(members.select_related("user").order_by("user__email"))


def item_ids(batch: Batch, external_ids: Sequence[str]) -> dict[str, int]:
    """External id → id, of those there are."""
    return dict(batch.items.filter(external_id__in=external_ids).values_list("external_id", "pk"))


def limits_of(project: Project) -> dict[str, Any]:
    """The project's limits in the shape of the API."""
    exposure = project.exposure_limits.order_by("category").values_list("category", "per_day")
    return {
        "daily_cap": project.daily_cap,
        "exposure": dict(exposure),
        "exclusion_limit": project.exclusion_limit,
    }


# How far a person is, where checks are mixed in (I13).


def has_checks(batch: Batch) -> bool:
    return batch.gold_share > 0 or batch.repeat_share > 0


def shown_progress(annotator: Membership, batch: Batch) -> AnnotatorProgress:
    """What the person may be told. With checks mixed in there is no total, and every answer counts: a number that
    stood still would tell a check."""
    if not has_checks(batch):
        return annotator_progress(annotator, batch)
    answered = annotator.assignments.filter(batch=batch, state=Assignment.State.SUBMITTED)
    return AnnotatorProgress(done=answered.count(), total=0)


def items_left(annotator: Membership, batch: Batch) -> int:
    """At most so many work items are left for this person. With checks mixed in, rounded up to a ten, or it would
    tell a check by not falling after its answer."""
    mine = Assignment.objects.filter(item=OuterRef("pk"), annotator=annotator).exclude(state="void")
    waiting = Assignment.objects.filter(item=OuterRef("pk"), state="open", purpose=Assignment.Purpose.WORK)
    excluded = Exclusion.objects.filter(item=OuterRef("pk"), annotator=annotator)
    left = batch.items.filter(Exists(waiting), ~Exists(mine), ~Exists(excluded)).count()
    return -(-left // 10) * 10 if has_checks(batch) else left


# Training, as the person in it sees it.


@dataclass(frozen=True)
class Training:
    """A training batch that this person has still to pass: `done` of `items` in the current try."""

    batch: Batch
    items: int
    done: int
    number: int
    """Of the current try, from 1; above `tries` when all of them are used."""

    tries = TRIES_MAX

    @property
    def left(self) -> int:
        return 0 if self.is_over else self.items - self.done

    @property
    def is_over(self) -> bool:
        return self.number > self.tries

    @property
    def pass_percent(self) -> int:
        return round(100 * self.batch.pass_share)


def training_of(annotator: Membership, batch_id: int) -> Training:
    return trainings_of({annotator.pk: batch_id})[annotator.pk]


def trainings_of(batch_ids: Mapping[int, int]) -> dict[int, Training]:
    """By annotator id: how they stand in the training batch that is named for them."""
    if not batch_ids:
        return {}
    theirs = {"annotator__in": batch_ids.keys(), "batch__in": batch_ids.values()}
    answered = Assignment.objects.filter(**theirs, purpose=TRAINING, state=Assignment.State.SUBMITTED)
    done = dict(answered.values_list("annotator").annotate(n=Count("pk")))
    tries = dict(TrainingTry.objects.filter(**theirs).values_list("annotator").annotate(n=Count("pk")))
    found = Batch.objects.filter(pk__in=batch_ids.values()).select_related("protocol")
    batches = {batch.pk: batch for batch in found.annotate(n=Count("items"))}
    return {
        annotator: Training(
            batch=batches[batch],
            items=batches[batch].n,
            done=done.get(annotator, 0),
            number=tries.get(annotator, 0) + 1,
        )
        for annotator, batch in batch_ids.items()
    }


@dataclass(frozen=True)
class TrainingFeedback:
    """What came of the last training answer, in words and in the labels that were shown."""

    is_right: bool
    item: Item
    given: list[Words]
    expected: list[Words]
    why: str
    """Written by whoever made the batch: untrusted text."""
    ended: TrainingTry | None
    """The try that this answer ended."""
    is_waived: bool
    """A lead has let the person pass since."""

    @property
    def asked(self) -> str:
        """The beginning of what was asked, so that the person knows which item is meant."""
        return " ".join(self.item.prompt[-1]["content"][:ASKED_MAX].split())

    @property
    def pass_percent(self) -> int:
        return 0 if self.ended is None else round(100 * self.ended.batch.pass_share)

    @property
    def tries_left(self) -> int:
        return 0 if self.ended is None else TRIES_MAX - self.ended.number


def training_feedback(annotator: Membership, newest: Judgment | None) -> TrainingFeedback | None:
    """Feedback on the person's newest answer, when that was one in training.

    Read from its receipt, so it stays on the page until the next answer, however often the page is loaded.
    """
    if newest is None or newest.slot.purpose != TRAINING:
        return None
    return feedback_told(annotator, newest)


def worked_examples(annotator: Membership) -> list[TrainingFeedback]:
    """At most `EXAMPLES` of the person's training answers with what was expected: wrong ones first, then the newest.

    Only what they have been told before: gold that is mixed into work stays unknown (I13).
    """
    told = Receipt.objects.filter(
        annotator=annotator, submission_id=OuterRef("submission_id"), answer__feedback__isnull=False
    )
    answered = annotator.judgments.filter(Exists(told), assignment__purpose=TRAINING).annotate(
        was_right=Subquery(told.values("answer__feedback__right")[:1])
    )
    rows = answered.select_related("assignment", "item").order_by("was_right", "-created_at", "-pk")
    examples = [feedback_told(annotator, judgment) for judgment in rows[:EXAMPLES]]
    return [one for one in examples if one is not None]


def feedback_told(annotator: Membership, judgment: Judgment) -> TrainingFeedback | None:
    """None for an answer that was given without feedback."""
    receipt = Receipt.objects.filter(annotator=annotator, submission_id=judgment.submission_id).first()
    if receipt is None or "feedback" not in receipt.answer:
        return None
    told = receipt.answer["feedback"]
    screen = screen_of(judgment.slot, judgment.display_order)
    given = judgment_kinds.get(screen.protocol.kind).answer(judgment, screen)
    tries = annotator.training_tries.filter(batch=judgment.batch_id).select_related("batch")
    since = list(tries.filter(finished_at__gte=judgment.created_at).order_by("number"))
    criteria = criteria_in(told["expected"], screen.criteria)
    return TrainingFeedback(
        is_right=told["right"],
        item=judgment.item,
        given=answer_words(given, criteria),
        expected=answer_words(told["expected"], criteria),
        why=told["why"],
        ended=next((one for one in since if one.right is not None), None),
        is_waived=any(one.right is None for one in since),
    )


def criteria_in(expected: dict[str, Any], criteria: Sequence[Criterion]) -> list[Criterion]:
    """The criteria that the gold answers speak of."""
    has_overall = set(expected) - {"criteria"} != set()
    others = expected.get("criteria", {})
    return [c for c in criteria if c.key in others or (c.key == Criterion.OVERALL and has_overall)]


# Caps.


@dataclass(frozen=True)
class Cap:
    """Which limit keeps a person from more items: `kind` is day, batch or exposure."""

    kind: str
    most: int = 0
    """Judgments a day, for the kind day."""
    batches: Sequence[str] = ()
    """Names of the batches whose cap is reached, for the kind batch."""


def cap_reached(annotator: Membership, now: datetime) -> Cap:
    """Why `lease_next` says cap_reached."""
    if standing_of(annotator, now).is_capped:
        return Cap("day", most=annotator.project.daily_cap or 0)
    taken = Q(
        assignments__annotator=annotator,
        assignments__state__in=[Assignment.State.SUBMITTED, Assignment.State.LEASED],
    )
    full = (
        annotator.project.batches.filter(state=Batch.State.OPEN, cap_per_annotator__isnull=False)
        .annotate(taken=Count("assignments", filter=taken))
        .filter(taken__gte=F("cap_per_annotator"))
        .order_by("number")
    )
    names = list(full.values_list("name", flat=True))
    return Cap("batch", batches=names) if names else Cap("exposure")


# Training, as the lead sees it.


@dataclass(frozen=True)
class TrainingRow:
    """One training batch and one person."""

    batch: Batch
    tries: list[TrainingTry]

    @property
    def is_passed(self) -> bool:
        return any(one.is_passed for one in self.tries)


def training_rows(annotator: Membership) -> list[TrainingRow]:
    """Every training batch of the project that is open or was tried, with this person's tries."""
    tries: dict[int, list[TrainingTry]] = {}
    for one in annotator.training_tries.order_by("number"):
        tries.setdefault(one.batch_id, []).append(one)
    batches = annotator.project.batches.filter(purpose=Batch.Purpose.TRAINING).filter(
        Q(state=Batch.State.OPEN) | Q(pk__in=tries)
    )
    return [TrainingRow(batch, tries.get(batch.pk, [])) for batch in batches.order_by("number")]


@dataclass(frozen=True)
class TrainingCounts:
    passed: int
    failed: int
    """Used all tries without passing, and nobody has let them in."""


def training_counts(batch: Batch) -> TrainingCounts:
    people = (
        batch.training_tries.values("annotator")
        .annotate(passed=Count("id", filter=Q(is_passed=True)), tries=Count("id"))
        .values_list("passed", "tries")
    )
    return TrainingCounts(
        passed=sum(passed > 0 for passed, _ in people),
        failed=sum(not passed and tries >= TRIES_MAX for passed, tries in people),
    )
