"""`/metrics`: the counts of all processes, and gauges that are read from the database while answering."""

import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from annotation.nightly import last_verdict

log = structlog.get_logger(__name__)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

# Each looks into a partial index only: assignment_expiring, job_unfinished, auditevent_unsealed. A job that rests
# after a crash waits since the end of its rest.
OLDEST = """
    SELECT
        (SELECT min(expires_at) FROM annotation_assignment WHERE state = 'leased'),
        (SELECT min(coalesce(run_after, created_at)) FROM annotation_job WHERE state = 'queued'),
        (SELECT created_at FROM annotation_auditevent WHERE chain_position IS NULL ORDER BY id LIMIT 1)
"""
JOBS = """
    SELECT count(*) FILTER (WHERE state = 'queued'), count(*) FILTER (WHERE state = 'running')
    FROM annotation_job WHERE state IN ('queued', 'running')
"""
FAILED = """
    SELECT count(*) FILTER (WHERE finished_at > %s), count(*) FILTER (WHERE is_dead_letter)
    FROM annotation_job WHERE state = 'failed'
"""


@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """The text that Prometheus scrapes, for whoever holds the instance's metrics token; else 404."""
    if not has_token(request) or request.method != "GET":
        raise Http404
    registry = CollectorRegistry()
    try:
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    except ValueError:
        # The counts of this process alone would look like those of all.
        return HttpResponse(
            "Set PROMETHEUS_MULTIPROC_DIR to an empty folder for web and worker, and start them again.\n",
            status=503,
            content_type="text/plain; charset=utf-8",
        )
    registry.register(DatabaseGauges(timezone.now()))
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE)


def has_token(request: HttpRequest) -> bool:
    """Whether the request carries the metrics token. Without one in the settings nobody has it."""
    expected = settings.METRICS_TOKEN
    given = request.headers.get("Authorization", "").encode()
    return bool(expected) and secrets.compare_digest(given, f"Bearer {expected}".encode())


class DatabaseGauges(Collector):
    """What only the database knows, as of `now`. A few indexed queries for each scrape."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def collect(self) -> Iterable[Metric]:
        """The gauges; only `concord_database_up 0` while the database cannot be asked."""
        try:
            found = self.read()
        except (OperationalError, InterfaceError) as error:
            log.warning("metrics_without_database", error=type(error).__name__)
            found = []
        yield gauge("concord_database_up", "1 when the database answered this scrape.", float(bool(found)))
        yield from found

    def read(self) -> list[Metric]:
        """The gauges. Raises OperationalError or InterfaceError when the database is away."""
        with connection.cursor() as cursor:
            cursor.execute(OLDEST)
            expired, queued, unsealed = cursor.fetchone()
            cursor.execute(JOBS)
            waiting, running = cursor.fetchone()
            cursor.execute(FAILED, [self.now - timedelta(days=1)])
            failed, dead = cursor.fetchone()
        jobs = GaugeMetricFamily("concord_jobs", "Jobs that are not finished.", labels=["state"])
        jobs.add_metric(["queued"], waiting)
        jobs.add_metric(["running"], running)
        return [
            gauge(
                "concord_sweep_lag_seconds",
                "How long the longest-expired lease is overdue.",
                self.age(expired),
            ),
            gauge("concord_oldest_queued_job_seconds", "Age of the oldest queued job.", self.age(queued)),
            gauge(
                "concord_audit_unsealed_seconds",
                "Age of the oldest audit row not chained.",
                self.age(unsealed),
            ),
            jobs,
            gauge("concord_jobs_failed_last_day", "Jobs that failed within 24 hours.", failed),
            gauge("concord_job_dead_letters", "Failed jobs that wait for somebody's decision.", dead),
            *verdict_gauges(),
        ]

    def age(self, since: datetime | None) -> float:
        """Seconds from `since` to now; 0 for nothing and for what lies ahead."""
        return max(0.0, (self.now - since).total_seconds()) if since else 0.0


def verdict_gauges() -> list[Metric]:
    """What the last check of the invariants found, and when; neither before the first."""
    verdict = last_verdict()
    if verdict is None:
        return []
    count, finished_at = verdict
    checked = "concord_invariants_checked_timestamp_seconds"
    return [
        gauge("concord_invariant_violations", "Violations that the last nightly check found.", count),
        gauge(checked, "When the last nightly check ended (Unix time).", finished_at.timestamp()),
    ]


def gauge(name: str, meaning: str, value: Any) -> Metric:
    return GaugeMetricFamily(name, meaning, value=value)
