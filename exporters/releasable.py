"""Which judgments a release may hold, and which of them its filters let through."""

from datetime import datetime

from django.db.models import Exists, OuterRef, QuerySet

from annotation.models import Batch, Consent, ConsentText, Item, Judgment, Project
from annotation.models.judgment import IMPORTED
from comparisons.selectors import work_judgments
from exporters.settings import ReleaseSettings


def releasable_judgments(project: Project) -> QuerySet[Judgment]:
    """Judgments that a release may hold (I14): accepted, current, of regular work or imported, with consent.

    Consent counts when the person has agreed to a text of the project; none was needed before there was one. Who gave
    an imported judgment was asked where they gave it: its release held no other.
    """
    asked = ConsentText.objects.filter(project=project, created_at__lte=OuterRef("created_at"))
    agreed = Consent.objects.filter(consent_text__project=project, annotator=OuterRef("annotator"))
    # What was erased says nothing any more; an answer of another kind has no such row, so the join finds null.
    kept = work_judgments(project).filter(
        demonstration_answer__erased_at__isnull=True, critique_answer__erased_at__isnull=True
    )
    return kept.filter(IMPORTED | ~Exists(asked) | Exists(agreed))


def chosen_judgments(project: Project, settings: ReleaseSettings) -> QuerySet[Judgment]:
    """Releasable judgments that the filters let through, whatever their items."""
    found = releasable_judgments(project)
    if settings.since:
        found = found.filter(created_at__gte=datetime.fromisoformat(settings.since))
    if settings.before:
        found = found.filter(created_at__lt=datetime.fromisoformat(settings.before))
    if settings.guidelines:
        found = found.filter(guideline__number__in=settings.guidelines)
    if settings.paused == "exclude":
        found = found.filter(annotator__paused_at__isnull=True)
    return found


def releasable_items(project: Project, settings: ReleaseSettings) -> QuerySet[Item]:
    """Items that the filters let through, in the order of the release."""
    items = Item.objects.filter(project=project, batch__state__in=[Batch.State.OPEN, Batch.State.CLOSED])
    if settings.batches:
        items = items.filter(batch__number__in=settings.batches)
    if settings.languages:
        items = items.filter(language__in=settings.languages)
    return items.order_by("batch__number", "number")
