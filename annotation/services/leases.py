"""Who gets what. How a slot comes back is in `returning`, the order of locks in `locks`.

Slots are picked with SKIP LOCKED, so nobody waits for anybody else's slot; only before "nothing left" is said, a
lease waits for the slots that others hold at that moment.

Open work slots wait in pools. What decides for a whole pool (state, language, skill, staff, caps, exposure) is
asked when a lease is wanted; what decides for one item only ever turns from "fits" to "does not" for a person,
so `PoolPlace` keeps how far down the pool nothing is left for them (docs/decisions/0008).
"""

import json
import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef

from annotation.kinds import Screen
from annotation.models import (
    Assignment,
    Batch,
    Consent,
    ConsentText,
    Lease,
    Membership,
)
from annotation.models.assignment import new_public_id
from annotation.selectors import screen_from
from annotation.services import lease_sql as sql
from annotation.services.locks import lock_of
from annotation.services.returning import SWEEP_ROWS, sweep_leases
from annotation.services.training import has_used_all_tries, next_training_item
from annotation.statements import Bound, Statement, know, stored

LOOKS_MAX = 20
PUBLIC_ATTEMPT = 1
"""The attempt as the API and the pages tell it. Every lease has an id of its own, so it is always its first; the
slot's number would tell work that was leased before from gold and repeats, which are made anew (I13)."""
LEASES_MAX = 2
"""The current item and a spare (reliability.md, Prefetch)."""
BLOCK = (False, False, True, True)
"""Of four pairs in a row, two are shown swapped."""


@dataclass(frozen=True)
class Shown:
    """What the holder of a lease is shown; everything here may reach an annotator but what `screen` keeps back."""

    prompt: list[dict[str, str]]
    language: str
    screen: Screen


@dataclass(frozen=True)
class LeaseResult:
    """What `lease_next` answers: the lease to work on with what it shows, or the reason why there is none.

    `reason` is one of batch_done, nothing_left_for_you, cap_reached, consent_needed, not_qualified, paused.
    """

    lease: Lease | None
    shown: Shown | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Standing:
    """What decides whether a person gets anything at all, read after their row is locked."""

    refusal: str | None
    """paused or consent_needed; None: nothing in the way."""
    guideline_id: int
    ordinal: int
    """Of the last lease; the next one has one more."""
    is_capped: bool
    """The day's cap is reached, held items counted."""
    training_batch_id: int | None
    held: list[Lease]
    """Running leases, oldest first, each with its assignment."""


def lease_next(*, annotator: Membership, now: datetime, seed: int, batch: Batch | None = None) -> LeaseResult:
    """Lease the next item for `annotator`: training until they are qualified, then the first open slot that fits,
    with gold items and repeats mixed in.

    With no free place (two are held), or when nothing else is left, the oldest held lease is answered again.
    `seed` draws what is mixed in and the order of display.

    "Nothing" is said only after a second look: a slot may be locked by somebody at this moment, and an expired
    lease may hide one, perhaps one that somebody else is sweeping. Both are waited for, with no lock held.
    """
    found, held = try_lease(annotator, batch, now, seed, sql.PICK)
    for _ in range(LOOKS_MAX):
        if found is not None:
            return found
        reason = reason_for_nothing(annotator, batch, now)
        if reason is not None:
            move_places(annotator)
            return held_again(held) if held else LeaseResult(None, reason=reason)
        while sweep_leases(now, project_id=annotator.project_id, waits=True) == SWEEP_ROWS:
            pass
        found, held = try_lease(annotator, batch, now, seed, sql.PICK_WAITING)
    raise RuntimeError(f"work for annotator {annotator.pk} was seen {LOOKS_MAX} times and never got")


def try_lease(
    annotator: Membership, batch: Batch | None, now: datetime, seed: int, pick: Statement
) -> tuple[LeaseResult | None, Lease | None]:
    """One look, in one transaction: (what came of it, the oldest lease held). None for the first when nothing is there
    that this person could get."""
    with transaction.atomic():
        standing = standing_of(annotator, now, lock=lock_of(annotator))
        if standing.refusal:
            return LeaseResult(None, reason=standing.refusal), None
        held = [one for one in standing.held if batch is None or one.assignment.batch_id == batch.pk]
        if len(standing.held) >= LEASES_MAX or (standing.is_capped and held):
            return held_again((held or standing.held)[0]), None
        if standing.training_batch_id is not None:
            return lease_training(annotator, standing, standing.training_batch_id, now, seed), None
        if standing.is_capped:
            return LeaseResult(None, reason="cap_reached"), None
        row = pick.row(*wanted(annotator, batch, now, draw=random.Random(seed).random(), seed=seed))
        if row is not None:
            return take_picked(Picked(*row), annotator=annotator, standing=standing, now=now, seed=seed), None
        return None, held[0] if held else None


def standing_of(annotator: Membership, now: datetime, *, lock: Bound | None = None) -> Standing:
    return standing_from(annotator, sql.STANDING.rows(annotator.pk, now, start_of_day(now), before=lock))


