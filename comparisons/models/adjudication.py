"""What reviewers decide on items that annotators disagree on.

A reviewer first answers without seeing anybody's judgment (`BlindAnswer`), then decides (`Adjudication`). Neither is
ever changed, but for a note that is blanked when its author is to be forgotten. A decision is replaced by a later one
that `supersedes` it; the current decision is the end of that chain.
"""

from typing import Any

import pgtrigger
from django.db import models
from django.db.models import F, Q

from annotation.models.erasing import immutable_but_for_erasure

IMMUTABLE = pgtrigger.Update | pgtrigger.Delete


def by_reviewer(name: str) -> pgtrigger.Trigger:
    """Whoever looks or decides is a lead or reviewer of the item's project; no check constraint can look that up."""
    return pgtrigger.Trigger(
        name=name,
        when=pgtrigger.Before,
        operation=pgtrigger.Insert,
        func="""
            IF NOT EXISTS (
                SELECT FROM annotation_membership m JOIN annotation_item i ON i.project_id = m.project_id
                WHERE m.id = NEW.reviewer_id AND i.id = NEW.item_id AND m.role IN ('lead', 'reviewer')
            ) THEN
                RAISE EXCEPTION 'Member % is no lead or reviewer of the project of item %', NEW.reviewer_id, NEW.item_id
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        """,
    )


class BlindAnswer(models.Model):
    """What a reviewer answered before they saw the judgments of an item. One for each reviewer and item: only the first
    look is blind."""

    item = models.ForeignKey(
        "annotation.Item", on_delete=models.PROTECT, related_name="blind_answers", db_index=False
    )
    reviewer = models.ForeignKey("annotation.Membership", on_delete=models.PROTECT, related_name="+")
    answer: Any = models.JSONField(null=True)
    """In the shape of the API, A being the first completion of the file. Null: they had the judgments shown at once."""
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["item", "reviewer"], name="blindanswer_one_per_reviewer"),
        ]
        triggers = [
            pgtrigger.Protect(name="blindanswer_immutable", operation=IMMUTABLE),
            by_reviewer("blindanswer_by_reviewer"),
        ]

    def __str__(self) -> str:
        return f"first look at item {self.item_id}"


