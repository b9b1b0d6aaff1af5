"""Saving what somebody is writing.

No audit row: a draft decides nothing, nobody but its author ever reads it, and the next save replaces it. A row in
the chain for every ten seconds of typing would bury the events that the audit log is for. What is submitted has one.
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db import transaction

from annotation.errors import Refused
from annotation.models import Assignment, Draft, Lease
from annotation.selectors_drafts import finished_drafts
from annotation.services.locks import lock_slot

DRAFT_BYTES_MAX = 1_000_000
NOT_TYPED = frozenset({"csrfmiddlewaretoken", "submission_id", "attempt", "active_seconds"})
"""Fields of the form that nobody types: they belong to one lease and one page."""
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def save_draft(*, lease: Lease, fields: Mapping[str, Sequence[str]], now: datetime) -> Draft:
    """Keep `fields` (name → values, as the form sends them) as the draft of a running lease; answers it.

    Raises Refused: 409 when the lease is over, 413 above a megabyte, 422 for text that cannot be stored.
    """
    typed = {name: list(values) for name, values in fields.items() if name not in NOT_TYPED}
    if any(UNSTORABLE.search(text) for name, values in typed.items() for text in (name, *values)):
        raise Refused("Remove the NUL characters and lone surrogates.", code="not_storable", field="draft")
    if len(json.dumps(typed, ensure_ascii=False).encode()) > DRAFT_BYTES_MAX:
        raise Refused(
            f"A draft holds at most {DRAFT_BYTES_MAX:,} bytes.", code="too_large", field="draft", status=413
        )
    with transaction.atomic():
        # Race: a draft that left the page before the answer arrives after it, and would be shown again with the
        # next look at the item. The slot's row makes the two take turns, and the later one sees the other.
        slot = lock_slot(lease.assignment)
        if not is_running(lease, slot, now):
            raise Refused(
                "This lease is over, so the draft was not kept; your answer will still be taken.",
                code="lease_over",
                field="draft",
                status=409,
            )
        draft, _ = Draft.objects.update_or_create(
            lease=lease, defaults={"annotator": lease.annotator, "answer": typed, "saved_at": now}
        )
    return draft


def is_running(lease: Lease, slot: Assignment, now: datetime) -> bool:
    """Whether `slot`, as locked, is still held under `lease`."""
    is_held = slot.state == Assignment.State.LEASED and slot.annotator_id == lease.annotator_id
    return is_held and slot.attempt == lease.attempt and slot.expires_at is not None and slot.expires_at > now


def forget_drafts(now: datetime) -> None:
    """Delete the drafts that nobody is shown any more. A sweep: the engine's submit need not know of drafts."""
    Draft.objects.filter(pk__in=finished_drafts().values("pk")).delete()