def standings_of(annotators: Sequence[Membership], now: datetime) -> list[Standing]:
    """As `standing_of`, for several people or projects in one query."""
    rows = sql.STANDINGS.rows([annotator.pk for annotator in annotators], now, start_of_day(now))
    return [
        standing_from(annotator, [row for row in rows if row[0] == annotator.pk]) for annotator in annotators
    ]


def standing_from(annotator: Membership, rows: Sequence[tuple[Any, ...]]) -> Standing:
    is_active, is_paused, daily_cap, has_consented, guideline_id, ordinal, today, training_batch_id = rows[0][
        1:9
    ]
    held = [held_lease(annotator, row[9:]) for row in rows if row[9] is not None]
    refusal = "paused" if is_paused or not is_active else "consent_needed" if has_consented is False else None
    return Standing(
        refusal=refusal,
        guideline_id=guideline_id,
        ordinal=ordinal,
        is_capped=daily_cap is not None and today + len(held) >= daily_cap,
        training_batch_id=training_batch_id,
        held=held,
    )


def held_lease(annotator: Membership, values: Sequence[Any]) -> Lease:
    lease = sql.LEASE.load(values[: sql.LEASE.width])
    know(lease, annotator=annotator, assignment=sql.SLOT.load(values[sql.LEASE.width :]))
    return lease


def start_of_day(now: datetime) -> datetime:
    """Midnight UTC: caps and exposure limits count from there."""
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


def held_again(lease: Lease) -> LeaseResult:
    protocol_id, _, prompt, language, completions = sql.SHOWN.one(lease.assignment.item_id)
    return LeaseResult(lease, shown(protocol_id, prompt, language, completions, lease.display_order))


def shown(protocol_id: int, prompt: str, language: str, completions: str, order: Sequence[int]) -> Shown:
    """`prompt` and `completions` as PostgreSQL sends JSON."""
    return Shown(
        prompt=json.loads(prompt), language=language, screen=screen_from(protocol_id, completions, order)
    )


@dataclass(frozen=True)
class Picked:
    """An item for one person, its work slot locked when the purpose is work."""

    slot_id: int
    pool_id: int
    batch_id: int
    lease_seconds: int
    protocol_id: int
    purpose: str
    repeats_id: int | None
    first_order: list[int] | None
    """Of a repeat: the order in which the item was shown the first time."""
    item_id: int
    prompt: str
    language: str
    completions: str


def wanted(
    annotator: Membership,
    batch: Batch | None,
    now: datetime,
    *,
    draw: float = 1.0,
    seed: int = 0,
    beyond_caps: bool = False,
) -> tuple[Any, ...]:
    """The parameters of a pick or a look. A `draw` of 1 mixes nothing in.

    Race: fifty people want one slot at once. With PICK each locks a row of its own and steps over those locked by
    others; PostgreSQL checks `state = 'open'` again on the locked row, so no slot is handed out twice.
    """
    return (annotator.pk, batch and batch.pk, draw, seed, beyond_caps, start_of_day(now), now)


def take_picked(
    picked: Picked, *, annotator: Membership, standing: Standing, now: datetime, seed: int
) -> LeaseResult:
    positions = [position for _, position, _ in json.loads(picked.completions)]
    ordinal = standing.ordinal + 1
    order = drawn_order(positions, seed=seed, annotator=annotator, ordinal=ordinal)
    if picked.first_order is not None:
        order = picked.first_order[::-1]
    lease = stored(
        Lease,
        annotator_id=annotator.pk,
        ordinal=ordinal,
        submission_id=uuid.uuid4(),
        guideline_id=standing.guideline_id,
        display_seed=seed,
        display_order=order,
        leased_at=now,
    )
    know(lease, annotator=annotator)
    slot = stored(
        Assignment,
        id=picked.slot_id if picked.purpose == Assignment.Purpose.WORK else None,
        item_id=picked.item_id,
        batch_id=picked.batch_id,
        purpose=picked.purpose,
        repeats_id=picked.repeats_id,
    )
    write_lease(lease, slot, expires_at=now + timedelta(seconds=picked.lease_seconds))
    return LeaseResult(
        lease, shown(picked.protocol_id, picked.prompt, picked.language, picked.completions, order)
    )


def write_lease(lease: Lease, slot: Assignment, *, expires_at: datetime) -> Lease:
    """Give `slot` to the lease's annotator under the next attempt: a locked open one, or a new one without an id.

    Slot, lease and audit row are one statement. Needs the caller's transaction.
    """
    lease.public_id = new_public_id()
    values = (
        lease.annotator_id,
        lease.leased_at,
        expires_at,
        lease.public_id,
        lease.ordinal,
        lease.submission_id,
        lease.guideline_id,
        lease.display_seed,
        list(lease.display_order),
    )
    if slot.pk:
        row = sql.TAKE_OPEN.one(*values, slot.pk)
    else:
        row = sql.TAKE_NEW.one(*values, slot.item_id, slot.batch_id, slot.purpose, slot.repeats_id)
    slot.pk, slot.attempt, lease.pk = row
    slot.state, slot.annotator_id, slot.expires_at = Assignment.State.LEASED, lease.annotator_id, expires_at
    slot._state.adding = lease._state.adding = False
    lease.assignment_id, lease.attempt = slot.pk, slot.attempt
    know(lease, assignment=slot)
    return lease


