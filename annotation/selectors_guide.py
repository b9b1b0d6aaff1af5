"""Reads: which guide and consent text a person knows, and what has changed since."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Exists, F, OuterRef, Q

from annotation.models import Consent, ConsentText, GuidelineVersion, GuideReading, Lease, Membership


@dataclass(frozen=True)
class GuideStanding:
    """The guide in force, and how it stands with one annotator."""

    current: GuidelineVersion
    is_confirmed: bool
    """They said that they have read this version."""
    is_changed: bool
    """They confirmed an earlier version or began to work under one, and not this one yet."""


def guide_standing(annotator: Membership) -> GuideStanding:
    """In one query. Somebody new has nothing to compare with, so nothing has changed for them."""
    return guide_standings([annotator])[0]


def guide_standings(annotators: Sequence[Membership]) -> list[GuideStanding]:
    """As `guide_standing`, in one query for annotators of different projects."""
    theirs = {"annotator__in": annotators, "annotator__project": OuterRef("project")}
    readings = GuideReading.objects.filter(**theirs)
    # Numbers grow, so the first lease shows the lowest version under which they ever worked.
    began_earlier = Lease.objects.filter(**theirs, ordinal=1, guideline__number__lt=OuterRef("number"))
    newest = (
        GuidelineVersion.objects.filter(project__in=[annotator.project_id for annotator in annotators])
        .annotate(
            is_confirmed=Exists(readings.filter(guideline=OuterRef("pk"))),
            is_known=Q(Exists(readings)) | Q(Exists(began_earlier)),
        )
        .order_by("project", "-number")
        .distinct("project")
    )
    by_project = {
        guide.project_id: GuideStanding(
            guide, guide.is_confirmed, is_changed=guide.is_known and not guide.is_confirmed
        )
        for guide in newest
    }
    return [by_project[annotator.project_id] for annotator in annotators]


def guide_shown(annotator: Membership, number: str) -> GuidelineVersion | None:
    """The guide of their project with this number, as a form sends it; None when there is none."""
    is_number = number.isascii() and number.isdigit() and len(number) < 10
    guides = GuidelineVersion.objects.filter(project=annotator.project_id)
    return guides.filter(number=int(number)).first() if is_number else None


def known_guide(annotator: Membership, before: GuidelineVersion) -> GuidelineVersion | None:
    """The newest version older than `before` that they confirmed, or worked under."""
    older = GuidelineVersion.objects.filter(project=annotator.project_id, number__lt=before.number)
    known = Q(Exists(GuideReading.objects.filter(annotator=annotator, guideline=OuterRef("pk")))) | Q(
        Exists(Lease.objects.filter(annotator=annotator, guideline=OuterRef("pk")))
    )
    return older.filter(known).order_by(F("number").desc()).first()


def agreed_consent_text(annotator: Membership) -> ConsentText | None:
    """The newest consent text of the project that they agreed to."""
    given = Consent.objects.filter(annotator=annotator, consent_text__project=annotator.project_id)
    newest = given.select_related("consent_text").order_by("-consent_text__number").first()
    return newest.consent_text if newest else None
