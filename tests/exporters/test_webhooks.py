"""Webhooks: who is told of what, with which signature, and what happens when nobody takes it."""

import base64
import hashlib
import hmac
import ipaddress
import json
import logging
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django.fixtures import Settings

from annotation.errors import Refused
from annotation.jobs import enqueue_job, run_claimed
from annotation.models import AuditEvent, Job
from annotation.services.jobs import cancel_job
from exporters.models import Webhook, WebhookDelivery
from exporters.services.webhooks import (
    EVENTS,
    WAIT_SECONDS,
    WEBHOOKS_MAX,
    add_webhook,
    announce,
    remove_webhook,
    send_again,
)
from tests.exporters.receiving import Receiver, Sent, receiver
from tests.exporters.releases import cut, judged_world
from tests.factories import NOW, World, make_world

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def opened(settings: Settings) -> None:
    settings.EGRESS_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]


@pytest.fixture
def world() -> World:
    return make_world()


def hook(world: World, there: Receiver, events: tuple[str, ...] = EVENTS) -> str:
    """Add a webhook to `there`; returns its secret."""
    return add_webhook(project=world.project, actor=world.lead, url=there.url, events=events, now=NOW)[1]


def send_what_waits() -> None:
    """Run the deliveries that are due, as a worker would."""
    for job in Job.objects.filter(kind="deliver_webhook", state=Job.State.QUEUED).order_by("created_at"):
        Job.objects.filter(pk=job.pk).update(run_after=None)
        run_claimed(str(job.pk), timezone.now())