def drawn_order(positions: Sequence[int], *, seed: int, annotator: Membership, ordinal: int) -> list[int]:
    """The completions' positions in screen order.

    Of two, each side comes first equally often for each person: of their leases 1–4, 5–8, … two are swapped, in
    an order drawn from the project's secret seed (permuted blocks). More than two are shuffled by `seed`.
    """
    order = list(positions)
    if len(order) != 2:
        random.Random(seed).shuffle(order)
        return order
    block, place = divmod(ordinal - 1, len(BLOCK))
    swaps = list(BLOCK)
    random.Random(f"{annotator.project.split_seed}|{annotator.pk}|{block}").shuffle(swaps)
    return order[::-1] if swaps[place] else order


def lease_training(
    annotator: Membership, standing: Standing, batch_id: int, now: datetime, seed: int
) -> LeaseResult | None:
    """The next item of a training batch that this person has to pass before they get work.

    None while the only items left are under an expired lease of their own, which the sweep takes back.
    """
    if standing.held:
        return held_again(standing.held[0])
    if has_used_all_tries(annotator, batch_id):
        return LeaseResult(None, reason="not_qualified")
    found = next_training_item(annotator, batch_id)
    if found is None:
        return None
    protocol_id, item_id, prompt, language, completions = sql.SHOWN.one(found)
    batch = Batch.objects.only("lease_seconds").get(pk=batch_id)
    picked = Picked(
        slot_id=0,
        pool_id=0,
        batch_id=batch_id,
        lease_seconds=batch.lease_seconds,
        protocol_id=protocol_id,
        purpose=Assignment.Purpose.TRAINING,
        repeats_id=None,
        first_order=None,
        item_id=item_id,
        prompt=prompt,
        language=language,
        completions=completions,
    )
    return take_picked(picked, annotator=annotator, standing=standing, now=now, seed=seed)


def reason_for_nothing(annotator: Membership, batch: Batch | None, now: datetime) -> str | None:
    """Why there is nothing, or None when there may be something after all: a slot that fits is locked by somebody or
    came free meanwhile, or an expired lease is still to be swept."""
    fits, fits_beyond_caps, is_unfinished, has_expired = sql.WHY_NOTHING.one(*wanted(annotator, batch, now))
    if fits or has_expired:
        return None
    if fits_beyond_caps:
        return "cap_reached"
    return "nothing_left_for_you" if is_unfinished else "batch_done"


def move_places(annotator: Membership) -> None:
    """Note how far down each pool nothing is left for this person, so that nobody walks that way again."""
    for (pool_id,) in sql.POOLS_TO_MOVE.rows(annotator.pk, annotator.project_id):
        move_place(annotator.pk, pool_id)


def move_place(annotator_id: int, pool_id: int) -> None:
    """Race: a slot opens while this looks. Its pool's row is locked by whoever opens slots until they commit."""
    with transaction.atomic():
        sql.MOVE_PLACE.rows(annotator_id, pool_id, before=sql.LOCK_POOL.on(pool_id))


# Reads for pages.


def needs_consent(annotator: Membership) -> bool:
    """Whether the project has a consent text whose current version this person has not agreed to."""
    given = Consent.objects.filter(consent_text=OuterRef("pk"), annotator=annotator)
    texts = ConsentText.objects.filter(project=annotator.project_id).annotate(is_given=Exists(given))
    current = texts.order_by("-number").values_list("is_given", flat=True).first()
    return current is False


def held_leases(annotator: Membership, now: datetime) -> list[Lease]:
    """Running leases of a person in their project, oldest first."""
    return standing_of(annotator, now).held


def why_nothing(annotator: Membership, now: datetime) -> str | None:
    """The reason `lease_next` would give now, or None when it would give an item. Changes nothing."""
    standing = standing_of(annotator, now)
    if standing.refusal:
        return standing.refusal
    if standing.held:
        return None
    if standing.training_batch_id is not None:
        return "not_qualified" if has_used_all_tries(annotator, standing.training_batch_id) else None
    if standing.is_capped:
        return "cap_reached"
    reason = reason_for_nothing(annotator, None, now)
    if reason is None and not sql.LOOK.row(*wanted(annotator, None, now)):
        # Only expired leases are in the way of an answer: what would be left once they are swept?
        found = sql.LOOK_EXPIRED.row(*wanted(annotator, None, now))
        return None if found else reason_after_sweep(annotator, now)
    return reason


def reason_after_sweep(annotator: Membership, now: datetime) -> str:
    """As `reason_for_nothing` will say it, for somebody whom nothing fits, expired leases or not."""
    _, fits_beyond_caps, is_unfinished, _ = sql.WHY_NOTHING.one(*wanted(annotator, None, now))
    if fits_beyond_caps:
        return "cap_reached"
    return "nothing_left_for_you" if is_unfinished else "batch_done"
