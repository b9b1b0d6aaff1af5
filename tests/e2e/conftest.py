"""A real browser against a real server over a real PostgreSQL.

`open_page` gives a page for a signed-in person. Whatever the browser blocks or complains of fails the test:
the CSP report endpoint has to stay silent, and so has the console.
"""

import os
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings
from django.core.signals import request_finished, request_started
from django.db import connections
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright
from pytest_django.live_server_helper import LiveServer

if TYPE_CHECKING:
    # This file is read before the settings are there, so nothing of Django's models at run time.
    from annotation.models import User

# Playwright runs an event loop in this thread; the ORM calls of a test are made between its turns.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WIDE = (1440, 900)
PHONE = (390, 844)

OpenPage = Callable[..., Page]


SAMPLED = {
    *("test_hostile", "test_language"),
    *("test_acceptance_zoom", "test_acceptance_hues", "test_acceptance_spoken"),
}
SAMPLE = {"pairwise", "light"}
"""In these files every run takes one of the five kinds, and one theme; `make looks` takes them all."""
LONG = {"test_texts_that_are_costly"}
"""For `make looks` alone."""


def given(params: Mapping[str, Any]) -> set[str]:
    """The kind and the theme that a test is given, where it is given no size (for that see `more_than_one_look`)."""
    named = {"kind", "theme"} if "size" not in params else {"kind"}
    return {str(value) for name, value in params.items() if name in named}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if os.environ.get("CONCORD_SHOTS"):
        passed_over = [item for item in items if look_of(item) is None]
    elif os.environ.get("CONCORD_LOOKS") == "all":
        return
    else:
        passed_over = [item for item in items if is_sampled_out(item)]
        passed_over += more_than_one_look([item for item in items if item not in passed_over])
    config.hook.pytest_deselected(items=passed_over)
    items[:] = [item for item in items if item not in passed_over]


def look_of(item: pytest.Item) -> str | None:
    """Size and theme of a test that looks at pages."""
    callspec = getattr(item, "callspec", None)
    size, theme = (callspec.params.get(name) if callspec else None for name in ("size", "theme"))
    return f"{size} {theme}" if size and theme else None


def is_sampled_out(item: pytest.Item) -> bool:
    callspec = getattr(item, "callspec", None)
    is_outside = item.path.stem in SAMPLED and callspec and not SAMPLE.issuperset(given(callspec.params))
    return item.name in LONG or bool(is_outside)


def more_than_one_look(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Of the ways in which a test looks at its pages a run takes one, drawn from its name, so that over all tests
    every size and theme has its turn. `make looks` takes them all."""
    looks: dict[str, dict[str, pytest.Item]] = {}
    for item in items:
        look = look_of(item)
        if look is not None:
            params = getattr(item, "callspec").params  # noqa: B009  (only a parametrised test has one)
            others = sorted(str(value) for name, value in params.items() if name not in ("size", "theme"))
            looks.setdefault(f"{item.path.stem} {getattr(item, 'originalname', '')} {others}", {})[look] = (
                item
            )
    return [
        item
        for name, ways in looks.items()
        for look, item in ways.items()
        if look != sorted(ways)[zlib.crc32(name.encode()) % len(ways)]
    ]


WAIT_MS = 15_000
"""What a test waits for takes a moment; on a busy machine the moment is longer. No test measures time by it."""


@pytest.fixture(scope="session")
def browser(chromium_path: Path) -> Iterator[Browser]:
    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(chromium_path), args=ARGUMENTS)
        yield chromium
        chromium.close()
        # Django keeps a connection for each context (contextvars), and Playwright's ends here: nobody could reach this
        # one any more, while its database is to be dropped.
        connections.close_all()


@pytest.fixture
def live_server(live_server: LiveServer) -> Iterator[LiveServer]:
    """At its end the server has answered everything: a page asks by itself, and the database goes before the server."""
    under_way: set[int] = set()

    def begins(**_: Any) -> None:
        under_way.add(threading.get_ident())

    def ends(**_: Any) -> None:
        under_way.discard(threading.get_ident())

    request_started.connect(begins)
    request_finished.connect(ends)
    yield live_server
    deadline = time.monotonic() + 20
    while under_way and time.monotonic() < deadline:
        time.sleep(0.02)
    request_started.disconnect(begins)
    request_finished.disconnect(ends)


@pytest.fixture
def complaints() -> list[str]:
    """What browser consoles said; a test may clear what it provoked on purpose."""
    return []


@pytest.fixture
def open_page(
    browser: Browser, live_server: LiveServer, complaints: list[str], caplog: pytest.LogCaptureFixture
) -> Iterator[OpenPage]:
    """open_page(user=None, size=WIDE, theme="light", scripted=True) → a page of its own browser context."""
    contexts: list[BrowserContext] = []

    def listen(message: ConsoleMessage) -> None:
        # Of a busy machine: Chromium minds a font that is not drawn within seconds after the page has loaded.
        if message.type in ("error", "warning") and "preloaded using link preload" not in message.text:
            complaints.append(message.text)

    def open_page(
        user: "User | None" = None,
        *,
        size: tuple[int, int] = WIDE,
        theme: str = "light",
        scripted: bool = True,
        **options: Any,
    ) -> Page:
        context = browser.new_context(
            base_url=live_server.url,
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if theme == "dark" else "light",
            reduced_motion="reduce",
            java_script_enabled=scripted,
            **options,
        )
        context.set_default_timeout(WAIT_MS)
        contexts.append(context)
        if user is not None:
            sign_in(context, user, live_server.url)
        page = context.new_page()
        page.on("console", listen)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
    assert [record for record in caplog.records if "csp_violation" in record.getMessage()] == []


def sign_in(context: BrowserContext, user: "User", url: str) -> None:
    """Give the context a session of `user`, as the sign-in page would."""
    from django.test import Client

    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    value = client.cookies[settings.SESSION_COOKIE_NAME].value
    context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": value, "url": url}])
