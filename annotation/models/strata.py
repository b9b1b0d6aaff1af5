"""What annotators may say of themselves, so that a minority's preferences are not averaged away.

Stratum: the people of a project who gave one answer to one question about themselves. Nothing here is ever shown of one
person to another (docs/decisions/0020-strata.md).
"""

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

OPTIONS_LEAST, OPTIONS_MOST = 2, 12


class StratumQuestion(models.Model):
    """One question that a project asks its annotators about themselves. Nobody has to answer it.

    Immutable: another wording would turn the answers into answers to something else. Deleted with all of them.
    """

    project = models.ForeignKey("annotation.Project", on_delete=models.PROTECT, related_name="strata")
    name = models.CharField(max_length=40)
    """Short, for tables: "Age"."""
    text = models.CharField(max_length=300)
    options = ArrayField(models.CharField(max_length=80))
    """In the order they are offered; "prefer not to say" is always offered beside them and never stored."""
    created_at = models.DateTimeField()
    created_by = models.ForeignKey("annotation.User", on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "name"], name="stratumquestion_name_unique"),
            models.CheckConstraint(
                condition=Q(options__len__gte=OPTIONS_LEAST, options__len__lte=OPTIONS_MOST),
                name="stratumquestion_options_counted",
            ),
        ]
        triggers = [pgtrigger.Protect(name="stratumquestion_immutable", operation=pgtrigger.Update)]

    def __str__(self) -> str:
        return self.name


class StratumAnswer(models.Model):
    """What one annotator said of themselves, and the consent that lies in saying it, at `given_at`.

    Immutable; withdrawn, changed or forgotten it is deleted. No other row holds it, in the audit log neither.
    """

    question = models.ForeignKey(StratumQuestion, on_delete=models.CASCADE, related_name="answers")
    annotator = models.ForeignKey("annotation.Membership", on_delete=models.PROTECT, related_name="+")
    option = models.PositiveSmallIntegerField()
    """Which of the question's options, from 0."""
    given_at = models.DateTimeField()

    class Meta:
        constraints = [
            # Two tabs answer at once: one of them writes.
            models.UniqueConstraint(fields=["question", "annotator"], name="stratumanswer_one_each")
        ]
        triggers = [
            pgtrigger.Protect(name="stratumanswer_immutable", operation=pgtrigger.Update),
            pgtrigger.Trigger(
                name="stratumanswer_fits_question",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert,
                func="""
                    IF EXISTS (
                        SELECT FROM annotation_stratumquestion q
                        JOIN annotation_membership m ON m.project_id = q.project_id
                        WHERE q.id = NEW.question_id AND m.id = NEW.annotator_id AND m.role = 'annotator'
                          AND NOT m.is_imported AND NEW.option < cardinality(q.options)
                    ) THEN
                        RETURN NEW;
                    END IF;
                    RAISE EXCEPTION 'stratumanswer_fits_question' USING ERRCODE = 'check_violation';
                """,
            ),
        ]

    def __str__(self) -> str:
        return f"an answer to {self.question_id}"
