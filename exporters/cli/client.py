"""The server as the command sees it: one call for each path of the API, errors as sentences."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from types import TracebackType
from typing import Any, BinaryIO, Self

import httpx

from exporters.cli.account import Account
from exporters.cli.errors import CommandError

TIMEOUT = httpx.Timeout(30, read=120)
POLL_SECONDS = 0.2
POLL_SECONDS_MAX = 2.0
TRIES = 5
"""For calls that may safely be made again when the connection breaks."""


class Client:
    """Speaks to one server with one token. Use it as a context manager."""

    def __init__(self, account: Account) -> None:
        self.url = account.url
        # No redirects: they would carry the token to wherever the answer points.
        self.http = httpx.Client(
            base_url=f"{account.url}/api/v1/",
            headers={"Authorization": f"Bearer {account.token}", "User-Agent": "concord"},
            timeout=TIMEOUT,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.http.close()

    def get(self, path: str) -> dict[str, Any]:
        return body_of(self.send(lambda: self.http.get(path)))

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The same key goes with every try, so a call whose answer was lost takes effect once."""
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        return body_of(self.send(lambda: self.http.post(path, json=body, headers=headers)))

    def upload(self, path: str, fields: dict[str, str], name: str, file: BinaryIO) -> dict[str, Any]:
        """Send a file as a form, streamed; tried once."""
        files = {"file": (name, file, "application/octet-stream")}
        try:
            return body_of(checked(self.http.post(path, data=fields, files=files)))
        except httpx.ConnectError as error:
            raise CommandError(f"Cannot reach {self.url}: is the server running?") from error
        except httpx.TransportError as error:
            raise CommandError(
                f"The connection to {self.url} broke: {error}. Push again: a file that arrived is recognised."
            ) from error

    def send(self, call: Callable[[], httpx.Response]) -> httpx.Response:
        """Make the call, again after a broken connection or 503. Raises CommandError for every other failure."""
        wait = 0.5
        for attempt in range(1, TRIES + 1):
            is_last = attempt == TRIES
            try:
                response = call()
            except httpx.ConnectError as error:
                # Nobody listens there: waiting seldom helps, so fail while the person still looks.
                raise CommandError(f"Cannot reach {self.url}: is the server running?") from error
            except httpx.TransportError as error:
                if is_last:
                    raise CommandError(f"The connection to {self.url} broke: {error}.") from error
            except httpx.InvalidURL as error:
                raise CommandError(f"{self.url} is not an address: {error}.") from error
            else:
                if response.status_code != 503 or is_last:
                    return checked(response)
            time.sleep(wait)
            wait *= 2
        raise AssertionError("unreachable")

    def wait_for(self, job: str, progress: Callable[[float], None]) -> dict[str, Any]:
        """Follow a job to its end, calling `progress` with a share in [0, 1]; returns its result."""
        pause = POLL_SECONDS
        while True:
            state = self.get(f"jobs/{job}")
            progress(float(state["progress"]))
            if state["state"] == "succeeded":
                return dict(state["result"] or {})
            if state["state"] in ("failed", "cancelled"):
                error = state["error"] or {}
                raise CommandError(
                    error.get("detail") or f"The job was {state['state']}.", error.get("errors") or ()
                )
            time.sleep(pause)
            pause = min(pause * 1.3, POLL_SECONDS_MAX)


def checked(response: httpx.Response) -> httpx.Response:
    """The response itself when it is a success. Raises CommandError with the server's own sentence."""
    if response.is_success:
        return response
    status = response.status_code
    if response.is_redirect:
        raise CommandError(
            f"The server sends us on to {response.headers.get('Location', 'another address')}: log in there.",
            status=status,
        )
    response.read()
    try:
        problem = response.json()
        detail, errors = str(problem["detail"]), list(problem.get("errors") or [])
    except (ValueError, KeyError, TypeError):
        raise CommandError(
            f"{response.url} answered {status}: is this a Concord server?", status=status
        ) from None
    if status == 401:
        detail = "The server does not accept this token: run `concord login` again."
    # A single error usually repeats the sentence; then there is nothing for a table to add.
    if len(errors) == 1 and errors[0].get("detail") == detail and "line" not in errors[0]:
        errors = []
    raise CommandError(detail, errors, status=status)


def body_of(response: httpx.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise CommandError(f"{response.url} did not answer with JSON: is this a Concord server?")
    return body
