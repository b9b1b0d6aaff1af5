"""The interface in Arabic: who gets it, what stays English, and that no sentence of a page is left untranslated."""

import gettext
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation
from django.utils.translation import ngettext

from annotation.models import User
from annotation.services.people import COMMANDS
from annotation.views.said import SENTENCES, said
from tests.annotation.browsing import signed_in
from tests.factories import World, make_world

ROOT = Path(__file__).resolve().parents[2]
CATALOGUE = ROOT / "locale" / "ar" / "LC_MESSAGES" / "django.po"
AS_IS = {"theme": "auto", "motion": "auto", "has_single_keys": "on", "shows_pay": "on"}
LETTERS = {f"key_{command}": command for command in COMMANDS}
PLACES = re.compile(r"%\(\w+\)s|\{\d\}|<[^>]*>")


# The catalogue


def unquoted(lines: str) -> str:
    quoted = re.findall(r'"((?:[^"\\]|\\.)*)"', lines)
    return re.sub(r"\\(.)", lambda found: {"n": "\n"}.get(found[1], found[1]), "".join(quoted))


def messages(catalogue: Path) -> Iterator[tuple[str, str, str, list[str]]]:
    """(context, msgid, its plural or "", translations) of every message; the header is left out."""
    for block in catalogue.read_text().split("\n\n")[1:]:
        parts = dict(re.findall(r'^(msg\S+) ((?:"(?:[^"\\]|\\.)*"\n?)+)', block, re.MULTILINE))
        words = {name: unquoted(lines) for name, lines in parts.items()}
        said_as = [text for name, text in words.items() if name.startswith("msgstr")]
        yield words.get("msgctxt", ""), words["msgid"], words.get("msgid_plural", ""), said_as


def test_every_message_has_every_form_in_arabic() -> None:
    found = list(messages(CATALOGUE))
    assert len(found) > 400
    assert "fuzzy" not in CATALOGUE.read_text() and "#~" not in CATALOGUE.read_text()
    for _, one, many, forms in found:
        assert len(forms) == (6 if many else 1), one
        assert all(forms), one


def test_translations_fill_the_same_places_with_the_same_markup() -> None:
    for _, one, many, forms in messages(CATALOGUE):
        wanted = sorted(PLACES.findall(many or one))
        for form in forms:
            # "One item" says its number itself, as the first three forms do.
            free = ["%(n)s", "{0}"] if many else []
            places = sorted(PLACES.findall(form))
            assert places == wanted or places == [each for each in wanted if each not in free], form


