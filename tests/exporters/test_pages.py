"""The pages of the releases, as plain forms."""

from typing import Any

import pytest
from django.test import Client

from annotation.jobs import run_claimed
from annotation.models import Job, Membership
from exporters.models import Release
from tests.exporters.releases import contents, cut, judged_world
from tests.factories import NOW, World, make_world

pytestmark = pytest.mark.django_db(transaction=True)

FORM = {
    "version": "",
    "min_judgments": "1",
    "labels": "majority",
    "criterion": "overall",
    "ranking_pairs": "all",
    "ties": "drop",
    "train": "80",
    "validation": "0",
    "test": "20",
    "seed": "0",
    "clusters": "near",
    "formats": "preference",
}


@pytest.fixture
def world() -> World:
    return judged_world([[-2, 2, 1]])


@pytest.fixture
def browser(world: World) -> Client:
    return signed_in(world.member("engineer"))


def signed_in(member: Membership) -> Client:
    client = Client()
    client.force_login(member.user)
    return client


def address(world: World, rest: str = "") -> str:
    return f"/projects/{world.project.slug}/releases{rest}"


def text(response: Any) -> str:
    return str(response.content.decode())


def test_the_list_starts_empty_with_a_form(world: World, browser: Client) -> None:
    page = browser.get(address(world))
    assert page.status_code == 200
    assert "Nothing has been released yet" in text(page) and "Freeze a release" in text(page)


def test_a_form_cuts_a_release_and_its_page_follows_it(world: World, browser: Client) -> None:
    done = browser.post(
        address(world), FORM | {"version": "first", "train": "100", "test": "0", "batches": "1"}
    )
    assert done.status_code == 302 and done["Location"] == address(world, "/first")
    building = text(browser.get(address(world, "/first")))
    assert "Waiting for a worker" in building and "hx-get" in building
    run_claimed(str(Job.objects.get(kind="cut_release").pk), NOW)
    frozen = text(browser.get(address(world, "/first")))
    assert "hx-get" not in frozen and f"concord pull {world.project.slug}@first --format preference" in frozen
    release = Release.objects.get()
    for name, data in contents(release).items():
        path = address(world, f"/first/files/{name}")
        assert path in frozen
        assert b"".join(browser.get(path).streaming_content) == data  # type: ignore[attr-defined]
    listed = text(browser.get(address(world)))
    assert "first" in listed and "majority, ties dropped, train 100 %" in listed


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"train": "50"}, "The shares add up to 0.7; make them 1."),
        ({"version": "latest"}, "and is not &#x27;latest&#x27;"),
        ({"labels": "truth"}, "truth is not one of the available choices"),
        ({"batches": "7"}, "7 is not one of the available choices"),
        ({"seed": ""}, "Seed: This field is required"),
        ({"formats": []}, "Formats: This field is required"),
    ],
)
def test_a_form_that_does_not_fit_says_why_and_keeps_what_was_typed(
    world: World, browser: Client, changes: dict[str, Any], sentence: str
) -> None:
    page = browser.post(address(world), FORM | {"version": "typed"} | changes)
    assert page.status_code == 422 and sentence in text(page)
    assert not Release.objects.exists()
    assert f'value="{changes.get("version", "typed")}"' in text(page)


def test_a_failed_release_says_why() -> None:
    world = make_world()
    release, _ = cut(world)
    page = text(signed_in(world.member("engineer")).get(address(world, f"/{release.version}")))
    assert "There is nothing to release: no item passes the filters." in page


def test_a_file_that_was_erased_leads_to_its_successor(world: World, browser: Client) -> None:
    first, _ = cut(world)
    second, _ = cut(world)
    first.files.filter(name="README.md").update(erased_at=NOW, successor=second)
    gone = browser.get(address(world, "/1/files/README.md"))
    assert gone.status_code == 410 and address(world, "/2") in text(gone)
    assert browser.get(address(world, "/1")).status_code == 200


def test_text_of_people_in_the_card_is_shown_and_does_nothing(world: World, browser: Client) -> None:
    world.project.name = 'Hm "<script>alert(1)</script>"\n---\nx: y'
    world.project.description = "<img src=x onerror=alert(1)> **bold**"
    world.project.save()
    cut(world)
    page = text(browser.get(address(world, "/1")))
    assert "<script>alert" not in page and "<img src=x" not in page
    card = contents(Release.objects.get())["README.md"].decode()
    front = card.split("\n---\n")[0]
    assert front.count("\n---") == 0 and "configs:" in front


@pytest.mark.parametrize("role", ["annotator", "reviewer", "lead"])
def test_the_pages_are_for_engineers(world: World, role: str) -> None:
    cut(world)
    other = signed_in(world.member(role))
    stranger = signed_in(make_world().member("engineer"))
    for rest in ("", "/1", "/1/files/README.md"):
        assert other.get(address(world, rest)).status_code == 403, rest
        assert stranger.get(address(world, rest)).status_code == 404, rest
        assert Client().get(address(world, rest)).status_code == 302, rest
    assert other.post(address(world), FORM).status_code == 403


def test_who_still_judges_gets_no_file(world: World) -> None:
    cut(world)
    world.batch(items=1, overlap=1)
    both = world.member("annotator")
    both.user.memberships.create(
        project=world.project, role="engineer", pseudonym="p-both", created_at=world.now
    )
    refused = signed_in(both).get(address(world, "/1/files/README.md"))
    assert refused.status_code == 403 and "You judge in this project yourself" in text(refused)


def test_the_project_page_names_the_newest_release(world: World, browser: Client) -> None:
    assert "Nothing has been released yet" in text(browser.get(f"/projects/{world.project.slug}"))
    cut(world, version="spring")
    page = text(browser.get(f"/projects/{world.project.slug}"))
    assert "Release spring" in page and address(world, "/spring") in page


def test_a_format_that_would_be_refused_is_not_offered(client: Client) -> None:
    world = make_world()
    client.force_login(world.member("engineer").user)
    page = client.get(f"/projects/{world.project.slug}/releases").content.decode()
    assert 'value="preference"' in page
    assert 'value="stepwise"' not in page
