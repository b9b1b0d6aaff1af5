"""Typed answers: one row for each criterion (and completion) of a judgment, in stored completion order.

Like the judgment they belong to, they are never updated or deleted: a correction is a new judgment
with rows of its own.
"""

import pgtrigger
from django.db import models
from django.db.models import F, Q

IMMUTABLE = pgtrigger.Update | pgtrigger.Delete


class PairwiseAnswer(models.Model):
    """Which of two completions is better on one criterion, with the order on the screen undone.

    A row without `turn` is about the whole completions, and is what statistics and releases read. Under a protocol
    that asks by turn, the overall criterion has a row more for each turn of the two conversations.
    """

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
    turn = models.PositiveSmallIntegerField(null=True)
    """Which turn of the assistant, from 1; null: the whole."""

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["judgment", "criterion", "turn"],
                name="pairwiseanswer_one_per_criterion_and_turn",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                condition=Q(turn__isnull=True) | Q(turn__gte=1), name="pairwiseanswer_turn_from_one"
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
        where = f", turn {self.turn}" if self.turn else ""
        return f"{self.preference:+d} on criterion {self.criterion_id}{where}"


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
    """The value given to one completion on one criterion, within the criterion's low…high, or "not applicable".

    Whoever finds that a criterion does not apply says so: a row without a value. No row at all means that nobody was
    asked. A value that got lost on its way is neither, so a row says in a column of its own that it has none.
    """

    judgment = models.ForeignKey(
        "annotation.Judgment", on_delete=models.PROTECT, related_name="rating_answers"
    )
    criterion = models.ForeignKey("annotation.Criterion", on_delete=models.PROTECT, related_name="+")
    completion = models.ForeignKey("annotation.Completion", on_delete=models.PROTECT, related_name="+")
    value = models.SmallIntegerField(null=True)
    """Null: the criterion does not apply. Then it counts in no mean, agreement or comparison."""
    is_applicable = models.BooleanField(default=True, db_default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["judgment", "criterion", "completion"],
                name="ratinganswer_one_per_completion",
            ),
            models.CheckConstraint(
                condition=Q(is_applicable=True, value__isnull=False)
                | Q(is_applicable=False, value__isnull=True),
                name="ratinganswer_value_where_applicable",
            ),
        ]
        triggers = [
            pgtrigger.Protect(name="ratinganswer_immutable", operation=IMMUTABLE),
            # What a check constraint cannot look up. Rows with a value never run it.
            pgtrigger.Trigger(
                name="ratinganswer_optional_only",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert,
                condition=pgtrigger.Q(new__is_applicable=False),
                func="""
                    IF NOT (SELECT is_optional FROM annotation_criterion WHERE id = NEW.criterion_id) THEN
                        RAISE EXCEPTION 'Criterion % is not optional', NEW.criterion_id
                            USING ERRCODE = 'check_violation';
                    END IF;
                    RETURN NEW;
                """,
            ),
        ]

    def __str__(self) -> str:
        said = "n/a" if self.value is None else self.value
        return f"{said} on criterion {self.criterion_id}"


class RatingChoice(models.Model):
    """The one completion that somebody would choose after rating several. No row: no choice was made.

    It is apart from the criterion `overall`: a value for each completion by itself and a choice between them may
    well contradict each other, and neither is corrected by the other.
    """

    judgment = models.OneToOneField(
        "annotation.Judgment", on_delete=models.PROTECT, related_name="rating_choice"
    )
    completion = models.ForeignKey("annotation.Completion", on_delete=models.PROTECT, related_name="+")

    class Meta:
        triggers = [pgtrigger.Protect(name="ratingchoice_immutable", operation=IMMUTABLE)]

    def __str__(self) -> str:
        return f"completion {self.completion_id} chosen"


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
