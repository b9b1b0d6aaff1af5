"""The broker is only a wake-up: what it loses is sent again, and while it is away nothing waits and nothing stops."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from celery import current_app
from django.conf import settings
from django.db import connection, transaction
from kombu import pools
from kombu.exceptions import OperationalError
from psycopg.conninfo import make_conninfo
from psycopg_pool import ConnectionPool
from structlog.testing import capture_logs

from annotation import jobs
from annotation.config import queue as ours
from annotation.jobs import Progress, enqueue_job, run_claimed, send_job, sweep_jobs
from annotation.models import Job
from tests.factories import NOW

pytestmark = pytest.mark.django_db(transaction=True)

LATER = NOW + timedelta(seconds=jobs.RESEND_SECONDS + 1)


def counting(job: Job, progress: Progress) -> dict[str, Any]:
    return {"done": True}


@pytest.fixture(autouse=True)
def kinds() -> Iterator[None]:
    members = dict(jobs.job_handlers._members)
    jobs.register_job("counting", counting)
    yield
    jobs.job_handlers._members.clear()
    jobs.job_handlers._members.update(members)


@contextmanager
def broker(conninfo: str) -> Iterator[None]:
    """Messages go through a PostgreSQL at `conninfo`, with the options of the real settings."""
    kept = {key: getattr(current_app.conf, key) for key in ("broker_url", "broker_transport_options")}
    options = {"conn_string": conninfo, "init_extension": False, "pool_size": 2, "pool_timeout": 3}
    current_app.conf.update(broker_url="pgmq://", broker_transport_options=options)
    try:
        yield
    finally:
        ours = current_app.connection_for_write(transport_options=settings.JOB_SENDING_OPTIONS)
        for group in (pools.producers, pools.connections):
            group[ours].force_close_all()
            del group[ours]
        current_app.conf.update(kept)


def here(database: str | None = None) -> str:
    """The test's own database, which has the queue; or another of the cluster (`postgres` has none)."""
    where = connection.settings_dict
    return make_conninfo(
        host=where["HOST"],
        port=where["PORT"],
        dbname=database or where["NAME"],
        user=where["USER"],
        password=where["PASSWORD"],
    )


NOWHERE = "host=127.0.0.1 port=1 dbname=x user=x password=x"


