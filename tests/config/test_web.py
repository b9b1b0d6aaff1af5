"""What surrounds every page: the policy, the request id, the answer to a lost database, hashed static files."""

import re
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import OperationalError
from django.test import Client, RequestFactory
from pytest_django.fixtures import Settings

from annotation.config.health import server_error
from annotation.config.middleware import REQUEST_ID
from annotation.config.storage import minified


def test_the_policy_allows_nothing_but_ourselves(client: Client) -> None:
    policy = client.get("/healthz").headers["Content-Security-Policy"]
    directives = dict(part.strip().partition(" ")[::2] for part in policy.split(";"))
    assert directives.pop("report-uri") == "/csp-report"
    assert {name for name, value in directives.items() if value == "'none'"} == {
        "default-src",
        "base-uri",
        "frame-ancestors",
    }
    assert set(directives.values()) == {"'none'", "'self'"}


def test_a_request_keeps_a_plain_id_and_gets_a_new_one_for_any_other(client: Client) -> None:
    kept = client.get("/healthz", headers={"X-Request-Id": "from-the-proxy-1"})
    assert kept.headers["X-Request-Id"] == "from-the-proxy-1"
    made = client.get("/healthz", headers={"X-Request-Id": 'x"}\ninjected'}).headers["X-Request-Id"]
    assert REQUEST_ID.fullmatch(made)


@pytest.mark.django_db
def test_ready_asks_the_database(client: Client) -> None:
    assert client.get("/readyz").content == b"ready\n"
    assert client.post("/readyz").status_code == 405


@pytest.mark.parametrize(
    ("error", "status"), [(OperationalError("server closed the connection"), 503), (ValueError("a bug"), 500)]
)
@pytest.mark.parametrize("path", ["/api/v1/projects", "/"])
def test_a_lost_database_is_503_and_a_bug_500(
    rf: RequestFactory, error: Exception, status: int, path: str
) -> None:
    try:
        raise error
    except (OperationalError, ValueError):
        answer = server_error(rf.get(path))
    assert answer.status_code == status
    assert ("Retry-After" in answer.headers) == (status == 503)
    assert (answer.headers["Content-Type"] == "application/problem+json") == path.startswith("/api/")
    assert str(error).encode() not in answer.content, "the reason is for the log"


def test_modules_import_each_other_by_hashed_name(tmp_path: Path, settings: Settings) -> None:
    source = tmp_path / "source" / "js"
    source.mkdir(parents=True)
    (source / "page.js").write_text('import { draw } from "./draw.js";\ndraw();\nimport("./draw.js");\n')
    (source / "draw.js").write_text("export function draw() {}\n")
    settings.STATICFILES_DIRS = [source.parent]
    settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
    settings.STATIC_ROOT = tmp_path / "static"
    settings.STORAGES = settings.STORAGES | {
        "staticfiles": {"BACKEND": "annotation.config.storage.HashedStaticFilesStorage"}
    }
    call_command("collectstatic", interactive=False, verbosity=0)
    pages = [path.read_text() for path in (settings.STATIC_ROOT / "js").glob("page.*.js")]
    assert len(pages) == 1
    assert re.search(r'from ?"\./draw\.[0-9a-f]{12}\.js";', pages[0])
    assert re.search(r'import\("\./draw\.[0-9a-f]{12}\.js"\)', pages[0])


@pytest.mark.parametrize(
    ("path", "source", "served"),
    [
        (
            "js/x.js",
            "// What it is.\nexport function draw(name) {\n  // Why.\n  return `http://a/*b*/ ${name}`;\n}\n",
            "export function draw(e){return`http://a/*b*/ ${e}`}",
        ),
        ("css/x.css", '/* What it is. */\n.a {\n  content: "// b"; /* why */\n}\n', '.a{content:"// b"}'),
    ],
)
def test_scripts_and_styles_are_served_minified(path: str, source: str, served: str) -> None:
    assert minified(path, source) == served
