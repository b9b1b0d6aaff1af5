"""Typed answers that are texts: demonstrations, critiques with their revisions.

Immutable like every answer, with one way out: what a person wrote can be blanked when they are to be forgotten (I12).
"""

import pgtrigger
from django.db import models
from django.db.models import Q
from django.db.models.functions import Length
from django.db.models.lookups import GreaterThanOrEqual, LessThanOrEqual

from annotation.models.erasing import immutable_but_for_erasure
from comparisons.models.answers import IMMUTABLE

TEXT_MAX = 20_000
CRITIQUE_MAX = 5_000
REVISION_MAX = 200_000
"""As long as an imported completion may be, so that every one can be revised."""


def text_within(longest: int, *, name: str, column: str) -> models.CheckConstraint:
    """1…`longest` characters, or none once it was erased."""
    length = Length(column)
    written = Q(GreaterThanOrEqual(length, 1)) & Q(LessThanOrEqual(length, longest))
    return models.CheckConstraint(
        condition=(Q(erased_at__isnull=True) & written) | (Q(erased_at__isnull=False) & Q(**{column: ""})),
        name=name,
    )


class DemonstrationAnswer(models.Model):
    """The assistant's next message as the annotator would write it: plain text or markdown."""

    judgment = models.OneToOneField(
        "annotation.Judgment", on_delete=models.PROTECT, related_name="demonstration_answer"
    )
    text = models.TextField()
    erased_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [text_within(TEXT_MAX, name="demonstrationanswer_text_length", column="text")]
        triggers = [immutable_but_for_erasure("demonstrationanswer_immutable", "text")]

    def __str__(self) -> str:
        return f"demonstration of judgment {self.judgment_id}"


class CritiqueAnswer(models.Model):
    """What is wrong with a completion and what it should have said; the principles are `CritiquePrinciple` rows.

    `revision` stands in the place of the completion's last message. It equals that message where nothing was
    found to be broken and the annotator left it alone.
    """

    judgment = models.OneToOneField(
        "annotation.Judgment", on_delete=models.PROTECT, related_name="critique_answer"
    )
    completion = models.ForeignKey("annotation.Completion", on_delete=models.PROTECT, related_name="+")
    critique = models.TextField()
    revision = models.TextField()
    is_changed = models.BooleanField()
    """Whether the revision says anything else than the completion; kept, because erasure takes the text."""
    erased_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            text_within(CRITIQUE_MAX, name="critiqueanswer_critique_length", column="critique"),
            text_within(REVISION_MAX, name="critiqueanswer_revision_length", column="revision"),
        ]
        triggers = [immutable_but_for_erasure("critiqueanswer_immutable", "critique", "revision")]

    def __str__(self) -> str:
        return f"critique of completion {self.completion_id}"


class CritiquePrinciple(models.Model):
    """One principle that a critique found broken. A principle is a criterion of the protocol."""

    judgment = models.ForeignKey(
        "annotation.Judgment", on_delete=models.PROTECT, related_name="critique_principles", db_index=False
    )
    principle = models.ForeignKey("annotation.Criterion", on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["judgment", "principle"], name="critiqueprinciple_once")
        ]
        triggers = [pgtrigger.Protect(name="critiqueprinciple_immutable", operation=IMMUTABLE)]

    def __str__(self) -> str:
        return f"principle {self.principle_id} broken"