def is_signed(sent: Sent, secret: str) -> bool:
    """The check of Standard Webhooks, written from its text."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = b".".join(
        [sent.headers["webhook-id"].encode(), sent.headers["webhook-timestamp"].encode(), sent.body]
    )
    expected = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    return sent.headers["webhook-signature"] == f"v1,{expected}"


def test_the_example_of_the_specification_is_signed_alike() -> None:
    """Key, id, timestamp, body and signature from the reference libraries' own tests."""
    from datetime import UTC, datetime

    from exporters.signing import signed_headers

    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    moment = datetime.fromtimestamp(1614265330, UTC)
    headers = signed_headers(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", '{"test": 2432232314}', moment)
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert headers["webhook-timestamp"] == "1614265330"


def test_a_frozen_release_is_told_with_a_signature() -> None:
    world = judged_world([[-2, 2, 1]])
    with receiver() as there:
        secret = hook(world, there, ("release.frozen",))
        release, _ = cut(world)
        send_what_waits()
    (sent,) = there.sent
    assert is_signed(sent, secret) and not is_signed(sent, "whsec_" + base64.b64encode(b"x" * 32).decode())
    body = json.loads(sent.body)
    assert body["type"] == "release.frozen"
    assert body["data"] == {"project": world.project.slug, "release": "1", "state": "frozen", "rows": 3}
    assert body["timestamp"] == release.frozen_at.isoformat()
    assert sent.headers["content-type"] == "application/json"
    delivery = WebhookDelivery.objects.get()
    assert (delivery.state, delivery.status, delivery.tries) == ("delivered", 204, 1)
    assert sent.headers["webhook-id"] == delivery.message_id


def test_ends_of_jobs_are_told_once_and_deliveries_are_no_events() -> None:
    world = make_world()
    with receiver() as there:
        hook(world, there)
        release, job = cut(world)  # nothing to release: the job fails
        assert release.state == "failed"
        waits = enqueue_job(
            kind="compute_agreement", key="test", project=world.project, actor=world.lead, now=NOW
        )
        cancel_job(job=waits, actor=world.lead, now=NOW)
        send_what_waits()
        send_what_waits()
    told = [json.loads(sent.body) for sent in there.sent]
    assert sorted(body["type"] for body in told) == ["job.cancelled", "job.failed", "release.failed"]
    (failed,) = [body["data"] for body in told if body["type"] == "job.failed"]
    assert failed["job"] == str(job.pk) and failed["kind"] == "cut_release"
    assert failed["detail"].startswith("There is nothing to release")


def test_only_what_was_chosen_and_only_of_the_own_project_is_told(world: World) -> None:
    with receiver() as there:
        hook(world, there, ("release.frozen",))
        announce(world.project, "release.failed", {}, NOW)
        announce(make_world().project, "release.frozen", {}, NOW)
        announce(None, "job.failed", {}, NOW)
        assert WebhookDelivery.objects.count() == 0
        announce(world.project, "release.frozen", {}, NOW)
        assert WebhookDelivery.objects.count() == 1


def test_a_failure_is_tried_again_under_the_same_id_and_later_each_time(world: World) -> None:
    with receiver(500, 500) as there:
        secret = hook(world, there, ("release.frozen",))
        announce(world.project, "release.frozen", {}, NOW)
        for seconds in WAIT_SECONDS[:2]:
            before = timezone.now()
            send_what_waits()
            job = Job.objects.get()
            assert job.run_after is not None and job.error is not None
            assert (job.state, job.error["detail"], job.traceback) == ("queued", "It answered 500.", "")
            assert job.run_after >= before + timedelta(seconds=seconds)
            assert WebhookDelivery.objects.get().state == "waiting"
        send_what_waits()
    assert len({sent.headers["webhook-id"] for sent in there.sent}) == 1 and len(there.sent) == 3
    assert all(is_signed(sent, secret) for sent in there.sent)
    delivery = WebhookDelivery.objects.get()
    assert (delivery.state, delivery.tries, delivery.detail) == ("delivered", 3, "")
    assert (Job.objects.get().state, Job.objects.get().error) == ("succeeded", None)


def test_what_nobody_takes_is_a_dead_letter_that_can_be_sent_again(world: World) -> None:
    with receiver(*[503] * 8) as there:
        hook(world, there, ("release.frozen",))
        announce(world.project, "release.frozen", {}, NOW)
        for _ in range(9):
            send_what_waits()
        job, delivery = Job.objects.get(), WebhookDelivery.objects.get()
        assert len(there.sent) == 8
        assert (job.state, job.is_dead_letter) == ("failed", True)
        assert (delivery.state, delivery.detail) == ("failed", "It answered 503.")
        send_again(delivery=delivery, actor=world.lead, now=NOW)
        send_what_waits()
    assert WebhookDelivery.objects.get().state == "delivered"
    assert Job.objects.get().state == "succeeded" and len(there.sent) == 9


def test_sending_again_does_not_wait_and_also_repeats_what_was_taken(world: World) -> None:
    with receiver(500) as there:
        hook(world, there, ("release.frozen",))
        announce(world.project, "release.frozen", {}, NOW)
        send_what_waits()
        delivery = WebhookDelivery.objects.get()
        send_again(delivery=delivery, actor=world.lead, now=NOW)
        run_claimed(str(Job.objects.get().pk), timezone.now())
        assert WebhookDelivery.objects.get().state == "delivered"
        send_again(delivery=delivery, actor=world.lead, now=NOW)
        send_what_waits()
    assert [sent.headers["webhook-id"] for sent in there.sent] == [delivery.message_id] * 3


def test_a_redirect_to_a_private_address_is_no_delivery(world: World) -> None:
    with receiver() as inside, receiver() as there:
        there.answers.append((307, {"Location": inside.url}))
        hook(world, there, ("release.frozen",))
        announce(world.project, "release.frozen", {}, NOW)
        send_what_waits()
        assert inside.sent == []
    assert WebhookDelivery.objects.get().detail == "It answered 307; redirects are not followed."


def test_a_name_that_leads_inside_is_not_sent_to_unless_that_is_opened(
    world: World, settings: Settings
) -> None:
    with receiver() as there:
        url = f"https://localhost:{there.port}/"
        add_webhook(project=world.project, actor=world.lead, url=url, events=["release.frozen"], now=NOW)
        hook(world, there, ("release.frozen",))
        settings.EGRESS_NETWORKS = []
        announce(world.project, "release.frozen", {}, NOW)
        send_what_waits()
        assert there.sent == []
        details = set(WebhookDelivery.objects.values_list("detail", flat=True))
        assert details == {
            "This address leads into a private network, to this machine or to a reserved place."
        }
        # The control: the guard off, the plain one is delivered.
        settings.EGRESS_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]
        send_what_waits()
        assert len(there.sent) == 1


@pytest.mark.parametrize(
    ("url", "events", "field"),
    [
        ("http://example.org/", ["release.frozen"], "url"),
        ("https://10.0.0.1/", ["release.frozen"], "url"),
        ("https://example.org/", [], "events"),
        ("https://example.org/", ["judgment.made"], "events"),
    ],
)
def test_what_cannot_be_told_is_refused(
    world: World, url: str, events: list[str], field: str, settings: Settings
) -> None:
    settings.EGRESS_NETWORKS = []
    with pytest.raises(Refused) as refusal:
        add_webhook(project=world.project, actor=world.lead, url=url, events=events, now=NOW)
    assert refusal.value.errors[0].field == field
    assert not Webhook.objects.exists()


