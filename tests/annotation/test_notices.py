"""Mail about new work: who gets it, once, in their language; and a server that is away or refuses somebody."""

import socketserver
import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from annotation.jobs import run_claimed
from annotation.models import AuditEvent, Job, Membership, User
from annotation.services.notices import tell_annotators
from annotation.services.people import pause_annotator
from tests.annotation.browsing import signed_in
from tests.annotation.uploading import start, work_off
from tests.factories import NOW, World, make_world
from tests.instance import free_port

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(settings: Settings) -> World:
    settings.SENDS_MAIL, settings.SITE_URL = True, "https://judge.example"
    settings.DEFAULT_FROM_EMAIL = "concord@judge.example"
    return make_world()


def member(world: World, *, wants_mail: bool = True, **fields: object) -> Membership:
    found = world.member()
    User.objects.filter(pk=found.user_id).update(wants_mail=wants_mail, **fields)
    found.user.refresh_from_db()
    return found


def opened(world: World) -> Job:
    """Import a batch; the job of its mails, as it is queued."""
    work_off(str(start(world)[1].pk))
    return Job.objects.get(kind="tell_annotators")


def tell(world: World, *, hours: float = 0) -> int:
    """What the job does, so long after NOW."""
    batch = world.project.batches.latest("number")
    return tell_annotators(batch=batch, actor=world.lead, now=NOW + timedelta(hours=hours))


def told() -> list[str]:
    return sorted(address for message in mail.outbox for address in message.to)


def test_who_wants_to_know_and_has_nothing_to_do_is_told_once(world: World) -> None:
    waiting = member(world)
    member(world, wants_mail=False)
    member(world, told_at=NOW - timedelta(hours=19))
    member(world, is_active=False)
    pause_annotator(annotator=member(world), actor=world.lead, reason="", now=NOW)
    world.batch(1, overlap=1)
    world.lease(member(world), after=-3500)  # at work
    opened(world)
    assert (tell(world), tell(world)) == (1, 0)
    assert told() == [waiting.user.email]
    [message] = mail.outbox
    assert message.subject == f"There is work for you in {world.project.name}"
    assert message.from_email == "concord@judge.example"
    assert "https://judge.example/\n" in message.body and "https://judge.example/settings" in message.body
    assert AuditEvent.objects.get(action="batch.announced").data == {"mails": 1}


def test_what_opens_within_the_day_is_no_second_mail(world: World) -> None:
    waiting = member(world)
    opened(world)
    assert [tell(world, hours=hours) for hours in (0, 19, 20, 21)] == [1, 0, 1, 0]
    assert told() == [waiting.user.email] * 2


def test_where_nothing_is_left_for_somebody_they_are_not_called(world: World) -> None:
    reader = member(world)
    Membership.objects.filter(pk=reader.pk).update(languages=["fr"])
    opened(world)
    assert tell(world) == 0
    Membership.objects.filter(pk=reader.pk).update(languages=["fr", "en"])
    assert tell(world) == 1


def test_the_mail_speaks_the_persons_language(world: World) -> None:
    member(world, language="ar")
    run_claimed(str(opened(world).pk), NOW)
    assert mail.outbox[0].subject.startswith("هناك عمل لك في")


def test_an_instance_without_a_mail_server_queues_nothing_and_offers_nothing(
    world: World, settings: Settings
) -> None:
    settings.SENDS_MAIL = False
    person = member(world)
    work_off(str(start(world)[1].pk))
    assert not Job.objects.filter(kind="tell_annotators").exists()
    client = signed_in(person.user)
    assert "wants_mail" not in client.get("/settings").content.decode()
    assert "Write to me" not in client.get("/").content.decode()


