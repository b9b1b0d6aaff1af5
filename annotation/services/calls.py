"""Answers of unsafe API calls, remembered by their Idempotency-Key (`annotation.api_base.idempotent`)."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from annotation.models import IdempotentCall, User

KEPT_HOURS = 24
SECRET_FIELDS = frozenset({"one_time_password"})
"""Shown once: left out of the answer that is remembered, so a replay has everything else."""


def remember_call(
    *,
    user: User,
    route: str,
    key: str,
    body_hash: bytes,
    status: int,
    answer: Mapping[str, Any],
    now: datetime,
) -> None:
    """Keep the answer, in the transaction of the change. Not audited: the change itself is."""
    IdempotentCall.objects.create(
        user=user,
        route=route,
        key=key,
        body_hash=body_hash,
        status=status,
        answer={name: value for name, value in answer.items() if name not in SECRET_FIELDS},
        created_at=now,
    )


def forget_calls(now: datetime) -> None:
    """Delete what is older than 24 hours: answers may hold personal text, and nobody repeats a call so late."""
    IdempotentCall.objects.filter(created_at__lt=now - timedelta(hours=KEPT_HOURS)).delete()