class Adjudication(models.Model):
    """A reviewer's decision on an item, with reason.

    A reason that is about the people (`guide_unclear`, `misread`) comes with the answer that holds; one that is about
    the item comes without: tastes that really differ are not forced into one, and a broken item has no answer.
    """

    class Reason(models.TextChoices):
        GUIDE_UNCLEAR = "guide_unclear", "Guide unclear"
        MISREAD = "misread", "Misread"
        TASTE = "taste", "Real difference of taste"
        BROKEN = "broken", "Broken item"

    ANSWERED = (Reason.GUIDE_UNCLEAR, Reason.MISREAD)
    """Reasons that come with an answer."""

    item = models.ForeignKey("annotation.Item", on_delete=models.PROTECT, related_name="adjudications")
    reviewer = models.ForeignKey("annotation.Membership", on_delete=models.PROTECT, related_name="+")
    blind_answer = models.ForeignKey(
        BlindAnswer, on_delete=models.PROTECT, related_name="adjudications", db_index=False
    )
    supersedes = models.OneToOneField(
        "self", on_delete=models.PROTECT, null=True, related_name="superseded_by"
    )
    reason = models.CharField(max_length=13, choices=Reason)
    answer: Any = models.JSONField(null=True)
    """As in `BlindAnswer`. What follows of it for releases is in `AdjudicatedPreference`."""
    note = models.TextField(blank=True)
    erased_at = models.DateTimeField(null=True)
    """When the note was blanked, because its author is to be forgotten (I12)."""
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            # Two reviewers decide at once: one first decision of an item is stored, and one that follows each (the
            # column `supersedes` is unique). So the chain has one end.
            models.UniqueConstraint(
                fields=["item"], condition=Q(supersedes__isnull=True), name="adjudication_one_root_per_item"
            ),
            models.CheckConstraint(
                condition=Q(reason__in=["guide_unclear", "misread"], answer__isnull=False)
                | Q(reason__in=["taste", "broken"], answer__isnull=True),
                name="adjudication_answer_by_reason",
            ),
            models.CheckConstraint(
                condition=Q(supersedes__isnull=True) | ~Q(supersedes=F("id")),
                name="adjudication_not_own_parent",
            ),
        ]
        triggers = [
            immutable_but_for_erasure("adjudication_immutable", "note"),
            by_reviewer("adjudication_by_reviewer"),
            pgtrigger.Trigger(
                name="adjudication_fits",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert,
                func="""
                    IF NOT EXISTS (
                        SELECT FROM comparisons_blindanswer b
                        WHERE b.id = NEW.blind_answer_id AND b.item_id = NEW.item_id
                          AND b.reviewer_id = NEW.reviewer_id
                    ) THEN
                        RAISE EXCEPTION 'The first look is not that of the reviewer at item %', NEW.item_id
                            USING ERRCODE = 'check_violation';
                    END IF;
                    IF NEW.supersedes_id IS NOT NULL AND NOT EXISTS (
                        SELECT FROM comparisons_adjudication a
                        WHERE a.id = NEW.supersedes_id AND a.item_id = NEW.item_id
                    ) THEN
                        RAISE EXCEPTION 'The decision that is replaced is on another item than %', NEW.item_id
                            USING ERRCODE = 'check_violation';
                    END IF;
                    RETURN NEW;
                """,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.reason} on item {self.item_id}"


class AdjudicatedPreference(models.Model):
    """What the answer of a decision says of two completions on one criterion, as a `PairwiseOutcome` does of a
    judgment: in the order of import, < 0: the first is better. Where the answer says nothing of two, there is no row.
    """

    adjudication = models.ForeignKey(
        Adjudication, on_delete=models.PROTECT, related_name="preferences", db_index=False
    )
    criterion = models.SlugField(max_length=40, db_index=False)
    """Key of the criterion, or "choice" for the one completion that was chosen after rating several."""
    first = models.ForeignKey(
        "annotation.Completion", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    second = models.ForeignKey(
        "annotation.Completion", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    preference = models.SmallIntegerField()
    """In steps of the scale: points of a pairwise protocol or of a rating, places of a ranking."""

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["adjudication", "criterion", "first", "second"],
                name="adjudicatedpreference_one_per_pair",
            ),
            models.CheckConstraint(
                condition=Q(preference__gte=-9, preference__lte=9),
                name="adjudicatedpreference_in_scale",
            ),
        ]
        triggers = [
            pgtrigger.Protect(name="adjudicatedpreference_immutable", operation=IMMUTABLE),
            pgtrigger.Trigger(
                name="adjudicatedpreference_fits",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert,
                func="""
                    IF NOT EXISTS (
                        SELECT FROM comparisons_adjudication a
                        JOIN annotation_completion f ON f.id = NEW.first_id AND f.item_id = a.item_id
                        JOIN annotation_completion s ON s.id = NEW.second_id AND s.item_id = a.item_id
                        WHERE a.id = NEW.adjudication_id AND a.answer IS NOT NULL AND f.position < s.position
                    ) THEN
                        RAISE EXCEPTION 'Decision % has no answer on completions % and % in this order',
                            NEW.adjudication_id, NEW.first_id, NEW.second_id USING ERRCODE = 'check_violation';
                    END IF;
                    IF NEW.criterion <> 'choice' AND NOT EXISTS (
                        SELECT FROM comparisons_adjudication a
                        JOIN annotation_item i ON i.id = a.item_id
                        JOIN annotation_batch b ON b.id = i.batch_id
                        JOIN annotation_criterion c ON c.protocol_id = b.protocol_id AND c.key = NEW.criterion
                        WHERE a.id = NEW.adjudication_id
                    ) THEN
                        RAISE EXCEPTION 'Decision % is not asked for %', NEW.adjudication_id, NEW.criterion
                            USING ERRCODE = 'check_violation';
                    END IF;
                    RETURN NEW;
                """,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.preference:+d} on {self.criterion}"
