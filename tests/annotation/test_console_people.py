"""Members, settings and tokens in the console: what each form does, and what it refuses."""

import re
from typing import Any

import pytest
from django.test import Client

from annotation.authentication import TokenAuthentication
from annotation.models import ApiToken, User
from annotation.services.people import create_token
from tests.annotation.browsing import body, signed_in
from tests.factories import NOW, World, make_world

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    return make_world(description="Two answers each.")


@pytest.fixture
def lead(world: World) -> Client:
    return signed_in(world.lead)


def test_a_new_member_gets_a_password_that_is_shown_once(world: World, lead: Client) -> None:
    path = f"/projects/{world.project.slug}/members"
    page = body(lead.post(path, {"email": "New@example.org", "role": "annotator"}))
    password = re.search(r'<code class="secret" tabindex="0">([^<]+)</code>', page)
    assert password is not None
    assert User.objects.get(email="new@example.org").check_password(password[1])
    assert password[1] not in body(lead.get(path))
    known = body(lead.post(path, {"email": "new@example.org", "role": "reviewer"}))
    assert "They have an account already" in known
    assert "secret" not in known


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"email": "no address", "role": "annotator"}, "valid email address"),
        ({"email": "", "role": "annotator"}, "This field is required."),
        ({"email": "x@example.org", "role": "owner"}, "not one of the available choices"),
    ],
)
def test_a_member_that_does_not_fit_is_refused(
    world: World, lead: Client, fields: dict[str, str], sentence: str
) -> None:
    response = lead.post(f"/projects/{world.project.slug}/members", fields)
    assert response.status_code == 422
    assert sentence in body(response)
    assert world.project.memberships.count() == 1


def test_a_role_that_somebody_has_already_is_refused(world: World, lead: Client) -> None:
    response = lead.post(
        f"/projects/{world.project.slug}/members", {"email": world.lead.email, "role": "lead"}
    )
    assert response.status_code == 422
    assert "is lead here already" in body(response)


def test_a_token_is_shown_once_works_and_can_be_revoked(world: World, lead: Client, rf: Any) -> None:
    fields = {"name": "laptop", "scopes": ["read", "manage"], "project": world.project.slug, "expires": "30"}
    page = body(lead.post("/settings/tokens", fields))
    found = re.search(r"ccd_[\w-]{40,}", page)
    assert found is not None
    request = rf.get("/", headers={"Authorization": f"Bearer {found[0]}"})
    authenticated = TokenAuthentication().authenticate(request)
    assert authenticated is not None
    token = ApiToken.objects.get()
    assert (token.scopes, token.is_limited_to_projects) == (["manage", "read"], True)
    assert token.expires_at is not None
    assert found[0] not in body(lead.get("/settings/tokens"))
    stranger = signed_in(make_world().lead)
    assert stranger.post(f"/settings/tokens/{token.pk}/revoke").status_code == 404
    assert "is revoked" in body(lead.post(f"/settings/tokens/{token.pk}/revoke", follow=True))
    token.refresh_from_db()
    assert token.revoked_at is not None


@pytest.mark.parametrize(
    "changes",
    [
        {"name": ""},
        {"name": "x" * 81},
        {"scopes": []},
        {"scopes": ["root"]},
        {"project": "of-others"},
        {"expires": "7"},
    ],
)
def test_a_token_that_does_not_fit_is_refused(lead: Client, changes: dict[str, Any]) -> None:
    make_world()
    fields = {"name": "laptop", "scopes": ["read"], "project": "", "expires": ""} | changes
    response = lead.post("/settings/tokens", fields)
    assert response.status_code == 422
    assert "No token was made." in body(response)
    assert not ApiToken.objects.exists()


def test_settings_show_only_own_tokens(world: World, lead: Client) -> None:
    create_token(user=make_world().lead, now=NOW, name="somebody else's")
    create_token(user=world.lead, now=NOW, name="mine")
    page = body(lead.get("/settings/tokens"))
    assert "mine" in page
    assert "somebody else" not in page


def test_theme_and_shortcuts_are_saved_from_the_settings(world: World, lead: Client) -> None:
    assert lead.post("/theme", {"theme": "dark", "next": "/settings"}).headers["Location"] == "/settings"
    lead.post("/single-keys", {"next": "/settings"})
    world.lead.refresh_from_db()
    assert (world.lead.theme, world.lead.has_single_keys) == ("dark", False)
    assert 'data-theme="dark"' in body(lead.get("/settings"))
