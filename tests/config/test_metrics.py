"""What Prometheus sees: counts of all processes together, gauges from the database, and nothing without the token."""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families
from pytest_django.fixtures import Settings

from annotation.audit import seal_audit
from annotation.config.metrics import JOBS, OLDEST, DatabaseGauges
from annotation.jobs import enqueue_job, run_claimed
from annotation.models import Job
from tests.factories import NOW, World, make_world
from tests.faults.scale import LONG
from tests.instance import ROOT, Instance, clean_environment, free_port

TOKEN = "t" * 43  # the same in every process of a parallel run, since it names tests


def samples(text: str) -> dict[str, float]:
    """{name{labels}: value} of a scrape, as `concord_jobs{state=queued}`."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{key}={value}" for key, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def gauges(after: int = 0) -> dict[str, float]:
    """The database's gauges, `after` seconds from NOW."""
    found = {}
    for family in DatabaseGauges(NOW + timedelta(seconds=after)).collect():
        for sample in family.samples:
            found[sample.name + "".join(sample.labels.values())] = sample.value
    return found


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Path:
    """Where the processes of this test count; the token is set."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    settings.METRICS_TOKEN = TOKEN
    return tmp_path


def scrape(client: Client, authorization: str = f"Bearer {TOKEN}") -> tuple[int, str]:
    answer = client.get("/metrics", headers={"Authorization": authorization})
    return answer.status_code, answer.content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize("given", ["", "Bearer ", f"Bearer {TOKEN}x", f"bearer {TOKEN}", TOKEN, "Bearer é"])
def test_without_the_token_the_address_is_not_there(client: Client, folder: Path, given: str) -> None:
    status, text = scrape(client, given)
    assert status == 404
    assert "concord_jobs" not in text
    assert scrape(client)[0] == 200, "the control: the token opens it"


@pytest.mark.django_db
@pytest.mark.parametrize("given", ["", "Bearer ", "Bearer"])
def test_an_instance_without_a_token_opens_to_nobody(
    client: Client, folder: Path, settings: Settings, given: str
) -> None:
    settings.METRICS_TOKEN = ""
    assert scrape(client, given)[0] == 404


def test_one_process_alone_is_not_shown_for_all(
    client: Client, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR")
    status, text = scrape(client)
    assert status == 503
    assert "Set PROMETHEUS_MULTIPROC_DIR" in text


@pytest.mark.django_db
def test_counts_of_all_processes_are_added_up_and_those_of_the_killed_stay(
    client: Client, folder: Path
) -> None:
    counting = (
        "import os, signal; from annotation import metrics as m;"
        "m.count_lease('leased'); m.count_submit('late', is_replay=False); m.count_job('import', 'failed');"
        "m.count_sweep(freed=3, sent_again=2, has_failed=False); os.kill(os.getpid(), signal.SIGKILL)"
    )
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", counting], cwd=ROOT, check=False)
        assert done.returncode == -signal.SIGKILL
    found = samples(scrape(client)[1])
    assert found["concord_leases_total{outcome=leased}"] == 2
    assert found["concord_submits_total{replay=no,state=late}"] == 2
    assert found["concord_jobs_ended_total{kind=import,state=failed}"] == 2
    assert found["concord_leases_expired_total"] == 6
    assert found["concord_jobs_sent_again_total"] == 4
    assert found["concord_sweeps_total{outcome=done}"] == 2


@pytest.mark.parametrize(
    ("method", "path", "labels"),
    [
        ("GET", "/healthz", {"route": "alive", "method": "GET", "status": "200"}),
        ("GET", "/no/such/page-4711", {"route": "none", "method": "GET", "status": "404"}),
        ("BREW", "/healthz", {"route": "alive", "method": "other", "status": "405"}),
    ],
)
def test_a_request_is_counted_under_its_route_and_never_under_what_was_sent(
    client: Client, method: str, path: str, labels: dict[str, str]
) -> None:
    def count() -> tuple[float, float]:
        total = REGISTRY.get_sample_value("concord_requests_total", labels) or 0
        timed = REGISTRY.get_sample_value("concord_request_seconds_count", {"route": labels["route"]}) or 0
        return total, timed

    before = count()
    client.generic(method, path)
    assert count() == (before[0] + 1, before[1] + 1)


@pytest.fixture
def world(db: None) -> World:
    return make_world()


def test_the_gauges_tell_how_late_everything_is(world: World) -> None:
    batch = world.batch(items=2)
    seal_audit()
    world.lease(world.member())
    world.lease(world.member(), after=60)
    enqueue_job(kind="compute_agreement", key="1", project=world.project, actor=None, now=NOW)
    enqueue_job(
        kind="compute_agreement",
        key="2",
        project=world.project,
        actor=None,
        now=NOW + timedelta(seconds=5),
    )
    found = gauges(after=batch.lease_seconds + 90)
    assert found["concord_database_up"] == 1
    assert found["concord_sweep_lag_seconds"] == 90, "of the lease that ended first"
    assert found["concord_oldest_queued_job_seconds"] == batch.lease_seconds + 90
    assert found["concord_audit_unsealed_seconds"] == batch.lease_seconds + 90
    assert (found["concord_jobsqueued"], found["concord_jobsrunning"]) == (2, 0)
    Job.objects.update(run_after=NOW + timedelta(seconds=60))
    assert gauges(after=50)["concord_oldest_queued_job_seconds"] == 0, "resting after a crash is not waiting"
    assert gauges(after=70)["concord_oldest_queued_job_seconds"] == 10
    Job.objects.filter(key="1").update(state="running", attempts=1, heartbeat_at=NOW)
    Job.objects.filter(key="2").update(state="failed", finished_at=NOW, is_dead_letter=True)
    seal_audit()
    found = gauges(after=30)
    assert found["concord_sweep_lag_seconds"] == 0, "no lease has run out yet"
    assert found["concord_oldest_queued_job_seconds"] == 0
    assert found["concord_audit_unsealed_seconds"] == 0
    assert (found["concord_jobsqueued"], found["concord_jobsrunning"]) == (0, 1)
    assert (found["concord_jobs_failed_last_day"], found["concord_job_dead_letters"]) == (1, 1)
    assert gauges(after=86_401)["concord_jobs_failed_last_day"] == 0, "an alert that ends by itself"


def test_the_last_nightly_verdict_is_shown_and_a_crashed_check_is_none(world: World) -> None:
    assert "concord_invariant_violations" not in gauges(), "nobody has looked yet"
    job = enqueue_job(kind="check_invariants", key="nightly", project=None, actor=None, now=NOW)
    run_claimed(str(job.pk), NOW)
    job.refresh_from_db()
    assert job.finished_at is not None
    clean = gauges()
    assert clean["concord_invariant_violations"] == 0
    assert clean["concord_invariants_checked_timestamp_seconds"] == job.finished_at.timestamp()
    later = NOW + timedelta(days=1)
    crash = {"detail": "The job stopped on an error of ours (ZeroDivisionError)."}
    Job.objects.create(
        kind="check_invariants",
        key="nightly",
        state="failed",
        error=crash,
        created_at=later,
        finished_at=later,
    )
    assert gauges() == clean | {"concord_jobs_failed_last_day": gauges()["concord_jobs_failed_last_day"]}
    broken = {"detail": "…", "errors": [{"code": "I1", "detail": "…"}, {"code": "I4", "detail": "…"}]}
    Job.objects.create(
        kind="check_invariants",
        key="nightly",
        state="failed",
        error=broken,
        created_at=later,
        finished_at=later,
    )
    assert gauges()["concord_invariant_violations"] == 2
    assert gauges()["concord_invariants_checked_timestamp_seconds"] == later.timestamp()


def test_a_scrape_asks_the_database_four_times(
    client: Client, world: World, folder: Path, django_assert_num_queries: Callable[..., object]
) -> None:
    with django_assert_num_queries(4):  # type: ignore[attr-defined]
        assert scrape(client)[0] == 200


def test_while_the_database_is_away_the_counts_are_still_shown(tmp_path: Path) -> None:
    asking = (
        "import django; django.setup(); from django.test import Client; from annotation.metrics import count_lease;"
        "count_lease('leased');"
        f"print(Client().get('/metrics', headers={{'Authorization': 'Bearer {TOKEN}'}}).content.decode())"
    )
    done = subprocess.run(
        [sys.executable, "-c", asking],
        cwd=ROOT,
        env=clean_environment(
            tmp_path,
            DJANGO_SETTINGS_MODULE="annotation.config.settings",
            DATABASE_URL=f"postgresql://nobody@127.0.0.1:{free_port()}/x",
            SECRET_KEY=secrets.token_urlsafe(48),
            METRICS_TOKEN=TOKEN,
            CONCORD_HOSTS="testserver",
            PROMETHEUS_MULTIPROC_DIR=str(tmp_path),
        ),
        capture_output=True,
        text=True,
        check=True,
    )
    found = samples(done.stdout)
    assert found["concord_database_up"] == 0
    assert found["concord_leases_total{outcome=leased}"] == 1
    assert "concord_sweep_lag_seconds" not in found, "a gauge of nothing would look well"


@pytest.mark.skipif(not LONG, reason="an instance of its own, for most of a minute: `make faults`")
def test_a_running_instance_adds_up_web_and_worker_and_forgets_no_count(tmp_path: Path) -> None:
    instance = Instance(var=tmp_path / "var", port=free_port())
    (instance.var / "metrics").mkdir(parents=True)
    (instance.var / "metrics" / "counter_1.db").write_bytes(b"of the last run")
    try:
        instance.start(demo=False)
        token = json.loads((instance.var / "instance.json").read_text())["metrics_token"]

        def scraped() -> dict[str, float]:
            wanted = urllib.request.Request(
                f"{instance.url}/metrics", headers={"Authorization": f"Bearer {token}"}
            )
            with urllib.request.urlopen(wanted, timeout=10) as answer:
                return samples(answer.read().decode())

        alive = "concord_requests_total{method=GET,route=alive,status=200}"

        def ask(times: int) -> None:
            for _ in range(times):
                urllib.request.urlopen(f"{instance.url}/healthz", timeout=10).close()

        ask(40)
        assert scraped()[alive] == 40
        web = {int(path.stem.partition("_")[2]) for path in (instance.var / "metrics").glob("histogram_*.db")}
        os.kill(max(web), signal.SIGKILL)
        until(lambda: is_gone(max(web)))  # until then it may have taken a connection that nobody answers
        until(lambda: answers(ask))
        before = scraped()[alive]
        assert before >= 40, "what a killed process counted stays"
        ask(10)
        assert scraped()[alive] == before + 10
        until(lambda: scraped().get("concord_sweeps_total{outcome=done}", 0) >= 1)
        assert scraped()["concord_database_up"] == 1
    finally:
        instance.stop()


def until(condition: Callable[[], bool], seconds: float = 90.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.2)


def is_gone(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False


def answers(ask: Callable[[int], None]) -> bool:
    try:
        ask(1)
    except OSError:
        return False
    return True


def test_the_queries_walk_indexes(world: World) -> None:
    """None of the oldest rows is looked for in a whole table, however many rows there are."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        for query in (OLDEST, JOBS):
            cursor.execute(f"EXPLAIN {query}")
            plan = "\n".join(row[0] for row in cursor.fetchall())
            assert "Seq Scan" not in plan, plan