def test_a_project_has_a_bounded_number_and_a_removed_one_is_told_nothing(world: World) -> None:
    with receiver() as there:
        for _ in range(WEBHOOKS_MAX):
            hook(world, there, ("release.frozen",))
        with pytest.raises(Refused, match="at most 10"):
            hook(world, there)
        announce(world.project, "release.frozen", {}, NOW)
        for webhook in Webhook.objects.all():
            remove_webhook(webhook=webhook, actor=world.lead, now=NOW)
            remove_webhook(webhook=webhook, actor=world.lead, now=NOW)
        send_what_waits()
        announce(world.project, "release.frozen", {}, NOW)
        assert there.sent == []
    assert (
        WebhookDelivery.objects.filter(state="failed").count()
        == WEBHOOKS_MAX
        == WebhookDelivery.objects.count()
    )
    assert AuditEvent.objects.filter(action="webhook.removed").count() == WEBHOOKS_MAX
    with pytest.raises(Refused, match="removed"):
        send_again(delivery=WebhookDelivery.objects.select_related("webhook")[0], actor=world.lead, now=NOW)


def test_another_secret_key_sends_nothing_with_a_wrong_signature(world: World, settings: Settings) -> None:
    with receiver() as there:
        hook(world, there, ("release.frozen",))
        announce(world.project, "release.frozen", {}, NOW)
        settings.SECRET_KEY = "k" * 60
        send_what_waits()
        assert there.sent == []
    assert "SECRET_KEY is another" in WebhookDelivery.objects.get().detail
    assert Job.objects.get().state == "failed"


def test_the_secret_is_shown_once_and_is_nowhere_else(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    browser = Client()
    browser.force_login(world.lead, backend="django.contrib.auth.backends.ModelBackend")
    page = reverse("webhooks", args=[world.project.slug])
    with receiver(500) as there:
        data: dict[str, Any] = {"url": there.url, "events": ["release.frozen", "job.failed"]}
        shown = browser.post(page, data).content.decode()
        secret = shown.split('tabindex="0">whsec_')[1].split("<")[0]
        assert len(base64.b64decode(secret)) == 32
        announce(world.project, "release.frozen", {}, NOW)
        send_what_waits()
        send_what_waits()
        assert is_signed(there.sent[0], f"whsec_{secret}")
        later = browser.get(page).content.decode()
        assert there.url.replace("&", "&amp;") in later and "release.frozen" in later
    jobs = browser.get(reverse("jobs", args=[world.project.slug])).content.decode()
    rows = [list(model.objects.values()) for model in (Webhook, WebhookDelivery, Job, AuditEvent)]
    raw = base64.b64decode(secret)
    for place in (later, jobs, caplog.text, repr(rows)):
        assert secret not in place and raw.hex() not in place and repr(raw) not in place
    added = AuditEvent.objects.get(action="webhook.added")
    assert added.data == {"host": "127.0.0.1", "events": ["release.frozen", "job.failed"]}


def test_the_page_refuses_sends_again_and_removes(world: World) -> None:
    browser = Client()
    browser.force_login(world.lead, backend="django.contrib.auth.backends.ModelBackend")
    page = reverse("webhooks", args=[world.project.slug])
    refused = browser.post(page, {"url": "https://192.168.0.1/", "events": ["release.frozen"]})
    assert refused.status_code == 422 and "leads into a private network" in refused.content.decode()
    with receiver(*[500] * 8) as there:
        hook(world, there, ("release.frozen",))
        announce(world.project, "release.frozen", {}, NOW)
        for _ in range(8):
            send_what_waits()
        assert "It answered 500." in browser.get(page).content.decode()
        delivery = WebhookDelivery.objects.get()
        browser.post(reverse("delivery_again", args=[world.project.slug, delivery.pk]))
        send_what_waits()
        assert len(there.sent) == 9
        browser.post(reverse("webhook_remove", args=[world.project.slug, delivery.webhook_id]))
        assert "Nobody is told of anything yet" in browser.get(page).content.decode()
    other = make_world()
    foreign = reverse("webhook_remove", args=[other.project.slug, delivery.webhook_id])
    browser.force_login(other.lead, backend="django.contrib.auth.backends.ModelBackend")
    assert browser.post(foreign).status_code == 404
