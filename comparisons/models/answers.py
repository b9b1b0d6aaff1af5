"""Typed answers: one row for each criterion (and completion) of a judgment, in stored completion order.

Like the judgment they belong to, they are never updated or deleted: a correction is a new judgment
with rows of its own.
"""

import pgtrigger
from django.db import models
from django.db.models import F, Q

IMMUTABLE = pgtrigger.Update | pgtrigger.Delete


class PairwiseAnswer(models.Model):
    """Which of two completions is better on one criterion, with the order on the screen undone."""

    class TieReason(models.TextChoices):
        BOTH_GOOD = "both_good", "Both good"
        BOTH_POOR = "both_poor", "Both poor"
        NEARLY_IDENTICAL = "nearly_identical", "Nearly identical"

    judgment = models.ForeignKey(
        "annotation.Judgment", on_delete=models.PROTECT, related_name="pairwise_answers", db_index=False
    )
    criterion = models.ForeignKey(
        "annotation.Criterion", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    preference = models.SmallIntegerField()
    """−4…4, narrowed by the criterion's scale. Negative: completion 0 is better; 0: about the same."""
    tie_reason = models.CharField(max_length=16, choices=TieReason, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["judgment", "criterion"],
                name="pairwiseanswer_one_per_criterion",
            ),
            models.CheckConstraint(
                condition=Q(preference__gte=-4, preference__lte=4),
                name="pairwiseanswer_preference_in_scale",
            ),
            models.CheckConstraint(
                condition=Q(tie_reason="")
                | Q(
                    preference=0,
                    tie_reason__in=["both_good", "both_poor", "nearly_identical"],
                ),
                name="pairwiseanswer_reason_only_for_ties",
            ),
        ]
        triggers = [pgtrigger.Protect(name="pairwiseanswer_immutable", operation=IMMUTABLE)]

    def __str__(self) -> str:
        return f"{self.preference:+d} on criterion {self.criterion_id}"


class RankingAnswer(models.Model):
    """The place of one completion on one criterion: competition ranks (1, 2, 2, 4), 1 is best."""

    judgment = models.ForeignKey(
        "annotation.Judgment", on_delete=models.PROTECT, related_name="ranking_answers"
    )
    criterion = models.ForeignKey("annotation.Criterion", on_delete=models.PROTECT, related_name="+")
    completion = models.ForeignKey("annotation.Completion", on_delete=models.PROTECT, related_name="+")
    rank = models.PositiveSmallIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["judgment", "criterion", "completion"],
                name="rankinganswer_one_per_completion",
            ),
            models.CheckConstraint(condition=Q(rank__gte=1), name="rankinganswer_rank_from_one"),
        ]
        triggers = [pgtrigger.Protect(name="rankinganswer_immutable", operation=IMMUTABLE)]

    def __str__(self) -> str:
        return f"rank {self.rank} on criterion {self.criterion_id}"


class RatingAnswer(models.Model):
    """The value given to one completion on one criterion, within the criterion's low…high."""

    judgment = models.ForeignKey(
        "annotation.Judgment", on_delete=models.PROTECT, related_name="rating_answers"
    )
    criterion = models.ForeignKey("annotation.Criterion", on_delete=models.PROTECT, related_name="+")
    completion = models.ForeignKey("annotation.Completion", on_delete=models.PROTECT, related_name="+")
    value = models.SmallIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["judgment", "criterion", "completion"],
                name="ratinganswer_one_per_completion",
            )
        ]
        triggers = [pgtrigger.Protect(name="ratinganswer_immutable", operation=IMMUTABLE)]

    def __str__(self) -> str:
        return f"{self.value} on criterion {self.criterion_id}"


class SpanMark(models.Model):
    """A problem marked in the text of one completion."""

    class Type(models.TextChoices):
        WRONG_FACT = "wrong_fact", "Wrong fact"
        UNSUPPORTED = "unsupported", "Unsupported"
        UNSAFE = "unsafe", "Unsafe"
        OFF_TASK = "off_task", "Off task"

    judgment = models.ForeignKey("annotation.Judgment", on_delete=models.PROTECT, related_name="span_marks")
    completion = models.ForeignKey("annotation.Completion", on_delete=models.PROTECT, related_name="+")
    start = models.PositiveIntegerField()
    end = models.PositiveIntegerField()
    """`start` ≤ character < `end`, in Unicode code points of the completion's text."""
    type = models.CharField(max_length=11, choices=Type)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["judgment", "completion", "start", "end", "type"],
                name="spanmark_once",
            ),
            models.CheckConstraint(condition=Q(start__lt=F("end")), name="spanmark_not_empty"),
            models.CheckConstraint(
                condition=Q(type__in=["wrong_fact", "unsupported", "unsafe", "off_task"]),
                name="spanmark_type_known",
            ),
        ]
        triggers = [pgtrigger.Protect(name="spanmark_immutable", operation=IMMUTABLE)]

    def __str__(self) -> str:
        return f"{self.type} at {self.start}–{self.end}"
