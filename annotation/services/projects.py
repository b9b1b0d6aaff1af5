"""Projects and the versions of what they ask."""

import re
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Max

from annotation.audit import record_audit
from annotation.errors import Refused
from annotation.kinds import AnswerError, judgment_kinds
from annotation.models import (
    ConsentText,
    Criterion,
    ExposureLimit,
    GuidelineVersion,
    Membership,
    Pool,
    PoolPlace,
    Project,
    ProtocolVersion,
    User,
)
from annotation.selectors import current_texts
from annotation.services.locks import lock_pools
from annotation.services.people import new_pseudonym

SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,59}")
TAKEN_SLUGS = {"new"}
"""/projects/new is a page."""
DEFAULT_GUIDELINE = """Read the prompt, then each response to its end. Judge what was asked for.

A longer answer is not a better one. Check facts before style.

When two responses are about equally good, say so.

When you cannot judge an item, say why. It does not count against you.
"""


def create_project(
    *,
    actor: User,
    now: datetime,
    slug: str,
    name: str,
    protocol: Mapping[str, Any],
    description: str = "",
    guideline: str = DEFAULT_GUIDELINE,
    consent: str = "",
    seed: int | None = None,
) -> Project:
    """A project under its first protocol, with `actor` as lead. Raises Refused naming the field."""
    if not SLUG.fullmatch(slug):
        raise Refused(
            "Use small letters, digits and hyphens, at most 60, starting with a letter or digit.",
            field="slug",
        )
    if slug in TAKEN_SLUGS:
        raise Refused("This address is taken by a page of ours.", code="taken", field="slug")
    if not name.strip() or len(name) > 120:
        raise Refused("A project needs a name of at most 120 characters.", field="name")
    try:
        with transaction.atomic():
            project = Project.objects.create(
                slug=slug,
                name=name.strip(),
                description=description,
                split_seed=secrets.randbits(62) if seed is None else seed,
                created_at=now,
                created_by=actor,
            )
            record_audit(project=project, actor=actor, action="project.created", obj=project, now=now)
            Membership.objects.create(
                project=project,
                user=actor,
                role=Membership.Role.LEAD,
                pseudonym=new_pseudonym(),
                created_at=now,
            )
            try:
                publish_protocol(project=project, actor=actor, settings=protocol, now=now)
            except Refused as refusal:
                raise refusal.below("protocol") from None
            publish_guideline(project=project, actor=actor, text=guideline, now=now)
            if consent:
                publish_consent_text(project=project, actor=actor, text=consent, now=now)
    except IntegrityError as error:
        if "slug" in str(error):
            raise Refused("There is a project with this slug already.", code="taken", field="slug") from None
        raise
    return project


def publish_protocol(
    *,
    project: Project,
    actor: User,
    settings: Mapping[str, Any],
    now: datetime,
    after: int | None = None,
) -> ProtocolVersion:
    """The next protocol version; batches imported earlier keep theirs. Raises Refused.

    `after`: the version that the actor had before them; a newer one is to be looked at first.
    """
    kind_key = settings.get("kind")
    if not isinstance(kind_key, str) or kind_key not in judgment_kinds:
        known = ", ".join(key for key, _ in judgment_kinds)
        raise Refused(f"The kinds are {known}.", field="kind")
    try:
        spec = judgment_kinds.get(kind_key).protocol(settings)
    except AnswerError as error:
        raise Refused("The protocol does not fit its kind.", errors=error.errors) from None
    with transaction.atomic():
        number = next_number(project, "protocols")
        if after is not None and number != after + 1:
            told = f"Somebody has published version {number - 1} meanwhile. Look at it first."
            raise Refused(told, code="stale", status=409)
        protocol = ProtocolVersion.objects.create(
            project=project,
            number=number,
            kind=spec.kind,
            points=spec.points,
            overlap=spec.overlap,
            ties_allowed=spec.ties_allowed,
            top=spec.top,
            per_turn=spec.per_turn,
            has_choice=spec.has_choice,
            created_at=now,
            created_by=actor,
        )
        Criterion.objects.bulk_create(
            Criterion(
                protocol=protocol,
                position=position,
                key=criterion.key,
                name=criterion.name,
                question=criterion.question,
                low=criterion.low,
                high=criterion.high,
                ties_allowed=criterion.ties_allowed,
                anchors=list(criterion.anchors),
                is_optional=criterion.is_optional,
            )
            for position, criterion in enumerate(spec.criteria)
        )
        record_audit(
            project=project,
            actor=actor,
            action="protocol.published",
            obj=protocol,
            now=now,
            data={"number": protocol.number, "kind": protocol.kind},
        )
    return protocol


