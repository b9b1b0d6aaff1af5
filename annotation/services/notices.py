"""Writes: mail to annotators who want to know that there is work again.

It is for those who had nothing to do: one mail a day at most, none to somebody who worked within the last hour, and
only where there is an item for them.
"""

import smtplib
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone, translation
from django.utils.translation import gettext

from annotation.audit import record_audit
from annotation.jobs import JobPostponed, Progress, enqueue_job
from annotation.models import Batch, Job, Lease, Membership, User
from annotation.services.leases import why_nothing

JOB_KIND = "tell_annotators"
RESTS = timedelta(hours=20)
"""Between two mails to one person: a day, whatever the hour at which batches open."""
IS_THERE = timedelta(hours=1)
"""Who leased an item so lately sees the batch on their home page."""
WAIT, TRIES_MAX = timedelta(minutes=10), 12
"""For a mail server that does not answer."""


def announce_batch(*, batch: Batch, actor: User | None, now: datetime) -> None:
    """Queue the mails about a batch that opens, in the transaction that opens it."""
    if settings.SENDS_MAIL:
        enqueue_job(
            kind=JOB_KIND,
            key=str(batch.pk),
            project=batch.project,
            actor=actor,
            now=now,
            arguments={"batch": batch.pk},
        )


def run_notices_job(job: Job, progress: Progress) -> dict[str, Any]:
    """The handler of job kind `tell_annotators`."""
    batch = Batch.objects.select_related("project").get(pk=job.arguments["batch"])
    return {
        "mails": tell_annotators(batch=batch, actor=job.created_by, now=timezone.now(), progress=progress)
    }


def tell_annotators(
    *, batch: Batch, actor: User | None, now: datetime, progress: Progress | None = None
) -> int:
    """Send the mails about `batch` that are due; answers how many. Whoever was told already is not told again.

    Raises JobPostponed while the mail server does not take them.
    """
    waiting = [member for member in people_to_tell(batch, now) if why_nothing(member, now) is None]
    if not waiting:
        return 0
    sent, trouble = 0, None
    try:
        with get_connection() as connection:
            for index, member in enumerate(waiting):
                if take_turn(member.user, now):
                    sent += send_notice(member, batch, connection)
                if progress is not None:
                    progress((index + 1) / len(waiting))
    except (OSError, smtplib.SMTPException) as error:
        trouble = error
    if sent:  # also where the server went away after some
        record_audit(
            project=batch.project,
            actor=actor,
            action="batch.announced",
            obj=batch,
            now=now,
            data={"mails": sent},
        )
    if trouble is not None:
        raise JobPostponed(
            f"The mail server did not take it: {trouble}", wait=WAIT, tries_max=TRIES_MAX
        ) from trouble
    return sent


def people_to_tell(batch: Batch, now: datetime) -> QuerySet[Membership]:
    at_work = Lease.objects.filter(annotator=OuterRef("pk"), leased_at__gt=now - IS_THERE)
    return (
        Membership.objects.filter(
            is_due(now, "user__"),
            ~Exists(at_work),
            project=batch.project_id,
            role=Membership.Role.ANNOTATOR,
            is_active=True,
            is_simulated=False,
            is_imported=False,
            user__is_active=True,
            user__wants_mail=True,
        )
        .select_related("user", "project")
        .order_by("pk")
    )


def is_due(now: datetime, path: str = "") -> Q:
    return Q(**{f"{path}told_at__isnull": True}) | Q(**{f"{path}told_at__lte": now - RESTS})


def take_turn(user: User, now: datetime) -> bool:
    """Race: two batches open at once, in two workers. Whichever moves the time first sends; a run that dies between
    this and the mail leaves the person without one, which is better than two."""
    return User.objects.filter(is_due(now), pk=user.pk, wants_mail=True).update(told_at=now) == 1


def send_notice(member: Membership, batch: Batch, connection: Any) -> bool:
    """Whether the server took it: an address that it refuses is no reason to keep it from the others."""
    with translation.override(member.user.language):
        project = " ".join(batch.project.name.split())
        said = {"project": project, "batch": batch.name, "url": settings.SITE_URL}
        message = EmailMessage(
            gettext("There is work for you in %(project)s") % said,
            gettext(
                "A batch is open in %(project)s: %(batch)s.\n\n%(url)s/\n\n"
                "You get such a mail once a day at most. To get none, switch it off: %(url)s/settings\n"
            )
            % said,
            to=[member.user.email],
            connection=connection,
        )
    before = member.user.told_at
    try:
        return message.send() == 1
    except smtplib.SMTPRecipientsRefused:
        return False
    except (OSError, smtplib.SMTPException):
        User.objects.filter(pk=member.user_id).update(told_at=before)
        raise
