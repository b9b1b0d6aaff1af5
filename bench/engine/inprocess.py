"""Lease and submit inside one process, against the running instance's database: queries, and a profile.

    python -m bench.engine.inprocess PROJECT TOKEN PAIRS

Calls the WSGI application as the server does. Prints the queries of a lease and of a submit (the most of three
pairs, after a first one has filled the caches of the process); then, with PAIRS above 0, the profile of so many.
"""

import cProfile
import io
import json
import pstats
import sys
import time
from typing import Any

TOP = 70


def call(application: Any, path: str, token: str, body: bytes) -> tuple[int, bytes]:
    """(status, body) of a POST."""
    answered = []

    def start_response(status: str, headers: object, error: object = None) -> None:
        answered.append(int(status[:3]))

    environ = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "127.0.0.1",
        "HTTP_AUTHORIZATION": f"Bearer {token}",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
    }
    response = application(environ, start_response)
    content = b"".join(response)
    response.close()
    return answered[0], content


class Pairs:
    def __init__(self, application: Any, project: str, token: str) -> None:
        self.application = application
        self.project = project
        self.token = token

    def lease(self) -> dict[str, Any]:
        status, body = call(self.application, f"/api/v1/projects/{self.project}/lease", self.token, b"{}")
        if status != 200:
            raise SystemExit(f"lease answered {status} {body[:300]!r}")
        lease: dict[str, Any] = json.loads(body)
        return lease

    def submit(self, lease: dict[str, Any]) -> None:
        answer = {
            "submission_id": lease["submission_id"],
            "attempt": lease["attempt"],
            "answer": {"preferred": "A", "strength": 2},
            "active_seconds": 20.5,
            "read_to_end": ["A", "B"],
        }
        path = f"/api/v1/assignments/{lease['assignment']}/judgments"
        status, body = call(self.application, path, self.token, json.dumps(answer).encode())
        if status != 201:
            raise SystemExit(f"submit answered {status} {body[:300]!r}")

    def one(self) -> None:
        self.submit(self.lease())


def count_queries(pairs: Pairs) -> dict[str, int]:
    """The most queries of a lease and of a submit, transaction control (BEGIN, COMMIT, savepoints) apart."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    control = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE")
    most = {"lease": 0, "submit": 0}
    pairs.one()
    for _ in range(3):
        with CaptureQueriesContext(connection) as asked:
            lease = pairs.lease()
        with CaptureQueriesContext(connection) as sent:
            pairs.submit(lease)
        for name, context in (("lease", asked), ("submit", sent)):
            queries = [q for q in context.captured_queries if not q["sql"].startswith(control)]
            most[name] = max(most[name], len(queries))
    return most


def profile(pairs: Pairs, number: int) -> str:
    """Where the time of `number` pairs goes: by what is called, and by what is done there itself."""
    profiler = cProfile.Profile(time.process_time)  # CPU, not waiting
    for _ in range(20):
        pairs.one()
    profiler.enable()
    for _ in range(number):
        pairs.one()
    profiler.disable()
    text = io.StringIO()
    stats = pstats.Stats(profiler, stream=text).strip_dirs()
    for order in ("cumulative", "tottime"):
        stats.sort_stats(order).print_stats(TOP)
    return text.getvalue()


def main() -> None:
    project, token, number = sys.argv[1], sys.argv[2], int(sys.argv[3])
    from annotation.config.wsgi import application

    pairs = Pairs(application, project, token)
    print(json.dumps(count_queries(pairs)))
    if number:
        print(profile(pairs, number))


if __name__ == "__main__":
    main()
