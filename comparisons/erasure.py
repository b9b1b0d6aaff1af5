"""Forgetting what a person wrote (I12): the one service that may blank the texts of answers."""

from datetime import datetime

from django.db import connection, transaction

from annotation.audit import record_audit
from annotation.models import Draft, Membership, User
from comparisons.models import CritiqueAnswer, DemonstrationAnswer
from comparisons.models.texts import ERASING


def erase_texts(*, annotator: Membership, actor: User | None, now: datetime) -> int:
    """Blank every demonstration, critique and revision of one annotator and delete their drafts; answers how many
    answers were blanked. That they were given, about what and which principles stays. Done twice it is done once.

    Files of releases are not touched: their bytes are erased by themselves.
    """
    of_theirs = {"judgment__annotator": annotator, "erased_at__isnull": True}
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config(%s, 'on', true)", [ERASING])
        texts = DemonstrationAnswer.objects.filter(**of_theirs).update(text="", erased_at=now)
        texts += CritiqueAnswer.objects.filter(**of_theirs).update(critique="", revision="", erased_at=now)
        drafts, _ = Draft.objects.filter(annotator=annotator).delete()
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config(%s, 'off', true)", [ERASING])
        if texts or drafts:
            record_audit(
                project=annotator.project,
                actor=actor,
                action="texts.erased",
                obj=annotator,
                now=now,
                data={"answers": texts, "drafts": drafts},
            )
    return texts
