"""The audit log: one row for each state change, in the transaction of the change, chained later.

No request waits for the chain: rows are inserted unchained, and one sealer gives committed rows their
position and hash. `hash_n = sha256(hash_{n-1} || canonical JSON of the row)`.
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from django.db import connection, models, transaction

from annotation.models import AuditEvent, Project, User

SEALER_LOCK = 0x5EA1
GENESIS = bytes(32)
SEAL_ROWS = 5000
"""Sealed at once, at most."""


def record_audit(
    *,
    project: Project | None,
    actor: User | None,
    action: str,
    obj: models.Model,
    now: datetime,
    data: dict[str, Any] | None = None,
) -> AuditEvent:
    """Note `action` on `obj`. Call it inside the transaction of the change (raises otherwise).

    `data` holds ids, numbers and digests, never personal text: it stays when a person is erased.
    """
    if not connection.in_atomic_block:
        raise RuntimeError(f"audit of {action!r} outside a transaction")
    return AuditEvent.objects.create(
        project=project,
        actor=actor,
        action=action,
        object_type=obj._meta.model_name or "",
        object_id=str(obj.pk),
        data=data or {},
        created_at=now,
    )


def record_audits(
    changes: Iterable[tuple[Project | None, str, models.Model, dict[str, Any]]],
    *,
    actor: User | None,
    now: datetime,
) -> None:
    """As `record_audit` for many changes (project, action, object, data) at once."""
    if not connection.in_atomic_block:
        raise RuntimeError("audit outside a transaction")
    AuditEvent.objects.bulk_create(
        AuditEvent(
            project=project,
            actor=actor,
            action=action,
            object_type=obj._meta.model_name or "",
            object_id=str(obj.pk),
            data=data,
            created_at=now,
        )
        for project, action, obj, data in changes
    )


def event_digest(previous: bytes, event: AuditEvent) -> bytes:
    """The chain hash of `event` after a row whose chain hash is `previous` (32 bytes each)."""
    body = {
        "id": event.pk,
        "project": event.project_id,
        "actor": event.actor_id,
        "action": event.action,
        "object": [event.object_type, event.object_id],
        "data": event.data,
        "at": event.created_at.isoformat(),
    }
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(previous + canonical.encode()).digest()


def seal_audit(limit: int = SEAL_ROWS) -> int:
    """Chain up to `limit` committed rows in order of id; returns how many. One sealer at a time.

    A row that commits after a later id was sealed simply gets a later position: the chain is the order
    of sealing, and `verify_chain` follows positions, not ids.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [SEALER_LOCK])
        if not cursor.fetchone()[0]:
            return 0
        position, digest = chain_head()
        ids, hashes = [], []
        for event in AuditEvent.objects.filter(chain_position__isnull=True).order_by("id")[:limit]:
            digest = event_digest(digest, event)
            ids.append(event.pk)
            hashes.append(digest)
        # One statement: two rows for each judgment are sealed all day, and an update of each costs ten times that.
        cursor.execute(
            """
            UPDATE annotation_auditevent e SET chain_position = %s + s.place, chain_hash = s.hash
            FROM unnest(%s::bigint[], %s::bytea[]) WITH ORDINALITY AS s (id, hash, place) WHERE e.id = s.id
            """,
            [position, ids, hashes],
        )
        return len(ids)


def chain_head() -> tuple[int, bytes]:
    """(position, hash) of the last sealed row; (0, 32 zero bytes) when there is none."""
    last = AuditEvent.objects.filter(chain_position__isnull=False).order_by("-chain_position").first()
    if last is None or last.chain_position is None or last.chain_hash is None:
        return 0, GENESIS
    return last.chain_position, bytes(last.chain_hash)


def verify_chain(on_rows: Callable[[], None] = lambda: None) -> int | None:
    """The first position whose hash does not follow from the one before, or None when all do.

    `on_rows` is called after every 2,000 rows, for a caller that has to show signs of life.
    """
    digest, expected = GENESIS, 1
    sealed = AuditEvent.objects.filter(chain_position__isnull=False).order_by("chain_position")
    for event in sealed.iterator(chunk_size=2000):
        digest = event_digest(digest, event)
        if event.chain_position != expected or bytes(event.chain_hash or b"") != digest:
            return expected
        if expected % 2000 == 0:
            on_rows()
        expected += 1
    return None
