"""Look at background jobs of all projects and of none, with their tracebacks; stop one, try one again."""

import argparse
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from annotation.errors import Refused
from annotation.models import Job
from annotation.services.jobs import cancel_job, retry_job

SHOWN = 50


class Command(BaseCommand):
    help = "List the newest background jobs, or stop or try again one of them."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        one = parser.add_mutually_exclusive_group()
        one.add_argument("--failed", action="store_true", help="dead letters only, with their tracebacks")
        one.add_argument("--retry", metavar="ID", type=UUID, help="queue a dead letter again")
        one.add_argument("--cancel", metavar="ID", type=UUID, help="stop a job, or give up a dead letter")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["retry"]:
            self.change(options["retry"], retry_job)
        elif options["cancel"]:
            self.change(options["cancel"], cancel_job)
        else:
            self.show(is_failed_only=options["failed"])

    def change(self, pk: UUID, service: Callable[..., Job]) -> None:
        job = Job.objects.filter(pk=pk).first()
        if job is None:
            raise CommandError(f"There is no job {pk}.")
        try:
            job = service(job=job, actor=None, now=timezone.now())
        except Refused as refusal:
            raise CommandError(refusal.detail) from None
        self.stdout.write(line_of(job))

    def show(self, *, is_failed_only: bool) -> None:
        found = Job.objects.select_related("project").order_by("-created_at")
        for job in found.filter(is_dead_letter=True) if is_failed_only else found[:SHOWN]:
            self.stdout.write(line_of(job))
            if is_failed_only:
                self.stdout.write(job.traceback)


def line_of(job: Job) -> str:
    state = (
        f"{job.state} (stops at its next step)" if job.cancel_wanted_at and not job.is_finished else job.state
    )
    where = job.project.slug if job.project else "-"
    error = (job.error or {}).get("detail", "")
    made = job.created_at.isoformat(sep=" ", timespec="seconds")
    return f"{job.pk}  {made}  {where}  {job.kind}  {state}  {error}".rstrip()