def test_the_wish_is_said_on_the_home_page_and_in_the_settings(world: World) -> None:
    person = member(world, wants_mail=False)
    client: Client = signed_in(person.user)
    assert "Write to me when there is work again" in client.get("/").content.decode()
    client.post("/mail-wish", {"on": "1", "next": "/"})
    person.user.refresh_from_db()
    assert person.user.wants_mail
    assert f"We write to {person.user.email} when a batch opens." in client.get("/").content.decode()
    assert (
        'name="wants_mail" role="switch" id="id_wants_mail" checked'
        in client.get("/settings").content.decode()
    )
    client.post("/mail-wish", {"next": "/"})
    person.user.refresh_from_db()
    assert not person.user.wants_mail


# A server of its own


class Refusing(socketserver.StreamRequestHandler):
    """An SMTP server that refuses whoever is called nobody."""

    def handle(self) -> None:
        server = self.server
        assert isinstance(server, Mailbox)
        self.say("220 here")
        while line := self.rfile.readline().decode().strip():
            verb = line.split(":")[0].upper()
            if verb == "RCPT TO" and "nobody" in line:
                self.say("550 no such person")
            elif verb == "DATA" and server.takes <= len(server.received):
                return
            elif verb == "DATA":
                self.say("354 go on")
                lines = iter(self.rfile.readline, b".\r\n")
                server.received.append(b"".join(lines).decode())
                self.say("250 taken")
            elif verb == "QUIT":
                return self.say("221 bye")
            else:
                self.say("250 ok")

    def say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


class Mailbox(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Refusing)
        self.received: list[str] = []
        self.takes = 100
        """After so many it hangs up."""


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with Mailbox() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def by_smtp(settings: Settings, port: int) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_USE_TLS = "127.0.0.1", port, False


def test_an_address_that_is_refused_keeps_it_from_nobody_else(
    world: World, settings: Settings, mailbox: Mailbox
) -> None:
    by_smtp(settings, mailbox.server_address[1])
    member(world, email="nobody@example.org")
    other = member(world)
    job = opened(world)
    run_claimed(str(job.pk), NOW)
    job.refresh_from_db()
    assert (job.state, job.result) == ("succeeded", {"mails": 1})
    [message] = mailbox.received
    assert f"To: {other.user.email}\r\n" in message


def test_a_server_that_goes_away_in_the_middle_is_asked_for_the_rest(
    world: World, settings: Settings, mailbox: Mailbox
) -> None:
    by_smtp(settings, mailbox.server_address[1])
    people = [member(world) for _ in range(2)]
    job = opened(world)
    mailbox.takes = 1
    run_claimed(str(job.pk), NOW)
    job.refresh_from_db()
    assert (job.state, len(mailbox.received)) == ("queued", 1)
    assert AuditEvent.objects.get(action="batch.announced").data == {"mails": 1}
    mailbox.takes = 100
    run_claimed(str(job.pk), timezone.now() + timedelta(hours=1))
    job.refresh_from_db()
    assert (job.state, job.result) == ("succeeded", {"mails": 1})
    to = [line for message in mailbox.received for line in message.splitlines() if line.startswith("To: ")]
    assert sorted(to) == sorted(f"To: {person.user.email}" for person in people)


def test_where_nobody_waits_no_server_is_asked(world: World, settings: Settings) -> None:
    by_smtp(settings, free_port())
    member(world, wants_mail=False)
    member(world, told_at=timezone.now())
    job = opened(world)
    run_claimed(str(job.pk), NOW)
    job.refresh_from_db()
    assert (job.state, job.result) == ("succeeded", {"mails": 0})


def test_a_server_that_is_away_is_asked_again_later(
    world: World, settings: Settings, mailbox: Mailbox
) -> None:
    by_smtp(settings, free_port())
    person = member(world)
    job = opened(world)
    run_claimed(str(job.pk), NOW)
    job.refresh_from_db()
    person.user.refresh_from_db()
    assert (job.state, person.user.told_at) == ("queued", None)
    by_smtp(settings, mailbox.server_address[1])
    run_claimed(str(job.pk), timezone.now() + timedelta(hours=1))
    job.refresh_from_db()
    assert (job.state, len(mailbox.received)) == ("succeeded", 1)
