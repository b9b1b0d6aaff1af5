"""Remembered answers of unsafe API calls (`annotation.api_base.idempotent` writes them)."""

from datetime import datetime, timedelta

from annotation.models import IdempotentCall

KEPT_HOURS = 24


def forget_calls(now: datetime) -> None:
    """Delete what is older than 24 hours: answers may hold personal text, and nobody repeats a call so late."""
    IdempotentCall.objects.filter(created_at__lt=now - timedelta(hours=KEPT_HOURS)).delete()
