"""The few calls of the public API that an annotator makes, with the retries a careful client makes."""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import httpx

TRIES = 6
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 30.0
TRANSIENT = {429, 502, 503, 504}


class SimulationError(RuntimeError):
    """The instance refused a call that should have worked; the text holds its answer.

    `status` is the HTTP status, None when no answer came.
    """

    def __init__(self, detail: str, status: int | None = None) -> None:
        super().__init__(detail)
        self.status = status


class InstanceClient:
    """A running instance. One client serves many tokens and threads."""

    def __init__(self, base_url: str, *, connections: int = 8, timeout_seconds: float = 30.0) -> None:
        self._http = httpx.Client(
            base_url=base_url.rstrip("/") + "/api/v1",
            timeout=timeout_seconds,
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    def lease(self, token: str, project: str, batch: int | None) -> tuple[dict[str, Any] | None, str]:
        """The next lease, or None and the reason why there is none."""
        body = {} if batch is None else {"batch": batch}
        answer = self.call("POST", f"/projects/{project}/lease", token, json=body)
        if answer.status_code == 204:
            return None, answer.headers.get("X-Reason", "")
        lease: dict[str, Any] = answer.json()
        return lease, ""

    def submit(self, token: str, assignment: int, submission: Mapping[str, Any]) -> dict[str, Any]:
        """{judgment, submission_id, state} of a judgment that is now stored."""
        stored: dict[str, Any] = self.post_judgment(token, assignment, submission).json()
        return stored

    def post_judgment(self, token: str, assignment: int, submission: Mapping[str, Any]) -> httpx.Response:
        """201 for a judgment that is stored now, 200 for one that was stored before."""
        return self.call("POST", f"/assignments/{assignment}/judgments", token, json=submission)

    def call(self, method: str, path: str, token: str, **arguments: Any) -> httpx.Response:
        """One call. Raises SimulationError when the answer is no success after all tries.

        A lost answer is ambiguous: the judgment may be stored. So a call is repeated with the same body, and
        the same submission_id or Idempotency-Key makes that harmless.
        """
        headers = {"Authorization": f"Bearer {token}"} | arguments.pop("headers", {})
        pause = FIRST_PAUSE_SECONDS
        for remaining in reversed(range(TRIES)):
            try:
                answer = self._http.request(method, path, headers=headers, **arguments)
            except httpx.TransportError as error:
                if remaining == 0:
                    raise SimulationError(f"{method} {path} does not get through: {error}") from error
            else:
                if answer.is_success:
                    return answer
                if answer.status_code not in TRANSIENT or remaining == 0:
                    raise SimulationError(
                        f"{method} {path}: {answer.status_code} {answer.text[:500]}", answer.status_code
                    )
                pause = max(pause, _seconds(answer.headers.get("Retry-After", "")))
            time.sleep(min(pause, LONGEST_PAUSE_SECONDS))
            pause *= 2
        raise AssertionError("the last try either returns or raises")


def _seconds(retry_after: str) -> float:
    return float(retry_after) if retry_after.isdigit() else 0.0
