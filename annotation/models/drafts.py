"""Text that somebody is writing: kept on the server, so that it survives a browser, a device and a lease."""

from django.db import models
from django.db.models import TextField
from django.db.models.functions import Cast, Length
from django.db.models.lookups import LessThanOrEqual

DRAFT_CHARACTERS_MAX = 1024 * 1024


class Draft(models.Model):
    """The form of one lease as typed so far, {field: [values]}: what was saved last, no history.

    Written while the lease runs and never afterwards. It outlives its lease: the same person finds it when they
    get the same item again (`selectors_drafts.current_draft`), until they answer the item or give it back.
    """

    lease = models.OneToOneField("annotation.Lease", on_delete=models.PROTECT, related_name="draft")
    annotator = models.ForeignKey("annotation.Membership", on_delete=models.PROTECT, related_name="drafts")
    answer = models.JSONField()
    saved_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=LessThanOrEqual(Length(Cast("answer", TextField())), DRAFT_CHARACTERS_MAX),
                name="draft_at_most_a_mebibyte",
            )
        ]

    def __str__(self) -> str:
        return f"draft of lease {self.lease_id}"
