"""Import a file into a project and wait for the result."""

import argparse
import time
from pathlib import Path
from typing import Any

from django.core.files.base import File
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from annotation.errors import Refused
from annotation.importers import importers
from annotation.jobs import run_claimed
from annotation.models import Job, Membership, Project, User
from annotation.services.batches import start_import

POLL_SECONDS = 0.2
SETTINGS = [
    "format",
    "name",
    "overlap",
    "gold_share",
    "repeat_share",
    "priority",
    "lease_seconds",
    "dry_run",
    "skip_bad_rows",
]


class Command(BaseCommand):
    help = "Import a file of items into a project as its next batch."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("project", help="the project's slug")
        parser.add_argument("file", type=Path, help="the file; all but Parquet may be gzip")
        parser.add_argument("--format", default="jsonl", choices=[key for key, _ in importers])
        parser.add_argument("--name", default="", help="default: the file's name")
        parser.add_argument("--overlap", type=int, help="judgments for each item; default: the protocol's")
        parser.add_argument("--gold-share", type=float, default=0)
        parser.add_argument("--repeat-share", type=float, default=0)
        parser.add_argument("--priority", type=int, default=0)
        parser.add_argument("--lease-seconds", type=int, default=1800)
        parser.add_argument("--by", metavar="EMAIL", help="who imports; default: the project's first lead")
        parser.add_argument("--dry-run", action="store_true", help="report the errors, store nothing")
        parser.add_argument("--skip-bad-rows", action="store_true", help="store the good rows")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            project = Project.objects.get(slug=options["project"])
        except Project.DoesNotExist:
            raise CommandError(f"there is no project {options['project']!r}") from None
        actor = lead_of(project, options["by"])
        try:
            with options["file"].open("rb") as stream:
                batch, job = start_import(
                    project=project,
                    actor=actor,
                    now=timezone.now(),
                    upload=File(stream, name=options["file"].name),
                    **{name: options[name] for name in SETTINGS},
                )
        except OSError as error:
            raise CommandError(f"{options['file']}: {error.strerror}") from None
        except Refused as refusal:
            raise CommandError(refusal.detail) from None
        job = run_here(job)
        outcome = job.result or job.error or {}
        for row in outcome.get("errors", []):
            self.stderr.write(error_line(row))
        if job.state != Job.State.SUCCEEDED:
            raise CommandError(outcome.get("detail", f"the job was {job.state}"))
        where = f"batch {batch.number} of {project.slug}" if batch else "nothing stored (dry run)"
        self.stdout.write(
            f"{where}: {outcome['items']} items from {outcome['rows']} rows, {outcome['error_count']} errors"
        )


def lead_of(project: Project, email: str | None) -> User:
    leads = project.memberships.filter(role=Membership.Role.LEAD, is_active=True).select_related("user")
    if email:
        leads = leads.filter(user__email__iexact=email)
    lead = leads.order_by("pk").first()
    if lead is None:
        raise CommandError(
            f"{email} is not a lead of {project.slug}" if email else f"{project.slug} has no lead"
        )
    return lead.user


def run_here(job: Job) -> Job:
    """Run the job in this process, or wait for the worker that was faster."""
    run_claimed(str(job.pk), timezone.now())
    job.refresh_from_db()
    while not job.is_finished:
        time.sleep(POLL_SECONDS)
        job.refresh_from_db()
    return job


def error_line(error: dict[str, Any]) -> str:
    where = f"line {error['line']}" + (f", {error['field']}" if error["field"] else "")
    value = f" (found {error['value']})" if error["value"] else ""
    return f"{where}: {error['detail']}{value}; {error['fix']}"
