"""The Celery application: where tasks go, and what runs by the clock."""

import os
import signal
from typing import Any

from celery import Celery
from celery.signals import setup_logging, worker_process_init

from annotation.runtime.processes import die_with_parent

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "annotation.config.settings")

app = Celery("concord")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.set_default()
app.autodiscover_tasks()

# A tick that no worker took in time expires: the next one brings the same work.
app.conf.beat_schedule = {
    "sweep": {"task": "annotation.tasks.sweep", "schedule": 10.0, "options": {"expires": 10.0}},
    "seal_audit": {"task": "annotation.tasks.seal_audit", "schedule": 5.0, "options": {"expires": 5.0}},
}


@setup_logging.connect
def _keep_our_logging(**_: Any) -> None:
    """Connected so that Celery leaves the logging set up by Django's settings alone."""


@worker_process_init.connect
def _end_with_the_worker(**_: Any) -> None:
    """A killed worker leaves no pool behind that would go on without anybody to report to."""
    die_with_parent(signal.SIGKILL)
