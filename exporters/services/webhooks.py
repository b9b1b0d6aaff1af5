"""Webhooks: services that add and remove them, tell them of events, and send what is to be told.

An event becomes a row for each webhook and a job for each row, in the transaction of what happened: nothing is told
that did not happen, and nothing that happened is forgotten. The job sends; after a failure it waits, longer each time.
"""

import json
import secrets
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from annotation.audit import record_audit
from annotation.egress import EgressFailed, EgressRefused, parsed, refuse_address, send
from annotation.errors import Refused
from annotation.jobs import JobFailed, JobPostponed, Progress, enqueue_job, send_job
from annotation.models import Job, Project, User
from annotation.services.jobs import retry_job
from exporters.models import Release, Webhook, WebhookDelivery
from exporters.signing import secret_hash, secret_of, secret_text, signed_headers

JOB_KIND = "deliver_webhook"
EVENTS = (
    "release.frozen",
    "release.failed",
    "release.erased",
    "job.succeeded",
    "job.failed",
    "job.cancelled",
)
WEBHOOKS_MAX = 10
WAIT_SECONDS = (5, 30, 180, 900, 3600, 4 * 3600, 12 * 3600)
"""Between tries: eight of them, the last almost 18 hours after the first."""


def add_webhook(
    *, project: Project, actor: User, url: str, events: Sequence[str], now: datetime
) -> tuple[Webhook, str]:
    """(the webhook, its secret, which can be seen only now). Raises Refused for an address that is not sent to."""
    unknown = sorted(set(events) - set(EVENTS))
    if unknown or not events:
        raise Refused(f"Choose one event or more of {', '.join(EVENTS)}.", field="events")
    try:
        refuse_address(url, settings.EGRESS_NETWORKS)
    except EgressRefused as refusal:
        raise Refused(str(refusal), field="url") from refusal
    nonce = secrets.token_hex(16)
    secret = secret_of(nonce)
    with transaction.atomic():
        # Race: two leads add the last one that is allowed. They take turns on the project's row.
        Project.objects.select_for_update(no_key=True).get(pk=project.pk)
        if project.webhooks.filter(removed_at=None).count() >= WEBHOOKS_MAX:
            raise Refused(f"A project has at most {WEBHOOKS_MAX} webhooks; remove one first.", field="url")
        webhook = Webhook.objects.create(
            project=project,
            url=url,
            events=[event for event in EVENTS if event in events],
            nonce=nonce,
            secret_hash=secret_hash(secret),
            created_at=now,
            created_by=actor,
        )
        # The host alone: the path of an address may be a key in itself.
        data = {"host": parsed(url).hostname, "events": webhook.events}
        record_audit(project=project, actor=actor, action="webhook.added", obj=webhook, now=now, data=data)
    return webhook, secret_text(secret)


def remove_webhook(*, webhook: Webhook, actor: User, now: datetime) -> None:
    """No more is sent there; what waits is given up at its next try. Removing again changes nothing."""
    with transaction.atomic():
        if Webhook.objects.filter(pk=webhook.pk, removed_at=None).update(removed_at=now):
            record_audit(project=webhook.project, actor=actor, action="webhook.removed", obj=webhook, now=now)


def announce(project: Project | None, event: str, data: Mapping[str, Any], now: datetime) -> None:
    """Queue `event` for every webhook of the project that wants it; call it in the transaction of the event."""
    if project is None:
        return
    for webhook in Webhook.objects.filter(project=project, removed_at=None, events__contains=[event]):
        body = {"type": event, "timestamp": now.isoformat(), "data": {"project": project.slug, **data}}
        delivery = WebhookDelivery.objects.create(
            webhook=webhook,
            message_id=f"msg_{uuid.uuid4().hex}",
            event=event,
            body=json.dumps(body, ensure_ascii=False, separators=(",", ":")),
            created_at=now,
        )
        queue_delivery(delivery, project, None, now)


def queue_delivery(delivery: WebhookDelivery, project: Project, actor: User | None, now: datetime) -> Job:
    return enqueue_job(
        kind=JOB_KIND,
        key=str(delivery.pk),
        project=project,
        actor=actor,
        now=now,
        arguments={"delivery": delivery.pk},
    )


def announce_release(release: Release, event: str, now: datetime) -> None:
    data = {"release": release.version, "state": release.state, "rows": release.manifest.get("rows", 0)}
    announce(release.project, event, data, now)


