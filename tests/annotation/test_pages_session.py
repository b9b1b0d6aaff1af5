"""Signing in and out, the wishes that pages keep, the home page, and what the pages weigh."""

import re
from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone

from annotation.models import Membership, User
from tests.annotation.browsing import signed_in
from tests.annotation.weights import collected, gzipped, loaded  # noqa: F401  (a fixture)
from tests.factories import World, make_world

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    world = make_world()
    world.now = timezone.now()
    world.batch(3)
    return world


@pytest.fixture
def annotator(world: World) -> Membership:
    return world.member()


@pytest.fixture
def client(annotator: Membership) -> Client:
    return signed_in(annotator.user)


# Signing in


def test_signing_in_goes_on_to_the_page_asked_for_and_never_elsewhere(annotator: Membership) -> None:
    annotator.user.set_password("correct horse battery")
    annotator.user.save()
    form = {"username": annotator.user.email.upper(), "password": "correct horse battery"}
    for wanted, reached in (
        ("/projects/x/guide", "/projects/x/guide"),
        ("https://evil.example/", "/"),
        ("//evil.example", "/"),
    ):
        response = Client().post("/login", form | {"next": wanted})
        assert (response.status_code, response["Location"]) == (302, reached)


def test_one_message_for_a_wrong_name_and_a_wrong_password(annotator: Membership) -> None:
    texts = []
    for email in (annotator.user.email, "nobody@example.org"):
        response = Client().post("/login", {"username": email, "password": "nearly-right"})
        assert response.status_code == 422
        assert "nearly-right" not in response.content.decode()
        assert f'value="{email}"' in response.content.decode()
        texts.append(re.search(r'role="alert".*?</div>', response.content.decode(), re.S).group(0))  # type: ignore[union-attr]
    assert texts[0] == texts[1] and "do not match" in texts[0]


def test_ten_wrong_passwords_lock_the_name_and_say_until_when(annotator: Membership) -> None:
    client = Client()
    for attempt in range(10):
        email = annotator.user.email.upper() if attempt % 2 else annotator.user.email
        response = client.post("/login", {"username": email, "password": f"wrong {attempt}"})
    assert response.status_code == 429
    assert "Wait 15 minutes" in response.content.decode() and response["Retry-After"] == "900"


def test_signing_out_takes_a_post(client: Client) -> None:
    assert client.get("/logout").status_code == 405
    assert client.post("/logout")["Location"] == "/login"
    assert client.get("/").status_code == 302


def test_the_theme_of_a_stranger_is_a_cookie_and_a_bad_one_is_refused() -> None:
    client = Client()
    client.post("/theme", {"theme": "dark", "next": "/login"})
    assert '<html lang="en" data-theme="dark">' in client.get("/login").content.decode()
    assert client.post("/theme", {"theme": '"><script>'}).status_code == 422
    client.cookies["theme"] = '"><script>'
    assert '<html lang="en">' in client.get("/login").content.decode()


def test_csp_reports_are_logged_and_limited(caplog: pytest.LogCaptureFixture) -> None:
    client = Client()
    report = b'{"csp-report": {"violated-directive": "script-src"}}'
    assert client.post("/csp-report", report, content_type="application/csp-report").status_code == 204
    assert "csp_violation" in caplog.text and "script-src" in caplog.text
    assert client.post("/csp-report", b"{", content_type="application/json").status_code == 400
    assert client.post("/csp-report", b"[" * 10_000, content_type="application/json").status_code == 400
    assert client.post("/csp-report", b" " * 20_000, content_type="application/json").status_code == 413


# Weight


@pytest.mark.parametrize("kind", ["pairwise", "ranking", "rating", "demonstration", "critique"])
def test_scripts_and_styles_of_a_task_stay_within_their_budget(kind: str, collected: Path) -> None:  # noqa: F811
    """12 kB of scripts and 14 kB of styles, of those that the page needs before it can be used."""
    protocol = {"kind": kind} | (
        {} if kind == "demonstration" else {"criteria": [{"key": "brief", "name": "Brief"}]}
    )
    world = make_world(protocol)
    world.now = timezone.now()
    world.batch(2, completions={"demonstration": 0, "critique": 1}.get(kind, 2))
    client = signed_in(world.member().user)
    page = client.post(f"/projects/{world.project.slug}/lease", follow=True).content.decode()
    scripts, styles = loaded(page, "js", collected), loaded(page, "css", collected)
    own = {"demonstration": "text", "critique": "text", "pairwise": "pair"}.get(kind, kind)
    assert {file.name.split(".")[0] for file in scripts} >= {"theme", "keys", "task", "page", own}
    assert {file.name.split(".")[0] for file in styles} >= {"tokens", "base", "components", "task"}
    print(f"{kind}: scripts {gzipped(scripts)} bytes, styles {gzipped(styles)} bytes")
    assert gzipped(scripts) <= 12_000
    assert gzipped(styles) <= 14_000


# Home


def test_home_keeps_the_way_to_a_project_in_which_a_lead_judges_no_more(world: World) -> None:
    Membership.objects.create(
        project=world.project,
        user=world.lead,
        role="annotator",
        pseudonym="p-former",
        is_active=False,
        created_at=world.now,
    )
    text = signed_in(world.lead).get("/").content.decode()
    assert f'href="/projects/{world.project.slug}"' in text


def test_home_shows_each_person_what_is_theirs(world: World, annotator: Membership, client: Client) -> None:
    text = client.get("/").content.decode()
    assert world.project.name in text and "Start" in text and "Pairwise, 7 points" in text
    lead = signed_in(world.lead).get("/").content.decode()
    assert f'href="/projects/{world.project.slug}"' in lead and "Start" not in lead
    nobody = User.objects.create_user("idle@example.org", "correct horse battery")
    assert "No work right now." in signed_in(nobody).get("/").content.decode()
