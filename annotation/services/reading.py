"""Confirming that a guide was read."""

from datetime import datetime

from django.db import transaction

from annotation.audit import record_audit
from annotation.errors import Refused
from annotation.models import GuidelineVersion, GuideReading, Membership


def confirm_guide(*, annotator: Membership, guideline: GuidelineVersion, now: datetime) -> GuideReading:
    """Note that `annotator` has read this version; doing it again changes nothing.

    An older version than the newest may be confirmed: it is the one that was on the screen. Raises Refused for the
    guide of another project.
    """
    if guideline.project_id != annotator.project_id:
        raise Refused("This is the guide of another project.", field="guideline")
    with transaction.atomic():
        reading, is_new = GuideReading.objects.get_or_create(
            annotator=annotator, guideline=guideline, defaults={"read_at": now}
        )
        if is_new:
            record_audit(
                project=annotator.project,
                actor=annotator.user,
                action="guide.read",
                obj=reading,
                now=now,
                data={"number": guideline.number},
            )
    return reading
