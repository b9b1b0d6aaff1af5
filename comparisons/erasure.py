"""Forgetting what a person wrote (I12): the one service that may blank the texts of answers, notes and reports.

What they said of themselves goes with it.
"""

from datetime import datetime

from django.db import connection, transaction

from annotation.audit import record_audit
from annotation.models import Draft, Judgment, Membership, Report, User
from annotation.models.erasing import ERASING
from annotation.services.strata import forget_strata
from comparisons.models import Adjudication, CritiqueAnswer, DemonstrationAnswer


def erase_texts(*, annotator: Membership, actor: User | None, now: datetime) -> int:
    """Blank what one annotator wrote, delete their drafts and what they said of themselves; answers how many texts were
    blanked.

    Demonstrations, critiques and revisions, the notes beside their answers, of their reports and of what they decided
    as a reviewer. That they were given, about what and which principles stays. Done twice it is done once.

    Files of releases are not touched: their bytes are erased by themselves.
    """
    of_theirs = {"judgment__annotator": annotator, "erased_at__isnull": True}
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config(%s, 'on', true)", [ERASING])
        texts = DemonstrationAnswer.objects.filter(**of_theirs).update(text="", erased_at=now)
        texts += CritiqueAnswer.objects.filter(**of_theirs).update(critique="", revision="", erased_at=now)
        written = {"annotator": annotator, "erased_at__isnull": True}
        notes = Judgment.objects.filter(**written).exclude(note="").update(note="", erased_at=now)
        reports = Report.objects.filter(**written).exclude(note="").update(note="", erased_at=now)
        decided = Adjudication.objects.filter(reviewer=annotator, erased_at__isnull=True).exclude(note="")
        decisions = decided.update(note="", erased_at=now)
        forget_strata(annotator=annotator, actor=actor, now=now)
        drafts, _ = Draft.objects.filter(annotator=annotator).delete()
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config(%s, 'off', true)", [ERASING])
        if texts or notes or reports or decisions or drafts:
            record_audit(
                project=annotator.project,
                actor=actor,
                action="texts.erased",
                obj=annotator,
                now=now,
                data={
                    "answers": texts,
                    "notes": notes,
                    "reports": reports,
                    "decisions": decisions,
                    "drafts": drafts,
                },
            )
    return texts + notes + reports + decisions