def messages() -> list[str]:
    """Ids of the jobs in the messages that wait, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('pgmq.q_concord')")
        if cursor.fetchone()[0] is None:
            return []
        cursor.execute("SELECT message->'headers'->>'argsrepr' FROM pgmq.q_concord ORDER BY msg_id")
        return [args.strip("[]'") for (args,) in cursor.fetchall()]


def flush() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pgmq.purge_queue('concord')")


def queue(key: str = "one") -> Job:
    return enqueue_job(kind="counting", key=key, project=None, actor=None, now=NOW)


@pytest.fixture
def pgmq() -> Iterator[None]:
    with broker(here()):
        send_job(Job(kind="counting"))  # makes the queue
        flush()
        yield
        flush()


def test_the_message_goes_out_after_the_commit_and_never_without_it(pgmq: None) -> None:
    with transaction.atomic():
        kept = queue()
        assert messages() == []
    with transaction.atomic():
        queue("other")
        transaction.set_rollback(True)
    assert messages() == [str(kept.pk)]


def test_the_sweep_sends_what_the_broker_lost(pgmq: None) -> None:
    job = queue()
    flush()
    assert sweep_jobs(NOW + timedelta(seconds=1)) == 0 and messages() == []
    assert sweep_jobs(LATER) == 1
    assert messages() == [str(job.pk)]


def test_a_connection_that_the_broker_closed_meanwhile_costs_no_message(pgmq: None) -> None:
    first = queue("first")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        assert cursor.fetchone()[0] > 0
    second = queue("second")
    assert messages() == [str(first.pk), str(second.pk)]


def held_after_lost_acks() -> list[bool]:
    """A worker that may hold two messages has both, and the connections are closed under their acks: before and after,
    whether it would take another."""
    queue("first"), queue("second")
    with current_app.connection_for_read() as worker, worker.channel() as channel:
        channel.basic_qos(0, 2, False)
        taken = [channel.basic_get("concord", no_ack=False) for _ in range(2)]
        would_take = [channel.qos.can_consume()]
        for message in taken:
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            with pytest.raises(psycopg.Error):
                channel.basic_ack(message.delivery_tag)
        return [*would_take, channel.qos.can_consume()]


def test_acks_that_are_lost_with_the_database_leave_the_worker_its_places(pgmq: None) -> None:
    assert held_after_lost_acks() == [False, True]


def test_control_kombus_own_channel_holds_them_for_ever(pgmq: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(ours.Channel, "basic_ack")
    assert held_after_lost_acks() == [False, False]


def test_while_the_broker_is_away_jobs_are_queued_and_sent_later() -> None:
    with broker(NOWHERE), capture_logs() as logs:
        job = queue()
    assert [(entry["event"], entry["job"]) for entry in logs] == [("job_not_sent", str(job.pk))]
    job.refresh_from_db()
    assert job.state == "queued"
    with broker(here()):
        assert sweep_jobs(LATER) == 1
        assert messages() == [str(job.pk)]
        flush()
    run_claimed(str(job.pk), LATER)
    job.refresh_from_db()
    assert job.state == "succeeded"


def test_a_queue_that_was_dropped_is_made_again_with_the_next_message(pgmq: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pgmq.drop_queue('concord')")
    with capture_logs() as logs:
        job = queue()
    assert [(entry["event"], entry["log_level"]) for entry in logs] == [("job_not_sent", "error")]
    assert sweep_jobs(LATER) == 1
    assert messages() == [str(job.pk)]


def test_a_queue_whose_schema_is_missing_is_an_error_in_the_log_and_none_to_the_person() -> None:
    with broker(here("postgres")), capture_logs() as logs:
        job = queue()
        assert sweep_jobs(LATER) == 1, "the sweep is not stopped by it either"
    assert [(entry["event"], entry["log_level"]) for entry in logs] == [("job_not_sent", "error")] * 2
    assert 'schema "pgmq" does not exist' in logs[0]["reason"]
    with broker(here()):
        assert sweep_jobs(LATER + timedelta(minutes=1)) == 1
        assert messages() == [str(job.pk)]
        flush()


def test_control_the_plain_call_raises_without_the_schema() -> None:
    with broker(here("postgres")), current_app.connection_for_write() as plain, pytest.raises(psycopg.Error):
        current_app.send_task("annotation.tasks.run_job", args=["x"], connection=plain)


def test_a_request_waits_a_fraction_of_a_second_for_a_broker_that_is_away() -> None:
    """Counted, not timed: how often a connection is waited for, and how long each wait may be."""
    patience = settings.JOB_SENDING_OPTIONS["pool_timeout"]
    waits = waits_for_a_connection(lambda: send_job(Job(kind="counting")))
    assert 1 <= len(waits) <= 2 and set(waits) == {patience}
    assert sum(waits) <= 0.6


def test_control_the_plain_call_waits_for_seconds() -> None:
    waits = waits_for_a_connection(plain_call)
    assert sum(waits) > 5


def plain_call() -> None:
    with pytest.raises(OperationalError), current_app.connection_for_write() as plain:
        current_app.send_task("annotation.tasks.run_job", args=["x"], connection=plain)


def waits_for_a_connection(send: Callable[[], None]) -> list[float]:
    """How long each wait for a connection to the broker that is away was allowed to be, in seconds."""
    waits: list[float] = []
    take = ConnectionPool.getconn

    def counted(pool: Any, timeout: float | None = None) -> Any:
        waits.append(pool.timeout if timeout is None else timeout)
        return take(pool, timeout)

    with pytest.MonkeyPatch.context() as watch, broker(NOWHERE):
        watch.setattr(ConnectionPool, "getconn", counted)
        send()
    return waits
