"""Guide and consent over HTTP: what is new is looked at before the next item, and the version read is written down."""

import pytest
from django.test import Client
from django.utils import timezone

from annotation.errors import Refused
from annotation.models import Assignment, AuditEvent, Consent, GuideReading, Judgment, Membership
from annotation.services.people import give_consent
from annotation.services.projects import publish_consent_text, publish_guideline
from annotation.services.reading import confirm_guide
from tests.annotation.browsing import signed_in
from tests.factories import World, make_world

pytestmark = pytest.mark.django_db
OLD = "Read both to the end.\n\nA longer answer is not a better one.\n"
NEW = "Read both to the very end.\n\nA longer answer is not a better one.\n"


@pytest.fixture
def world() -> World:
    world = make_world(guideline=OLD)
    world.now = timezone.now()
    world.batch(3)
    return world


@pytest.fixture
def annotator(world: World) -> Membership:
    return world.member()


@pytest.fixture
def client(annotator: Membership) -> Client:
    return signed_in(annotator.user)


def address(world: World) -> str:
    return f"/projects/{world.project.slug}/guide"


def renew(world: World, text: str = NEW) -> None:
    publish_guideline(project=world.project, actor=world.lead, text=text, now=world.now)


def lease(client: Client, world: World) -> str:
    return str(client.post(f"/projects/{world.project.slug}/lease")["Location"])


def test_somebody_new_reads_nothing_twice(world: World, client: Client) -> None:
    renew(world)
    assert lease(client, world).startswith("/assignments/")
    assert "New since version" not in client.get(address(world)).content.decode()


def test_a_new_version_comes_before_the_next_item(
    world: World, annotator: Membership, client: Client
) -> None:
    held = lease(client, world)
    renew(world)
    assert lease(client, world) == address(world)
    assert client.get(f"/projects/{world.project.slug}/task")["Location"] == address(world)
    assert client.get(held, follow=True).redirect_chain[-1][0] == address(world)
    text = client.get(address(world)).content.decode()
    assert "New since version 1" in text and "put in: </span>very" in text
    assert "changed since you read it" in client.get("/").content.decode()
    response = client.post(address(world), {"guideline": "2"})
    assert response["Location"] == held
    assert (GuideReading.objects.get().annotator, GuideReading.objects.get().guideline.number) == (
        annotator,
        2,
    )
    assert AuditEvent.objects.filter(action="guide.read", actor=annotator.user).count() == 1
    assert client.get(held).status_code == 200
    assert "New since version" not in client.get(address(world)).content.decode()


def test_an_answer_on_the_screen_is_taken_though_the_guide_changed(world: World, client: Client) -> None:
    url = lease(client, world)
    page = client.get(url).content.decode()
    renew(world)
    form = {
        name: page.split(f'name="{name}" value="', 1)[1].split('"', 1)[0]
        for name in ("submission_id", "attempt")
    }
    response = client.post(f"{url}/judgments", form | {"q-overall": "-2"})
    assert response["Location"] == address(world)
    assert Judgment.objects.get().state == "accepted"


def test_the_version_that_was_on_the_page_is_confirmed_and_no_newer_one(
    world: World, annotator: Membership, client: Client
) -> None:
    lease(client, world)
    renew(world)
    client.get(address(world))
    renew(world, NEW + "\nOne more.\n")
    assert client.post(address(world), {"guideline": "2"})["Location"] == address(world)
    text = client.get(address(world)).content.decode()
    assert "New since version 2" in text and "One more." in text and "put in: </span>very" not in text


@pytest.mark.parametrize("number", ["", "9", "x", "-1", "²", "1" * 40])
def test_a_version_that_is_none_confirms_nothing(number: str, world: World, client: Client) -> None:
    assert client.post(address(world), {"guideline": number})["Location"] == address(world)
    assert not GuideReading.objects.exists() and not Assignment.objects.filter(state="leased").exists()


def test_confirming_twice_is_once_and_another_projects_guide_is_refused(
    world: World, annotator: Membership
) -> None:
    guide = world.project.guidelines.get()
    for _ in range(2):
        confirm_guide(annotator=annotator, guideline=guide, now=world.now)
    assert GuideReading.objects.count() == 1
    with pytest.raises(Refused):
        confirm_guide(annotator=annotator, guideline=make_world().project.guidelines.get(), now=world.now)


def test_a_new_consent_text_is_shown_with_what_changed(
    world: World, annotator: Membership, client: Client
) -> None:
    texts = ("You read insults.\n", "You read insults and threats.\n")
    publish_consent_text(project=world.project, actor=world.lead, text=texts[0], now=world.now)
    assert "Before you start" in client.get(address(world)).content.decode()
    give_consent(annotator=annotator, now=world.now)
    publish_consent_text(project=world.project, actor=world.lead, text=texts[1], now=world.now)
    text = client.get(address(world)).content.decode()
    assert "Please agree again" in text and "put in: </span> and threats" in text
    assert client.post(address(world), {"guideline": "1", "consent": "1"})["Location"] == address(world)
    assert Consent.objects.count() == 1
    response = client.post(address(world), {"guideline": "1", "consent": "2"})
    assert response["Location"].startswith("/assignments/")
    assert Consent.objects.count() == 2


def test_what_a_guide_says_is_never_mark_up_in_the_comparison(world: World, client: Client) -> None:
    lease(client, world)
    renew(world, OLD + "\n<script>alert(1)</script>\n")
    text = client.get(address(world)).content.decode()
    assert "<script>alert" not in text and "&lt;script&gt;alert" in text
