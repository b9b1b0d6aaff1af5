"""A real browser against a real server over a real PostgreSQL.

`open_page` gives a page for a signed-in person. Whatever the browser blocks or complains of fails the test:
the CSP report endpoint has to stay silent, and so has the console.
"""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright
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


@pytest.fixture(scope="session")
def browser(chromium_path: Path) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(chromium_path), args=ARGUMENTS)
        yield chromium
        chromium.close()


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
    under_way: set[Request] = set()

    def listen(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
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
        context.set_default_timeout(10_000)
        contexts.append(context)
        if user is not None:
            sign_in(context, user, live_server.url)
        page = context.new_page()
        page.on("console", listen)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: under_way.add(request))
        page.on("requestfinished", lambda request: under_way.discard(request))
        page.on("requestfailed", lambda request: under_way.discard(request))
        return page

    yield open_page
    # The judging page asks for its next item by itself, and the database goes before the server does.
    deadline = time.monotonic() + 3
    while under_way and time.monotonic() < deadline and contexts[0].pages:
        contexts[0].pages[0].wait_for_timeout(20)
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
