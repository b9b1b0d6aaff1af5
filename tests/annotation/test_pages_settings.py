"""Settings over HTTP: what is saved, what is refused, and what the pages make of it."""

import json
import re

import pytest
from django.test import Client
from django.utils import timezone

from annotation.errors import Refused
from annotation.models import User
from annotation.services.people import COMMANDS, set_preferences
from tests.annotation.browsing import signed_in
from tests.factories import make_world

pytestmark = pytest.mark.django_db
LETTERS = {f"key_{command}": command for command in COMMANDS}
AS_IS = {"theme": "auto", "motion": "auto", "has_single_keys": "on", "shows_pay": "on"} | LETTERS


@pytest.fixture
def user() -> User:
    world = make_world()
    world.now = timezone.now()
    world.batch(2)
    return world.member().user


@pytest.fixture
def client(user: User) -> Client:
    return signed_in(user)


def html(client: Client) -> str:
    found = re.search("<html[^>]*>", client.get("/").content.decode())
    assert found is not None
    return found[0]


def test_everything_is_saved_and_the_pages_say_so(user: User, client: Client) -> None:
    assert "data-" not in html(client)
    changed = {"theme": "dark", "motion": "reduced", "key_n": "w", "key_u": "n"}
    form = {name: value for name, value in AS_IS.items() if name not in ("has_single_keys", "shows_pay")}
    assert client.post("/settings", form | changed).status_code == 302
    user.refresh_from_db()
    assert (user.theme, user.motion, user.has_single_keys, user.hides_pay) == ("dark", "reduced", False, True)
    assert user.keymap == {"n": "w", "u": "n"}
    assert json.loads(user.pressed_keys) == {"w": "n", "n": "u", "u": ""}
    tag = html(client)
    for attribute in ('data-theme="dark"', 'data-motion="reduced"', 'data-keys="off"', "data-keymap="):
        assert attribute in tag


def test_saving_what_is_there_changes_nothing(user: User, client: Client) -> None:
    before = User.objects.filter(pk=user.pk).values().get()
    client.post("/settings", AS_IS)
    assert User.objects.filter(pk=user.pk).values().get() == before


def test_two_commands_on_one_letter_are_refused_and_nothing_is_saved(user: User, client: Client) -> None:
    response = client.post("/settings", AS_IS | {"theme": "dark", "key_n": "i"})
    text = response.content.decode()
    assert response.status_code == 422 and "are both on I" in text
    assert re.search(r'<select name="key_n"[^>]*>.*?<option value="i" selected>', text, re.DOTALL)
    user.refresh_from_db()
    assert (user.theme, user.keymap) == ("auto", {})


@pytest.mark.parametrize(
    "change", [{"key_n": "a"}, {"key_n": "é"}, {"key_n": ""}, {"theme": "pink"}, {"motion": "wild"}]
)
def test_what_is_no_choice_is_refused(change: dict[str, str], user: User, client: Client) -> None:
    before = User.objects.filter(pk=user.pk).values().get()
    assert client.post("/settings", AS_IS | change).status_code == 422
    assert User.objects.filter(pk=user.pk).values().get() == before


@pytest.mark.parametrize("keymap", [{"a": "w"}, {"n": "b"}, {"n": "ww"}, {"n": "i"}])
def test_the_service_takes_no_other_keymap(keymap: dict[str, str], user: User) -> None:
    with pytest.raises(Refused):
        set_preferences(user=user, keymap=keymap)


def test_two_commands_may_change_places(user: User) -> None:
    set_preferences(user=user, keymap={"n": "i", "i": "n"})
    assert json.loads(user.pressed_keys) == {"n": "i", "i": "n"}


def test_the_letters_go_back_with_one_press(user: User, client: Client) -> None:
    set_preferences(user=user, keymap={"n": "w"}, theme="dark")
    client.post("/settings", {"reset_keys": "1"})
    user.refresh_from_db()
    assert (user.keymap, user.theme) == ({}, "dark")


def test_two_tabs_do_not_undo_each_others_wishes(user: User) -> None:
    other = User.objects.get(pk=user.pk)
    set_preferences(user=user, theme="dark")
    set_preferences(user=other, hides_pay=True)
    user.refresh_from_db()
    assert (user.theme, user.hides_pay) == ("dark", True)


def test_tokens_have_a_page_of_their_own(user: User, client: Client) -> None:
    assert "/settings/tokens" in client.get("/settings").content.decode()
    form = {"name": "laptop", "scopes": ["read"], "expires": "90"}
    assert "Your new token" in client.post("/settings/tokens", form).content.decode()
    assert "laptop" in client.get("/settings/tokens").content.decode()