def announce_job(job: Job, now: datetime) -> None:
    """Tells the end of a job; the end of a delivery without success is noted with the delivery instead."""
    if job.kind == JOB_KIND:
        waiting = WebhookDelivery.objects.filter(
            pk=job.arguments["delivery"], state=WebhookDelivery.State.WAITING
        )
        waiting.update(state=WebhookDelivery.State.FAILED)
        return
    detail = {"detail": str(job.error.get("detail", ""))} if job.error else {}
    announce(job.project, f"job.{job.state}", {"job": str(job.pk), "kind": job.kind, **detail}, now)


def deliver_webhook(job: Job, progress: Progress) -> dict[str, Any]:
    """Handler of the job: send one delivery. A run after a crash sends it again, under the same message id."""
    delivery = WebhookDelivery.objects.select_related("webhook").get(pk=job.arguments["delivery"])
    webhook = delivery.webhook
    if delivery.state == WebhookDelivery.State.DELIVERED:
        return {"status": delivery.status}
    if webhook.removed_at is not None:
        note_try(delivery, None, "The webhook was removed.", timezone.now())
        raise JobFailed("The webhook was removed.")
    secret = secret_of(webhook.nonce)
    if secret_hash(secret) != webhook.secret_hash:
        detail = (
            "The server's SECRET_KEY is another than when the webhook was added: remove it and add it again."
        )
        note_try(delivery, None, detail, timezone.now())
        raise JobFailed(detail)
    progress(0.1)
    status, detail = attempt(webhook, delivery, secret)
    note_try(delivery, status, detail, timezone.now())
    if detail:
        wait = WAIT_SECONDS[min(job.tries, len(WAIT_SECONDS)) - 1]
        raise JobPostponed(detail, wait=timedelta(seconds=wait), tries_max=len(WAIT_SECONDS) + 1)
    return {"status": status}


def attempt(webhook: Webhook, delivery: WebhookDelivery, secret: bytes) -> tuple[int | None, str]:
    """(status of the answer or None, why it is no success or nothing)."""
    headers = signed_headers(secret, delivery.message_id, delivery.body, timezone.now())
    headers |= {"Content-Type": "application/json", "User-Agent": "concord-webhooks"}
    try:
        reply = send(webhook.url, delivery.body.encode(), headers, opened=settings.EGRESS_NETWORKS)
    except (EgressRefused, EgressFailed) as error:
        return None, str(error)
    if 200 <= reply.status < 300:
        return reply.status, ""
    more = "; redirects are not followed" if 300 <= reply.status < 400 else ""
    return reply.status, f"It answered {reply.status}{more}."


def note_try(delivery: WebhookDelivery, status: int | None, detail: str, now: datetime) -> None:
    delivery.tries += 1
    delivery.status, delivery.detail, delivery.tried_at = status, detail, now
    if not detail:
        delivery.state = WebhookDelivery.State.DELIVERED
    delivery.save(update_fields=["tries", "status", "detail", "tried_at", "state"])


def send_again(*, delivery: WebhookDelivery, actor: User, now: datetime) -> None:
    """Send a delivery anew under its message id: at once, also where the next try is hours away.

    Raises Refused for one whose webhook was removed.
    """
    webhook = delivery.webhook
    if webhook.removed_at is not None:
        raise Refused("This webhook was removed; nothing is sent there any more.", status=409)
    with transaction.atomic():
        record_audit(
            project=webhook.project,
            actor=actor,
            action="webhook.sent_again",
            obj=webhook,
            now=now,
            data={"message": delivery.message_id},
        )
        WebhookDelivery.objects.filter(pk=delivery.pk).update(state=WebhookDelivery.State.WAITING)
        jobs = Job.objects.filter(kind=JOB_KIND, key=str(delivery.pk))
        if dead := jobs.filter(is_dead_letter=True).first():
            retry_job(job=dead, actor=actor, now=now)
            return
        # Race: a worker takes it meanwhile. Then the update finds nothing to bring forward.
        waiting = jobs.filter(state=Job.State.QUEUED)
        waiting.update(run_after=None, sent_at=now)
        job = waiting.first() or queue_delivery(delivery, webhook.project, actor, now)
        transaction.on_commit(lambda: send_job(job))
