"""Reads of drafts."""

from django.db.models import Exists, OuterRef, Q, QuerySet

from annotation.models import Draft, Exclusion, Judgment, Membership


def finished_drafts() -> QuerySet[Draft]:
    """Drafts that nobody is shown any more: their author has answered the item since, or given it back.

    A judgment ends every draft of its author that is older, and its own lease's whatever the clocks of two
    requests say: an old text beside a repeat would tell that it is one (I13).
    """
    theirs = Judgment.objects.filter(
        annotator=OuterRef("annotator"), item=OuterRef("lease__assignment__item")
    )
    answered = theirs.filter(
        Q(submission_id=OuterRef("lease__submission_id")) | Q(created_at__gte=OuterRef("saved_at"))
    )
    given_back = Exclusion.objects.filter(
        annotator=OuterRef("annotator"), item=OuterRef("lease__assignment__item")
    )
    return Draft.objects.filter(Exists(answered) | Exists(given_back))


def current_draft(annotator: Membership, item_id: int) -> Draft | None:
    """The newest text that this person has written for the item and not yet sent, under whichever lease."""
    drafts = Draft.objects.filter(annotator=annotator, lease__assignment__item=item_id)
    return drafts.exclude(pk__in=finished_drafts().values("pk")).order_by("-saved_at", "-pk").first()
