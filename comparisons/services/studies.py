"""What every computation over a project's judgments begins with."""

from datetime import datetime

from django.db import transaction

from annotation.jobs import enqueue_job
from annotation.models import Job, Project, User


def start_study(kind: str, *, project: Project, actor: User | None, now: datetime, seed: int) -> Job:
    """Queue the computation of job kind `kind`, or return the one of this project that is queued or running already."""
    with transaction.atomic():
        return enqueue_job(
            kind=kind,
            key=str(project.pk),
            project=project,
            actor=actor,
            now=now,
            arguments={"seed": seed},
        )
