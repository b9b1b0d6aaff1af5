"""The log: one JSON object a line, and one id from the page that asked to the worker that did it."""

import io
import json
import logging
import logging.config
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import structlog
from celery import current_app
from celery.contrib.testing.worker import start_worker
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotation.config.logs import logging_settings
from annotation.jobs import enqueue_job
from annotation.models import Job
from annotation.services.people import create_token
from tests.factories import NOW, make_world

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """What was logged so far, each line parsed; through the formatter of the real settings."""
    stream = io.StringIO()
    factory = logging.config.DictConfigurator(logging_settings("INFO"))
    handler = logging.StreamHandler(stream)
    handler.setFormatter(factory.configure_formatter(factory.config["formatters"]["json"]))
    logging.getLogger().addHandler(handler)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logging.getLogger().removeHandler(handler)


@pytest.fixture(autouse=True)
def _clean_context() -> Iterator[None]:
    structlog.contextvars.clear_contextvars()
    yield
    structlog.contextvars.clear_contextvars()


def test_a_request_is_one_line_with_its_route(client: Client, lines: Lines) -> None:
    client.get("/healthz", headers={"X-Request-Id": "from-the-proxy-1"})
    (line,) = [line for line in lines() if line["event"] == "request"]
    assert line.pop("milliseconds") >= 0
    assert line.pop("time")
    assert line == {
        "event": "request",
        "level": "info",
        "logger": "annotation.config.middleware",
        "method": "GET",
        "path": "/healthz",
        "request_id": "from-the-proxy-1",
        "route": "alive",
        "status": 200,
        "user_id": None,
    }


@pytest.mark.django_db
def test_the_line_names_who_asked_by_number_only(client: Client, lines: Lines) -> None:
    world = make_world()
    client.force_login(world.lead, backend="django.contrib.auth.backends.ModelBackend")
    client.get("/projects")
    token = create_token(user=world.lead, now=NOW, name="test")
    client.get("/api/v1/projects", headers={"Authorization": f"Bearer {token}"})
    client.get("/healthz")
    requests = [line for line in lines() if line["event"] == "request"]
    assert [line["route"] for line in requests] == ["projects", "api-projects", "alive"]
    assert [line["user_id"] for line in requests] == [world.lead.pk, world.lead.pk, None]
    assert world.lead.email not in json.dumps(requests)
    assert token not in json.dumps(requests)


@pytest.mark.django_db
def test_knowing_who_asked_costs_no_query(
    client: Client, django_assert_num_queries: Callable[..., Any]
) -> None:
    client.force_login(make_world().lead, backend="django.contrib.auth.backends.ModelBackend")
    with django_assert_num_queries(0):
        client.get("/healthz")


@contextmanager
def working() -> Iterator[None]:
    """A real worker in a thread. It sets Django up anew, which would leave its log handlers to later tests."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        with start_worker(current_app, pool="solo", perform_ping_check=False, shutdown_timeout=30):
            root.handlers[:] = handlers
            yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


@pytest.mark.django_db(transaction=True)
def test_the_worker_logs_the_id_of_the_request_that_asked(client: Client, lines: Lines) -> None:
    """A page queues a job, the worker runs it. The next task, which no request asked for, has no id."""
    world = make_world()
    client.force_login(world.lead, backend="django.contrib.auth.backends.ModelBackend")
    page = reverse("recompute_agreement", kwargs={"slug": world.project.slug})
    with working():
        answer = client.post(page, headers={"X-Request-Id": "from-the-page-1"})
        assert answer.status_code == 302
        structlog.contextvars.clear_contextvars()
        enqueue_job(kind="check_invariants", key="nightly", project=None, actor=None, now=timezone.now())
        wait_for(lambda: len(ends(lines())) == 2)
    assert set(Job.objects.values_list("kind", "state")) == {
        ("compute_agreement", "succeeded"),
        ("check_invariants", "succeeded"),
    }
    assert ends(lines()) == {"compute_agreement": "from-the-page-1", "check_invariants": None}


def ends(lines: list[dict[str, Any]]) -> dict[str, str | None]:
    """Kind of job → request id, out of the line at the end of each. The queue lives in memory, so messages of
    earlier tests may come too; their jobs are not there any more, and write no such line."""
    return {line["kind"]: line.get("request_id") for line in lines if line["event"] == "job_run_ended"}


def wait_for(condition: Callable[[], bool], seconds: float = 90.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
