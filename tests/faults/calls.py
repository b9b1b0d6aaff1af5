"""HTTP calls of a client that knows what an error means: nothing, until the same call was sent again."""

import http.client
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 30.0


class Lost(Exception):
    """No answer came: the call may or may not have been carried out."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


class Caller:
    """One person's connection to an instance. Not for use by two threads."""

    def __init__(self, base_url: str, token: str) -> None:
        parts = urlsplit(base_url)
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._connection = http.client.HTTPConnection(
            str(parts.hostname), parts.port, timeout=TIMEOUT_SECONDS
        )

    def call(self, method: str, path: str, body: bytes | None = None, *, prefix: str = "/api/v1") -> Answer:
        """One call, sent once. Raises Lost when no whole answer comes back."""
        return self._send(method, prefix + path, body, {"Content-Type": "application/json"})

    def must(self, path: str, body: Mapping[str, Any]) -> Any:
        """POST what has to succeed; the parsed answer."""
        answer = self.call("POST", path, json.dumps(body).encode())
        assert answer.status < 300, (path, answer.status, answer.body)
        return json.loads(answer.body)

    def upload(self, path: str, file: bytes, fields: Mapping[str, Any]) -> Answer:
        """POST a file and form fields as multipart."""
        edge = uuid.uuid4().hex
        parts = [
            f'--{edge}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
            for name, value in fields.items()
        ]
        disposition = 'Content-Disposition: form-data; name="file"; filename="faults.jsonl"'
        parts += [f"--{edge}\r\n{disposition}\r\n\r\n".encode(), file, f"\r\n--{edge}--\r\n".encode()]
        kind = {"Content-Type": f"multipart/form-data; boundary={edge}"}
        return self._send("POST", f"/api/v1{path}", b"".join(parts), kind)

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _send(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        try:
            self._connection.request(method, path, body=body, headers=self.headers | dict(headers))
            response = self._connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise Lost(repr(error)) from error
        names = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, names, content)