def test_the_compiled_catalogue_is_that_of_the_text() -> None:
    """No tool is needed to run Concord, so the compiled one is kept; `make messages` makes it."""
    with CATALOGUE.with_suffix(".mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]  # all messages at once
    expected = {}
    for context, one, many, forms in messages(CATALOGUE):
        key = f"{context}\x04{one}" if context else one
        expected |= {(key, at): form for at, form in enumerate(forms)} if many else {key: forms[0]}
    assert {key: text for key, text in compiled.items() if key != ""} == expected


@pytest.mark.gettext
def test_make_messages_finds_nothing_new(tmp_path: Path) -> None:
    for folder in ("annotation", "comparisons", "exporters", "rewards", "templates", "locale"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("Makefile", "manage.py"):
        shutil.copy(ROOT / file, tmp_path)
    make = ["make", "-o", ".venv/.dev", "messages", f"BIN={ROOT / '.venv' / 'bin'}"]
    made = subprocess.run(make, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert made.returncode == 0, made.stderr
    undated = re.compile(r'^"POT-Creation-Date.*\n', re.MULTILINE)
    collected = tmp_path / CATALOGUE.relative_to(ROOT)
    assert undated.sub("", collected.read_text()) == undated.sub("", CATALOGUE.read_text())


@pytest.mark.parametrize(
    ("number", "form"),
    [(0, "لا أدوار"), (1, "واحد"), (2, "دوران"), (3, "3 أدوار"), (11, "11 دورًا"), (100, "100 دور")],
)
def test_arabic_counts_in_six_ways(number: int, form: str) -> None:
    """The categories zero, one, two, few, many and other of CLDR, with CLDR's own examples."""
    with translation.override("ar"):
        text = ngettext("%(n)s earlier turn", "%(n)s earlier turns", number) % {"n": number}
    assert form in text


@pytest.mark.parametrize(
    ("english", "arabic"),
    [
        ("Please answer Overall.", "يُرجى الإجابة عن: \u2068إجمالًا\u2069."),
        ("Please place at least 2, the best first.", "يُرجى ترتيب 2 على الأقل، الأفضل أولًا."),
        ("An answer in training is final.", "الإجابة في التدريب نهائية."),
        ("Nobody has translated this.", "Nobody has translated this."),
    ],
)
def test_sentences_of_services_are_said_in_the_readers_language(english: str, arabic: str) -> None:
    assert said(english) == english
    with translation.override("ar"):
        assert said(english) == arabic


def test_each_shape_of_a_sentence_takes_its_own() -> None:
    with translation.override("ar"):
        for sentence in SENTENCES:
            filled = re.sub(r"%\(\w+\)s", "7", sentence)
            assert said(filled) == translation.gettext(sentence) % dict.fromkeys(
                re.findall(r"%\((\w+)\)s", sentence), "7"
            )


# Who gets it


@pytest.fixture
def world(db: None) -> World:
    world = make_world()
    world.now = timezone.now()
    world.batch(3)
    return world


def speaks_arabic(user: User) -> Client:
    user.language = User.Language.ARABIC
    user.save(update_fields=["language"])
    return signed_in(user)


def html(client: Client, path: str, **options: object) -> str:
    found = re.search("<html[^>]*>", client.get(path, **options).content.decode())  # type: ignore[arg-type]
    assert found is not None
    return found[0]


def test_the_choice_of_the_settings_page_holds_at_once_and_on_every_page(world: World) -> None:
    user = world.member().user
    client = signed_in(user)
    assert html(client, "/settings") == '<html lang="en" dir="ltr">'
    reply = client.post("/settings", AS_IS | LETTERS | {"language": "ar"}, follow=True)
    assert '<html lang="ar" dir="rtl">' in reply.content.decode() and "تم الحفظ." in reply.content.decode()
    user.refresh_from_db()
    assert user.language == "ar"
    # On another device as well, which has no cookie.
    assert html(signed_in(user), "/") == '<html lang="ar" dir="rtl">'
    # A form without the choice (an old tab) leaves it; back to English works as well.
    client.post("/settings", AS_IS | LETTERS)
    assert html(client, "/") == '<html lang="ar" dir="rtl">'
    client.post("/settings", AS_IS | LETTERS | {"language": "en"})
    assert html(client, "/") == '<html lang="en">'


def test_a_language_without_a_translation_is_refused(world: World) -> None:
    user = world.member().user
    reply = signed_in(user).post("/settings", AS_IS | LETTERS | {"language": "fr"})
    user.refresh_from_db()
    assert (reply.status_code, user.language) == (422, "en")


@pytest.mark.django_db
def test_strangers_get_the_language_of_cookie_or_browser() -> None:
    client = Client()
    assert html(client, "/login") == '<html lang="en">'
    assert html(client, "/login", headers={"Accept-Language": "fr, ar;q=0.5"}) == '<html lang="ar" dir="rtl">'
    assert html(client, "/login", headers={"Accept-Language": "fr, de"}) == '<html lang="en">'
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = "ar"
    assert html(client, "/login", headers={"Accept-Language": "en"}) == '<html lang="ar" dir="rtl">'
    reply = client.get("/login")
    assert reply["Content-Language"] == "ar" and "Accept-Language" in reply["Vary"]


def test_signing_in_takes_the_language_of_the_account_and_the_device_keeps_it(world: World) -> None:
    user = world.member().user
    user.language = User.Language.ARABIC
    user.set_password("correct horse battery")
    user.save()
    client = Client()
    client.post("/login", {"username": user.email, "password": "correct horse battery"})
    assert html(client, "/") == '<html lang="ar" dir="rtl">'
    client.post("/logout")
    assert html(client, "/login") == '<html lang="ar" dir="rtl">'


def test_the_api_and_health_checks_speak_english_and_look_nobody_up(world: World) -> None:
    annotator = world.member()
    client = speaks_arabic(annotator.user)
    token = world.token(annotator.user)
    world.lease(annotator)
    for _ in range(2):  # before and after a page on this thread
        reply = client.post(
            f"/api/v1/projects/{world.project.slug}/lease",
            {"nonsense": 1},
            content_type="application/json",
            headers={"Authorization": f"Bearer {token}", "Accept-Language": "ar"},
        )
        assert reply.status_code in (400, 422) and not re.search("[؀-ۿ]", reply.content.decode())
        assert "Content-Language" not in reply and translation.get_language() == "en"
        client.get("/")
    with CaptureQueriesContext(
        connection,
    ) as queries:
        client.get("/healthz")
    assert len(queries) == 0


def test_the_language_of_a_person_costs_no_query(world: World) -> None:
    annotator = world.member()
    counts = []
    for language in ("en", "ar"):
        annotator.user.language = language
        annotator.user.save(update_fields=["language"])
        client = signed_in(annotator.user)
        client.get("/")
        with CaptureQueriesContext(connection) as queries:
            client.get("/")
        counts.append(sum("annotation_user" in query["sql"] and "WHERE" in query["sql"] for query in queries))
        counts.append(len(queries))
    assert counts[:2] == counts[2:]


def test_the_console_is_english_throughout_for_who_reads_arabic(world: World) -> None:
    client = speaks_arabic(world.lead)
    for path in ("projects", f"projects/{world.project.slug}", f"projects/{world.project.slug}/members"):
        text = client.get(f"/{path}").content.decode()
        assert '<html lang="en" dir="ltr">' in text and "css/rtl.css" not in text
        assert not re.search("[؀-ۿ]", text), path
    assert html(client, "/settings") == '<html lang="ar" dir="rtl">'