def publish_guideline(*, project: Project, actor: User, text: str, now: datetime) -> GuidelineVersion:
    """The next version of the instructions (markdown)."""
    if not text.strip():
        raise Refused("The guide is empty.", field="text")
    with transaction.atomic():
        guideline = GuidelineVersion.objects.create(
            project=project,
            number=next_number(project, "guidelines"),
            text=text,
            created_at=now,
            created_by=actor,
        )
        record_audit(
            project=project,
            actor=actor,
            action="guideline.published",
            obj=guideline,
            now=now,
            data={"number": guideline.number},
        )
    return guideline


def publish_consent_text(*, project: Project, actor: User, text: str, now: datetime) -> ConsentText:
    """The next consent text; every annotator is asked again before their next item."""
    with transaction.atomic():
        consent = ConsentText.objects.create(
            project=project, number=next_number(project, "consent_texts"), text=text, created_at=now
        )
        record_audit(
            project=project,
            actor=actor,
            action="consent_text.published",
            obj=consent,
            now=now,
            data={"number": consent.number},
        )
    return consent


def publish_texts(
    *, project: Project, actor: User, guideline: str, consent: str, seen: str, now: datetime
) -> list[str]:
    """Publish what differs from the newest guide and consent text; answers what that was. Raises Refused.

    `seen`: the versions that the actor had before them (`ProjectTexts.versions`).
    """
    published = []
    with transaction.atomic():
        # Race: two leads publish at once. The second waits here and then finds newer versions.
        Project.objects.select_for_update(no_key=True).get(pk=project.pk)
        current = current_texts(project)
        if current.versions != seen:
            told = "Somebody has published other texts meanwhile. Look at them first."
            raise Refused(told, code="stale", status=409)
        if current.consent is not None and not consent.strip():
            raise Refused(
                "People have agreed to a text, so there has to be one: change its words, or leave it.",
                field="consent",
            )
        if guideline.strip() != current.guideline.text.strip():
            made = publish_guideline(project=project, actor=actor, text=guideline, now=now)
            published.append(f"guide version {made.number}")
        if consent.strip() and (current.consent is None or consent.strip() != current.consent.text.strip()):
            asked = publish_consent_text(project=project, actor=actor, text=consent, now=now)
            published.append(f"consent version {asked.number}")
    return published


def next_number(project: Project, relation: str) -> int:
    """The next version number of a project's `relation`.

    Race: two leads publish at once. The project row is locked, so they take their numbers in turn.
    """
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    last: int | None = getattr(project, relation).aggregate(last=Max("number"))["last"]
    return (last or 0) + 1


def set_limits(
    *,
    project: Project,
    daily_cap: int | None,
    exposure: Mapping[str, int],
    exclusion_limit: int,
    actor: User,
    now: datetime,
) -> Project:
    """How much one person may be given: judgments a day, items of each harmful category a day (both UTC), and
    after how many refusals an item is offered to nobody. Raises Refused naming the field.
    """
    if daily_cap is not None and not 1 <= daily_cap < 2**31:
        raise Refused("A cap is a whole number from 1; leave it out for none.", field="daily_cap")
    if not 1 <= exclusion_limit <= 100:
        raise Refused("Use a whole number from 1 to 100.", field="exclusion_limit")
    if len({category.strip() for category in exposure}) < len(exposure):
        raise Refused("A category stands here twice.", field="exposure")
    for category, per_day in exposure.items():
        if not category.strip() or len(category) > 40 or not 0 <= per_day < 2**31:
            raise Refused(
                "A limit is a category of at most 40 characters and a number from 0.", field="exposure"
            )
    with transaction.atomic():
        project = Project.objects.select_for_update(no_key=True).get(pk=project.pk)
        if exclusion_limit > project.exclusion_limit:
            # Items that were out of reach may fit again; everybody looks from the top. Race: a place moves by the
            # old limit meanwhile. It holds its pool's row, and the next one looks with the new limit.
            lock_pools(set(Pool.objects.filter(batch__project=project).values_list("pk", flat=True)))
            PoolPlace.objects.filter(pool__batch__project=project).delete()
        project.daily_cap, project.exclusion_limit = daily_cap, exclusion_limit
        project.save(update_fields=["daily_cap", "exclusion_limit"])
        project.exposure_limits.all().delete()
        ExposureLimit.objects.bulk_create(
            ExposureLimit(project=project, category=category.strip(), per_day=per_day)
            for category, per_day in exposure.items()
        )
        record_audit(
            project=project,
            actor=actor,
            action="project.limits_set",
            obj=project,
            now=now,
            data={"daily_cap": daily_cap, "exposure": dict(exposure), "exclusion_limit": exclusion_limit},
        )
    return project
