"""The Celery application: where tasks go, and what runs by the clock."""

import os
import signal
from pathlib import Path
from typing import Any

import structlog
from celery import Celery, Task, bootsteps
from celery.concurrency import prefork
from celery.schedules import crontab
from celery.signals import (
    before_task_publish,
    setup_logging,
    task_postrun,
    task_prerun,
    worker_init,
    worker_process_init,
)
from kombu.transport import TRANSPORT_ALIASES

from annotation.config.collector import spare_collector
from annotation.runtime.processes import die_with_parent

log = structlog.get_logger(__name__)
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "annotation.config.settings")

AUTOGROUP = Path("/proc/self/autogroup")
NICENESS = 10
"""A tenth of the share that a web process gets, and what nobody else wants."""

TRANSPORT_ALIASES["pgmq"] = "annotation.config.queue:Transport"
app = Celery("concord")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.set_default()
app.autodiscover_tasks()

# A tick that no worker took in time expires: the next one brings the same work.
app.conf.beat_schedule = {
    "sweep": {"task": "annotation.tasks.sweep", "schedule": 10.0, "options": {"expires": 10.0}},
    "seal_audit": {"task": "annotation.tasks.seal_audit", "schedule": 5.0, "options": {"expires": 5.0}},
    "check_invariants": {
        "task": "annotation.tasks.check_invariants",
        "schedule": crontab(hour="3", minute="0"),
    },
}


class EndWithItsPool(bootsteps.StartStopStep):
    """A worker ends when one of its pool's processes was killed, as when the machine runs out of memory.

    The one that waits for a task holds the lock of their pipe, which nobody gives back for it: those that come after
    it would wait for ever. The supervisor starts another worker, and what was under way is delivered again.
    """

    requires = ("celery.worker.components:Pool",)

    def start(self, parent: Any) -> None:
        if isinstance(parent.pool, prefork.TaskPool):
            parent.pool._pool.on_process_down = _end_if_killed  # type: ignore[attr-defined]


def _end_if_killed(process: Any) -> None:
    if process.exitcode is not None and process.exitcode < 0 and process.exitcode != -signal.SIGTERM:
        log.error("pool_process_killed", signal=-process.exitcode)
        os.kill(os.getpid(), signal.SIGKILL)


app.steps["worker"].add(EndWithItsPool)


@setup_logging.connect
def _keep_our_logging(**_: Any) -> None:
    """Connected so that Celery leaves the logging set up by Django's settings alone."""


@worker_process_init.connect
def _end_with_the_worker(**_: Any) -> None:
    """A killed worker leaves no pool behind that would go on without anybody to report to."""
    die_with_parent(signal.SIGKILL)


@worker_process_init.connect
def _give_way(**_: Any) -> None:
    """People at their screens come first: where processors are short, jobs wait."""
    os.nice(NICENESS)


@worker_init.connect
def _load_mathematics(**_: Any) -> None:
    """Before the pool is forked: each of its processes would take a second of a processor to load it for itself."""
    import scipy.stats  # noqa: F401


@worker_init.connect
def _give_way_as_a_session(**_: Any) -> None:
    """Linux may share the processors out among sessions first, and only then among the processes of one. Set once:
    it takes no second wish within a tenth of a second."""
    if AUTOGROUP.exists():
        AUTOGROUP.write_text(str(NICENESS))


@worker_process_init.connect
def _look_for_cycles_less(**_: Any) -> None:
    spare_collector()


@before_task_publish.connect
def _send_request_id(headers: dict[str, Any], **_: Any) -> None:
    """The id of the request goes with the message. The sweep, which sends a lost one again, has none to send."""
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    if request_id is not None:
        headers["request_id"] = request_id


@task_prerun.connect
def _bind_request_id(task: Task[..., Any], **_: Any) -> None:
    """Every line that a task logs names the task and, where there is one, the request that asked for it."""
    structlog.contextvars.clear_contextvars()
    request_id = task.request.get("request_id")
    known = {} if request_id is None else {"request_id": request_id}
    structlog.contextvars.bind_contextvars(task=task.name, **known)


@task_postrun.connect
def _forget_request_id(**_: Any) -> None:
    structlog.contextvars.clear_contextvars()
